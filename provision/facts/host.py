"""Processes, QEMUs and accelerators of a host, out of what our scripts print."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass

from provision.errors import UnreadableError


@dataclass(frozen=True, slots=True)
class Process:
    """A running QEMU of ours."""

    pid: int
    argv: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class QemuFound:
    """A QEMU that could run machines; without version where it is not there."""

    program: str
    version: str = ""
    properties: frozenset[str] = frozenset()
    """Of virtio-net-pci."""


@dataclass(frozen=True, slots=True)
class Accelerators:
    """Milliseconds that the probe's boot sector took, or the words why it did not run."""

    tcg: int | str
    kvm: int | str

    @property
    def kvm_is_of_use(self) -> bool:
        """Whether KVM works and is not slower than TCG."""
        if not isinstance(self.kvm, int):
            return False
        return not isinstance(self.tcg, int) or self.kvm <= self.tcg


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


def parse_accelerators(text: str) -> Accelerators:
    """What the probe of accelerators printed.

    :raise UnreadableError: when a line is missing.
    """
    rows = dict(line.split(" ", 1) for line in text.splitlines() if " " in line)
    if set(rows) != {"tcg", "kvm"}:
        raise UnreadableError("the probe of accelerators", text)
    try:
        took = {
            name: int(said) if said.isdecimal() else said.removeprefix("failed ")
            for name, said in rows.items()
        }
    except ValueError as error:  # more digits than Python reads
        raise UnreadableError("the probe of accelerators", text) from error
    return Accelerators(tcg=took["tcg"], kvm=took["kvm"])


def written_accelerators(key: str, found: Accelerators) -> str:
    """The probe's answer as it is kept; `key` says for which QEMU and since which boot it holds."""
    return json.dumps({"key": key, "tcg": found.tcg, "kvm": found.kvm}) + "\n"


def kept_accelerators(key: str, text: str) -> Accelerators | None:
    """The probe's answer as it was kept, or None where it is for another QEMU or boot, or unreadable."""
    try:
        data = json.loads(text)
        good = data["key"] == key and all(isinstance(data[name], int | str) for name in ("tcg", "kvm"))
        return Accelerators(tcg=data["tcg"], kvm=data["kvm"]) if good else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
