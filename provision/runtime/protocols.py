"""The protocols that edges fill: a host that runs commands, a libvirt, a QEMU's monitor.

What is above the edges is handed these and builds none of their implementations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from provision.runtime.places import ANYBODY, Listener

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

    from provision.runtime.command import Argv, Result, Run
    from provision.runtime.guest_channel import Channel, GuestWay


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


class Program(Protocol):
    """A program on a host that is talked with by lines while it runs."""

    def say(self, line: str) -> None:
        """Hand it a line.

        :raise LostError: when it has ended, or its host is gone.
        """
        ...

    def lines(self, seconds: float) -> list[str] | None:
        """The whole lines that it has said since, after so many seconds at most, perhaps none; None once it has ended.

        :raise LostError: when its host is gone, or it says lines without end.
        """
        ...

    @property
    def complaint(self) -> str:
        """The last that it has said on its standard error."""
        ...


Follow = Callable[["Argv"], "AbstractContextManager[Program]"]
"""Starts a program on a host, whose input ends with the block: it then has a moment to end by itself."""


MonitorQuestion = tuple[str, "Mapping[str, object]"]
"""A command of QMP's, and its arguments."""


class Monitor(Protocol):
    """A running QEMU that answers QMP."""

    def ahead(self, questions: Sequence[MonitorQuestion]) -> None:
        """Ask in one round trip what will be asked next, where that saves any; `execute` tells what came of it."""
        ...

    def execute(self, command: str, arguments: Mapping[str, object] | None = None) -> object:
        """Return the command's `return` value.

        :raise RefusedError: when QEMU answers with an error.
        """
        ...


class SocketMonitor(Monitor, Protocol):
    """A QEMU's monitor that is reached by its socket."""

    @property
    def peer(self) -> int | None:
        """The process that listens there, as its kernel tells it; None where it does not."""
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
    """What starts next time; empty for a transient domain, and where it was not asked for.

    A list does not ask it of domains that are off, whose definition is `live_xml`.
    """
    run: str = ""
    """Tells one run of the domain from another; empty of one that is off, and where it was not asked for."""
    trouble: str = ""
    """Why libvirt did not tell what runs; then there is no XML."""
    autostart: bool = False
    """Whether it starts with the host."""
    saved: bool = False
    """Whether it is off and was saved (managedsave): its next start goes on from there."""


@dataclass(frozen=True, slots=True)
class Network:
    """A libvirt network as found."""

    active: bool
    xml: str


class LibvirtReader(Protocol):
    """A libvirt daemon that is only asked."""

    def domain(self, name: str) -> Domain | None:
        """The domain, or None where there is none of that name."""
        ...

    def domains(self, names: Sequence[str]) -> list[Domain]:
        """The domains of these names, or all, as they are now; definitions come with those that run."""
        ...

    def runs(self) -> Mapping[str, str]:
        """Which run each domain is in that runs."""
        ...

    def emulator(self, kind: str, machine: str) -> str:
        """Path of the QEMU that would run a domain of type `kvm` or `qemu`."""
        ...

    def network(self, name: str) -> Network | None:
        """The virtual network, or None where there is none of that name."""
        ...

    def capabilities(self, kind: str, machine: str) -> tuple[str, str]:
        """The XML of what libvirt can do: with domains of type `kvm` or `qemu`, and of the host.

        :raise HostError: when it has nothing that would run such domains.
        """
        ...

    def version(self) -> str:
        """The daemon's version, as `9.0.0`."""
        ...

    def monitor(self, name: str) -> Monitor:
        """The domain's QMP; libvirt marks the domain as tainted by its use."""
        ...


class Libvirt(LibvirtReader, Protocol):
    """A libvirt daemon that is also told to change something."""

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


class ReadingEdges(Protocol):
    """Every way out that collecting evidence needs; kept evidence answers by it, too (`verify/saved/`)."""

    def host(self, name: str) -> Runner:
        """The host that runs commands."""
        ...

    def libvirt(self, host: str) -> LibvirtReader:
        """The host's libvirt."""
        ...

    def monitor(
        self, host: str, socket: str, listener: Listener = ANYBODY
    ) -> AbstractContextManager[SocketMonitor]:
        """Who listens at a path on the host, or at a port of its loopback; whether it is a QEMU the first answer shows.

        :raise HostError: when nobody listens there, or another than has to; then nothing was said to them.
        """
        ...

    def guest(self, host: str, way: GuestWay) -> AbstractContextManager[Channel]:
        """A guest of the host's, by one way into it; whether it answers its first answer shows.

        :raise HostError: when this way is known to lead nowhere.
        """
        ...


class Edges(ReadingEdges, Protocol):
    """Every way out, by the names of hosts in the lab file; built by the command line, or by a test."""

    def libvirt(self, host: str) -> Libvirt:
        """The host's libvirt."""
        ...
