"""Parses the list of QEMU processes that our script makes from /proc."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from provision.runtime.errors import UnreadableError


@dataclass(frozen=True, slots=True)
class Process:
    """A running QEMU of ours."""

    pid: int
    argv: tuple[str, ...]


def parse_processes(text: str) -> dict[str, Process]:
    """QEMUs by their pidfile argument, from lines of pid and command line in base64.

    :raise UnreadableError: when a line is not of that form.
    """
    found: dict[str, Process] = {}
    for line in text.splitlines():
        try:
            pid, encoded = line.split("\t")
            argv = base64.b64decode(encoded, validate=True).decode("utf-8", "replace").split("\0")[:-1]
            process = Process(int(pid), tuple(argv))
        except ValueError as error:
            raise UnreadableError("the list of processes", text) from error
        if "-pidfile" in argv[:-1]:
            found[argv[argv.index("-pidfile") + 1]] = process
    return found
