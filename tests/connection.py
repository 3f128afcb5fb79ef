"""Somebody else's connection to a host, as one to this machine, that counts and can be cut."""

from __future__ import annotations

import os
import subprocess
import threading

from provision.edges.relayed.pump import Executed


class Here:
    """Runs one command at a time; `path`: where programs are looked for first."""

    def __init__(self, path: str = "") -> None:
        self.count, self.cut, self.was_cut = 0, False, False
        self.gate = threading.Event()
        """Cleared, it keeps every command waiting."""
        self.gate.set()
        self._environment = {**os.environ, "PATH": f"{path}:{os.environ['PATH']}"} if path else None

    def execute(self, script: str, arguments: tuple[str, ...], stdin: bytes) -> Executed:
        self.count += 1
        if self.cut:
            raise ConnectionError("the line is cut")
        assert stdin
        assert self.gate.wait(30)
        done = subprocess.run(
            ["sh", "-c", script, "sh", *arguments],
            input=stdin,
            capture_output=True,
            timeout=60,
            check=False,
            env=self._environment,
        )
        return Executed(done.returncode, done.stdout, done.stderr)
