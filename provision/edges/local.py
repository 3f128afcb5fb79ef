"""This machine, as a host that runs commands."""

from __future__ import annotations

import os
import select
import selectors
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

from provision.edges.shell import ShellHost

if TYPE_CHECKING:
    from provision.runtime.command import Argv, Say

# Debian keeps ip and ethtool where an ordinary user's PATH does not look.
SBIN = "/usr/local/sbin:/usr/sbin:/sbin"

_GRACE = 2.0
"""Seconds from SIGTERM to SIGKILL: a keeper of TAPs puts back what it has switched off."""


def _environment() -> dict[str, str]:
    path = os.environ.get("PATH", "/usr/local/bin:/usr/bin:/bin")
    return {**os.environ, "PATH": f"{path}:{SBIN}", "LC_ALL": "C.UTF-8"}


class LocalStream:
    """A program here, in a session of its own: the terminal's Ctrl-C is for us alone."""

    def __init__(self, argv: Argv) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            argv, bufsize=0, stdin=pipe, stdout=pipe, stderr=pipe, env=_environment(), start_new_session=True
        )
        self._selector = selectors.DefaultSelector()
        for index, stream in enumerate((self._process.stdout, self._process.stderr)):
            if stream is not None:
                self._selector.register(stream, selectors.EVENT_READ, index)

    def send(self, data: bytes, until: str = "", seconds: float = 0) -> None:  # noqa: ARG002 - who waits here hears at once
        """Write to its input."""
        if self._process.stdin is not None:
            left = memoryview(data)
            while left:
                left = left[self._process.stdin.write(left) :]

    def receive(self, seconds: float) -> tuple[bytes, bytes] | None:
        """What it has put out and complained since; None once both have ended."""
        if not self._selector.get_map():
            return None
        found = [b"", b""]
        for key, _ in self._selector.select(seconds):
            data = os.read(key.fd, 1 << 16)
            found[key.data] += data
            if not data:
                self._selector.unregister(key.fileobj)
        return found[0], found[1]

    def end(self, seconds: float) -> int:
        """End its input and wait for it; one that does not end in time is told to, and then killed."""
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
        try:
            if not self._ends(seconds):
                self._signal(signal.SIGTERM)
                self._ends(_GRACE)
            if self._process.poll() is None:
                self.kill()
            return self._process.wait()
        finally:
            self._close()

    def _ends(self, seconds: float) -> bool:
        """Whether it does within so many seconds; Popen's own wait looks every so often, up to 50 ms late."""
        ended = os.pidfd_open(self._process.pid)
        try:
            return bool(select.select([ended], [], [], seconds)[0])
        finally:
            os.close(ended)

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def kill(self) -> None:
        """End it, and what it has started in its session."""
        self._signal(signal.SIGKILL)
        self._process.wait()
        self._close()

    def _close(self) -> None:
        self._selector.close()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                with suppress(OSError):
                    stream.close()


def local_host(trace: Say | None = None) -> ShellHost:
    """This machine."""
    return ShellHost("local", LocalStream, trace)
