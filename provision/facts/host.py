"""What was found on one host, brought together."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from provision.errors import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from provision.command import Domain
    from provision.facts.ip import Link
    from provision.facts.qemu import Image
    from provision.ownership import Thing


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


@dataclass(frozen=True, slots=True)
class HostFound:
    """One host, as read before anything is planned for it."""

    name: str
    links: Mapping[str, Link] = field(default_factory=dict)
    files: frozenset[str] = frozenset()
    """Which of the paths that were asked about exist."""
    writable: bool = True
    """Whether the state directory can be written."""
    images: Mapping[str, Image] = field(default_factory=dict)
    journal: tuple[Thing, ...] = ()
    processes: Mapping[str, Process] = field(default_factory=dict)
    """By pidfile."""
    domains: Mapping[str, Domain] = field(default_factory=dict)
    qemus: Mapping[str, QemuFound] = field(default_factory=dict)
    """By machine: the QEMU that would run it."""
    accelerators: Accelerators | None = None
    """None where nothing asked for it."""
    vhost: bool = False
    tun: str = ""
    """Why TAPs cannot be made; empty where they can."""
    programs: frozenset[str] = frozenset()
    """Programs that were looked for and are there."""


def parse_processes(text: str) -> dict[str, Process]:
    """Processes by pidfile, from lines of pidfile, pid and command line in base64.

    :raise UnreadableError: when a line is not of that form.
    """
    found: dict[str, Process] = {}
    for line in text.splitlines():
        try:
            pidfile, pid, encoded = line.split("\t")
            argv = base64.b64decode(encoded, validate=True).decode("utf-8", "replace").split("\0")
            found[pidfile] = Process(int(pid), tuple(argv[:-1]))
        except ValueError as error:
            raise UnreadableError("the list of processes", text) from error
    return found


def parse_accelerators(text: str) -> Accelerators:
    """What the probe of accelerators printed.

    :raise UnreadableError: when a line is missing.
    """
    rows = dict(line.split(" ", 1) for line in text.splitlines() if " " in line)
    if set(rows) != {"tcg", "kvm"}:
        raise UnreadableError("the probe of accelerators", text)
    took = {
        name: int(said) if said.isdecimal() else said.removeprefix("failed ") for name, said in rows.items()
    }
    return Accelerators(tcg=took["tcg"], kvm=took["kvm"])


def written_accelerators(key: str, found: Accelerators) -> str:
    """The probe's answer as it is kept; `key` says for which QEMU and since which boot it holds."""
    return json.dumps({"key": key, "tcg": found.tcg, "kvm": found.kvm}) + "\n"


def kept_accelerators(key: str, text: str) -> Accelerators | None:
    """The probe's answer as it was kept, or None where it is for another QEMU or boot, or unreadable."""
    try:
        data = json.loads(text)
        return Accelerators(tcg=data["tcg"], kvm=data["kvm"]) if data["key"] == key else None
    except (ValueError, KeyError, TypeError):
        return None
