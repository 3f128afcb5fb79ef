"""A command, where it ran and what it said; and the protocols that the edges fill.

Commands are argv tuples and never strings: quoting is the edge's job. What is above the edges is
handed these protocols and builds none of their implementations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from provision.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

HELD = "held"
"""The line that a program says when it holds what it was started for; it then reads commands as `sh` does."""

NOT_FOUND = 127
"""Exit status of a program that is not there, as shells give it."""

_SHORT = 100

Argv = tuple[str, ...]

Say = Callable[[str], None]
"""Where progress is told."""

QEMU = "qemu-system-x86_64"

PACKAGES = {
    "ip": "iproute2",
    "ethtool": "ethtool",
    "qemu-img": "qemu-utils",
    "flock": "util-linux",
    QEMU: "qemu-system-x86",
}
"""Where Debian keeps the programs that we call."""

RELAYS = ("python3", "perl", "socat")
"""Programs of which a host needs one, so that QEMU's monitor there can be reached from here."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a way out needs to know of a host; what is empty is not said, and OpenSSH's configuration may say it."""

    name: str
    address: str = ""
    """A name, an IP address or an alias in ~/.ssh/config; empty is this machine."""
    port: int | None = None
    user: str = ""
    identity: str = ""
    """Path of the one private key that is offered."""
    known_hosts: str = ""
    """Path of the file that is asked instead of the user's own."""
    sudo: bool = False
    """Whether commands run as root by `sudo -n`."""
    libvirt: str = "qemu:///system"
    """libvirt's URI as seen on that host."""
    uri: str = ""
    """libvirt's URI as seen from here, where it is not reached over SSH as the host is."""


@dataclass(frozen=True, slots=True)
class Run:
    """A command to run, and what it reads."""

    argv: Argv
    stdin: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """How one command ended on one host."""

    host: str
    argv: Argv
    status: int
    out: str
    err: str

    @property
    def ok(self) -> bool:
        """Whether it ended with status 0."""
        return self.status == 0

    def check(self) -> Result:
        """Return itself.

        :raise CommandError: when the command failed; the program's own words are in it.
        """
        if self.ok:
            return self
        program = self.argv[0]
        if self.status == NOT_FOUND and f"{program}: not found" in self.err:
            package = PACKAGES.get(program, program)
            raise CommandError(f"{program} not found on {self.host}", hint=f"install it (Debian: {package})")
        words = (self.err or self.out).strip().splitlines()[-10:]
        said = "\n  ".join(words) or "it said nothing"
        what = self.words() if program != "sh" else "its script"
        raise CommandError(f"{what} failed on {self.host} ({self.status}): {said}")

    def words(self) -> str:
        """The command in short: a script by its first words, a long line by its beginning."""
        text = " ".join(word for part in self.argv for word in part.split())
        return text if len(text) <= _SHORT else f"{text[:_SHORT]} …"


class Runner(Protocol):
    """A host that runs commands."""

    @property
    def name(self) -> str:
        """The host's name in the lab file."""
        ...

    def run(self, argv: Sequence[str], *, stdin: str = "", timeout: float = 60) -> Result:
        """Run one command; a program that is missing gives status 127, not an exception.

        :raise DeadlineError: when it does not end in time; it has been ended then.
        :raise LostError: when the host is gone, and nobody knows how it ended.
        """
        ...

    def run_all(
        self, runs: Sequence[Run], *, timeout: float = 60, until_failure: bool = False
    ) -> list[Result]:
        """Run commands in one round trip: each whatever became of the one before, or none after the first that fails.

        :raise LostError: as `run` does; it tells how the commands before ended.
        """
        ...

    def hold(self, argv: Sequence[str]) -> AbstractContextManager[Result]:
        """Run the block's commands through a program that holds something, and becomes a shell.

        The result is good once the program has said that it holds it; else it has ended. What it holds is let
        go when the last command has ended, also when we are killed meanwhile.
        """
        ...


class Monitor(Protocol):
    """A running QEMU that answers QMP."""

    def execute(self, command: str, arguments: Mapping[str, object] | None = None) -> object:
        """Return the command's `return` value.

        :raise RefusedError: when QEMU answers with an error.
        """
        ...


@dataclass(frozen=True, slots=True)
class Domain:
    """A libvirt domain as found."""

    name: str
    state: str
    """running, paused or off."""
    live_xml: str
    """What runs; of a domain that is off, its definition."""
    persistent_xml: str
    """What starts next time; empty for a transient domain, and where it was not asked for."""
    run: str = ""
    """Tells one run of the domain from another; empty of one that is off, and where it was not asked for."""
    trouble: str = ""
    """Why libvirt did not tell what runs; then there is no XML."""
    autostart: bool = False
    """Whether it starts with the host."""


class Hypervisor(Protocol):
    """A libvirt daemon."""

    def domain(self, name: str) -> Domain | None:
        """The domain, or None where there is none of that name."""
        ...

    def domains(self, names: Sequence[str]) -> list[Domain]:
        """The domains of these names, or all, as they are now; their definitions are not asked for."""
        ...

    def runs(self) -> Mapping[str, str]:
        """Which run each domain is in that runs."""
        ...

    def emulator(self, kind: str, machine: str) -> str:
        """Path of the QEMU that would run a domain of type `kvm` or `qemu`."""
        ...

    def version(self) -> str:
        """The daemon's version, as `9.0.0`."""
        ...

    def define(self, xml: str) -> None:
        """Define a domain, held against libvirt's schema."""
        ...

    def undefine(self, name: str) -> None:
        """Remove a definition, with its NVRAM and TPM state."""
        ...

    def start(self, name: str, *, paused: bool = False) -> None:
        """Start a defined domain."""
        ...

    def definition(self, name: str) -> str:
        """What starts next time, with its secrets, as it can be defined anew; empty where libvirt keeps none."""
        ...

    def shutdown(self, name: str) -> None:
        """Ask a running domain's guest to shut down; whether it does is not waited for."""
        ...

    def destroy(self, name: str) -> None:
        """Pull a running domain's plug."""
        ...

    def autostart(self, name: str, *, on: bool) -> None:
        """Let a domain start with the host, or not."""
        ...

    def monitor(self, name: str) -> Monitor:
        """The domain's QMP; libvirt marks the domain as tainted by its use."""
        ...


class Edges(Protocol):
    """Every way out, by the names of hosts in the lab file; built by the command line, or by a test."""

    def host(self, name: str) -> Runner:
        """The host that runs commands."""
        ...

    def hypervisor(self, host: str) -> Hypervisor:
        """The host's libvirt."""
        ...

    def monitor(self, host: str, socket: str) -> AbstractContextManager[Monitor]:
        """The QEMU that listens at a socket on the host."""
        ...
