"""A bash at a terminal of its own, and what it makes of lines at whose end Tab is pressed."""

from __future__ import annotations

import fcntl
import os
import re
import select
import shlex
import struct
import subprocess
import sys
import termios
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
PROMPT = "@@ "
LONGEST = 60.0
"""Seconds for one line."""


@dataclass(frozen=True, slots=True)
class Typist:
    """Who sits at the terminal."""

    terminal: int

    def tab(self, line: str) -> list[str]:
        """The words of the line after Tab; what stands before it then prints them."""
        os.write(self.terminal, f"{line}\t\x01printf '[%s]' \n".encode())
        found = self.read(r"((?:\[[^][]*\])+)" + PROMPT)
        return found[1:-1].split("][")

    def read(self, pattern: str) -> str:
        """What the terminal shows, once it has this."""
        seen, end = "", time.monotonic() + LONGEST
        while not (found := re.search(pattern, seen)):
            left = end - time.monotonic()
            assert select.select([self.terminal], [], [], max(0, left))[0], f"{pattern} not in {seen!r}"
            seen += os.read(self.terminal, 65536).decode()
        return found[found.lastindex or 0]


@contextmanager
def bash_with_completion(folder: Path) -> Iterator[Typist]:
    """A bash that has `rscvm` in its PATH and has read `rscvm completion bash`."""
    program = folder / "bin" / "rscvm"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(ROOT))} exec {shlex.quote(sys.executable)} -m provision "$@"\n'
    )
    program.chmod(0o755)
    ours, theirs = os.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 1000, 0, 0))
    env = {
        "PATH": f"{program.parent}:/usr/bin:/bin",
        "PS1": PROMPT,
        "TERM": "dumb",
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
    }
    bash = subprocess.Popen(
        ["setsid", "--ctty", "bash", "--norc", "--noprofile", "-i"],
        stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, env=env,
    )  # fmt: skip
    try:
        typist = Typist(ours)
        typist.read(PROMPT)
        os.write(ours, b"source <(rscvm completion bash) && echo has''read\n")
        typist.read("hasread\\s+" + PROMPT)
        yield typist
    finally:
        bash.kill()
        bash.wait()
        os.close(ours)
        os.close(theirs)
