"""Which machines of a host are asked, and how: a lab's, a libvirt's, or one QEMU."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from provision.host.plan.hck_flags import lab_as_started
from provision.host.read.inventory import read_inventory
from provision.runtime.deadline import pause
from provision.runtime.errors import RequestError
from provision.runtime.parallel import foreseen, side_by_side
from provision.verify.collect.asked_ways import named_ways
from provision.verify.collect.every_qemu import collect_at, collect_every
from provision.verify.collect.machines import collect_domain, collect_lab, unread_domain
from provision.verify.collect.next_start import with_spec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from provision.lab.spec import Lab
    from provision.runtime.command import Argv
    from provision.runtime.guest_channel import GuestWay
    from provision.runtime.parallel import Outcome
    from provision.runtime.protocols import Domain, ReadingEdges
    from provision.verify.evidence import NicEvidence


_DOMAINS_AT_ONCE = 4
"""libvirtd takes five requests of a connection at a time (max_client_requests), and a hung monitor keeps one."""


@dataclass(frozen=True, slots=True)
class MachineSource:
    """Machines of one host, and how they are asked."""

    edges: ReadingEdges
    host: str
    ask: Callable[[Sequence[str]], list[NicEvidence]]
    """All evidence but what the TAPs tell, of the machines of these names, or of all."""
    runs: Callable[[], Mapping[str, str]] = dict
    """Which run each machine is in now, where that can be told."""
    listening: bool = False
    """Whether its QEMU is known by the path that its monitor listens at."""
    wait: Callable[[float], object] = pause
    """How time is let pass while TAPs are watched."""
    machines: Callable[[], Sequence[str]] = tuple
    """The machines that are there, whether they have NICs or not."""
    ways: Callable[[NicEvidence], Sequence[GuestWay]] = lambda _: ()
    """The ways into its guest that its lab file names."""
    reached: Argv = ()
    """What stands before a machine's name on a command line: `--connect URI`, or a lab file; empty where that is not known."""


def lab_source(
    edges: ReadingEdges, lab: Lab, host: str, names: Sequence[str], *, monitor: bool = True
) -> MachineSource:
    """These machines of a lab file, all of one host."""
    mixed = len({lab.machines[name].backend for name in names}) > 1

    def ask(some: Sequence[str]) -> list[NicEvidence]:
        chosen = some or names
        there = read_inventory(edges, lab, host, chosen, lenient=mixed)
        asked = collect_lab(edges, lab_as_started(lab, there), chosen, there, monitor=monitor)
        nics = [with_spec(nic, lab, there) for nic in asked]
        trouble = there.journal.trouble and f"whether it was disarmed is not known: {there.journal.trouble}"
        return [replace(nic, notes=(*nic.notes, trouble)) for nic in nics] if trouble else nics

    return MachineSource(edges, host, ask, machines=lambda: names, ways=partial(named_ways, lab))


def domain_source(
    edges: ReadingEdges, host: str, names: Sequence[str], *, monitor: bool = True
) -> MachineSource:
    """Domains of a libvirt, made by anyone, of these names or all."""
    hypervisor = edges.libvirt(host)

    def ask(some: Sequence[str]) -> list[NicEvidence]:
        domains = {domain.name: domain for domain in hypervisor.domains(some or names)}
        _missed(names if not some else (), domains)
        outcomes = side_by_side(
            list(domains),
            lambda name: collect_domain(edges, host, domains[name], monitor=monitor),
            at_once=_DOMAINS_AT_ONCE,
        )
        return [replace(nic, named=bool(names)) for outcome in outcomes for nic in told(outcome, domains)]

    def told(outcome: Outcome[list[NicEvidence]], domains: Mapping[str, Domain]) -> list[NicEvidence]:
        return foreseen(outcome, lambda error: [unread_domain(host, domains[outcome.host], str(error))])

    def there() -> list[str]:
        return [domain.name for domain in hypervisor.domains(names)]

    return MachineSource(edges, host, ask, hypervisor.runs, machines=there)


def _missed(names: Sequence[str], found: Mapping[str, Domain]) -> None:
    missing = [name for name in names if name not in found]
    if missing:
        raise RequestError(
            f"no domain {', '.join(missing)} there", hint="`virsh list --all` at the same URI lists them"
        )


def every_source(edges: ReadingEdges, host: str, *, monitor: bool = True) -> MachineSource:
    """Every QEMU that runs on a host, whoever started it."""
    return MachineSource(edges, host, lambda names: collect_every(edges, host, names, monitor=monitor))


def bare_source(edges: ReadingEdges, host: str, socket: str) -> MachineSource:
    """A QEMU of anyone's, by its monitor's socket on the host."""
    return MachineSource(
        edges,
        host,
        lambda _: collect_at(edges, host, socket),
        machines=lambda: (f"the QEMU at {socket}",),
        listening=True,
    )
