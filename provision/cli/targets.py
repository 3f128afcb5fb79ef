"""LAB, --connect, --qmp and --host of a command line to the machines that are to be asked."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from provision.cli.fleet import edges_of
from provision.cli.libvirts import domain_sources, reached, refuse_no_file
from provision.cli.selection import by_host, chosen
from provision.lab.file import read_lab
from provision.runtime.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from provision.api.saved import Keep
    from provision.cli.output import Output
    from provision.edges.wiring import RealEdges
    from provision.runtime.protocols import ReadingEdges
    from provision.verify.collect.source import MachineSource


@dataclass(frozen=True, slots=True)
class Machines:
    """Which machines a command line means: a lab file's, a libvirt's domains, one QEMU, or all that run on hosts."""

    names: tuple[str, ...]
    """The lab file first, where there is one."""
    connect: tuple[str, ...] = ()
    qmp: str | None = None
    hosts: tuple[str, ...] = ()

    @property
    def named(self) -> frozenset[str]:
        """Machines that were named, or domains."""
        return frozenset(self.names if self.connect else self.names[1:])

    def check(self, *, monitor: bool = True) -> None:
        """Hold them against each other.

        :raise RequestError: when two things are meant at once.
        """
        from provision.runtime.places import LOOPBACK

        if "" in (*self.names, *self.hosts, *self.connect, self.qmp):
            raise RequestError("an empty name is nobody's: LAB, MACHINE, URI, DOMAIN or SOCKET")
        if self.connect and self.qmp is not None:
            raise RequestError("--connect and --qmp: one of them")
        if self.qmp is not None and (self.names or not monitor):
            raise RequestError(
                "--qmp: all there is to ask is its monitor; it takes neither names nor --no-monitor"
            )
        if self.names and not self.connect and self.hosts:
            raise RequestError("--host: a lab file says itself where its machines are")
        if self.qmp is not None and self.qmp.startswith("tcp:") and not re.fullmatch(LOOPBACK, self.qmp):
            raise RequestError(
                "--qmp: on TCP a monitor is asked at tcp:127.0.0.1:PORT or tcp:[::1]:PORT alone, where its host answers",
                hint="--host ssh://USER@HOST for one on another host",
            )
        if len(self.hosts) > 1 and (self.connect or self.qmp is not None):
            raise RequestError("--host: several of them go without --connect and --qmp only")
        if self.hosts and len(self.connect) > 1:
            raise RequestError("--host goes with a single --connect")

    @property
    def everywhere(self) -> bool:
        """Whether all that run on hosts are meant, and so none that is off."""
        return not (self.names or self.connect or self.qmp)

    @property
    def host(self) -> str:
        """The one host that was named; empty for this one, or the URI's."""
        return self.hosts[0] if self.hosts else ""


@contextmanager
def sources_of(output: Output, machines: Machines, keep: Keep) -> Iterator[dict[str, MachineSource]]:
    """What the command line asks about, by host; connections end with the block.

    :raise RequestError: when it asks for two things at once.
    """
    from provision.verify.collect.source import bare_source, lab_source

    monitor, names = keep.look.monitor, machines.names
    machines.check(monitor=monitor)
    if machines.connect:
        with ExitStack() as open_:
            yield domain_sources(output, (machines.connect, machines.host, names), keep, open_)
    elif machines.qmp is not None:
        with (
            reached(output, "", machines.host) as (name, real),
            keep.of_qemu(real, name, machines.qmp) as edges,
        ):
            yield {name: bare_source(edges, name, machines.qmp)}
    elif not names:
        with everywhere(output, machines.hosts) as (there, real), keep.of_hosts(real, there) as edges:
            sources = every_sources(edges, there, monitor=monitor)
            yield {
                name: replace(of, reached=("--connect", real.connect_uri(name)))
                for name, of in sources.items()
            }
    else:
        refuse_no_file(output, "check", names)
        lab = read_lab(names[0])
        wanted = chosen(lab, names[1:])
        hosts = by_host(lab, wanted)
        with edges_of(lab, output) as real, keep.of_lab(real, lab, wanted) as edges:
            sources = {name: lab_source(edges, lab, name, hosts[name], monitor=monitor) for name in hosts}
            yield {name: replace(of, reached=(machines.names[0],)) for name, of in sources.items()}


def every_sources(edges: ReadingEdges, hosts: Sequence[str], *, monitor: bool) -> dict[str, MachineSource]:
    """Every QEMU of each host."""
    from provision.verify.collect.source import every_source

    return {name: every_source(edges, name, monitor=monitor) for name in hosts}


@contextmanager
def everywhere(output: Output, hosts: Sequence[str]) -> Iterator[tuple[list[str], RealEdges]]:
    """These hosts, or this one, and the ways to them."""
    from provision.edges.uri import reach
    from provision.edges.wiring import RealEdges

    there = [reach("", host).host for host in hosts or ("",)]
    count = Counter(target.name for target in there)
    named = [
        replace(each, name=f"{each.name}:{each.port or 22}") if count[each.name] > 1 else each
        for each in there
    ]
    ways = {target.name: target for target in named}
    if len(ways) < len(named):
        twice = Counter(target.name for target in named).most_common(1)[0][0]
        raise RequestError(f"--host: {twice} is named twice")
    with RealEdges(ways, output.say if output.verbose else None) as edges:
        yield list(ways), edges
