"""The verb that judges: ask machines, then their TAPs, and hold what was seen against the rules. Reads only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING

from provision.deadline import pause
from provision.errors import HostError, RequestError
from provision.fleet import side_by_side
from provision.ordinary import lab_as_started
from provision.survey import read_host
from provision.verify.bare import collect_bare
from provision.verify.collect import collect_domain, collect_lab
from provision.verify.evidence import NicEvidence, Unasked
from provision.verify.judge import NicVerdict, judge_nic
from provision.verify.tap import TapsRead, read_taps, sample_tcp, with_tap, with_traffic

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from provision.command import Domain, Edges
    from provision.spec import Lab

_DOMAINS_AT_ONCE = 4
"""libvirtd takes five requests of a connection at a time (max_client_requests), and a hung monitor keeps one."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a check looks."""

    monitor: bool = True
    """Whether QEMU's monitor is asked; libvirt marks a domain as tainted by that."""
    observe: float = 0
    """Seconds for which the TAPs' counters are watched; 0: they are not."""
    waited: bool = False
    """Whether the guests' drivers were waited for until a deadline."""


@dataclass(frozen=True, slots=True)
class Source:
    """Machines of one host, and how they are asked."""

    edges: Edges
    host: str
    ask: Callable[[Sequence[str]], list[NicEvidence]]
    """All evidence but what the TAPs tell, of the machines of these names, or of all."""
    runs: Callable[[], Mapping[str, str]] = dict
    """Which run each machine is in now, where that can be told."""
    wait: Callable[[float], object] = pause
    """How time is let pass while TAPs are watched."""


def check(source: Source, look: Look) -> list[NicVerdict]:
    """The verdict on every NIC of a source.

    TAPs are read after the monitors, so that they are never older than what was negotiated. A driver may
    start or stop in between, or a machine end and leave its TAP's name to another; so machines about whose
    TAP there is something to say, and those that are in another run by then, are asked again, once.
    """
    nics = source.ask(())
    watched = _watched(source, nics, look)
    verdicts = _judged(source, nics, watched, look)
    now = source.runs()
    moved = {nic.machine for nic in nics if nic.run and nic.run != now.get(nic.machine)}
    doubtful = {v.evidence.machine for v in verdicts if v.rests_on_the_tap and not _silent(v.evidence)}
    if not moved | doubtful:
        return verdicts
    again = source.ask(sorted(moved | doubtful))
    later = _judged(source, again, (watched[0], taps_of(source, again)), look)
    latest = {machine: list(rows) for machine, rows in groupby(later, _machine)}
    return [
        row
        for machine, rows in groupby(verdicts, _machine)
        for row in latest.get(machine, () if machine in moved else list(rows))
    ]


def _machine(verdict: NicVerdict) -> str:
    return verdict.evidence.machine


def _judged(
    source: Source, nics: Sequence[NicEvidence], watched: tuple[TapsRead, TapsRead], look: Look
) -> list[NicVerdict]:
    """The verdicts by what was asked and what the TAPs told."""
    seen = [_seen(nic, watched, look) for nic in nics]
    if look.observe:
        seen = sample_tcp(source.edges.host(source.host), seen)
    return [judge_nic(nic) for nic in seen]


def _silent(nic: NicEvidence) -> bool:
    """Whether its monitor gave no answer, which would cost its deadline once more."""
    return isinstance(nic.virtio, Unasked) and not nic.virtio.final


def _watched(source: Source, nics: Sequence[NicEvidence], look: Look) -> tuple[TapsRead, TapsRead]:
    """The host's devices before and after they were watched; the same where they were not."""
    before = taps_of(source, nics)
    if not look.observe or not before.links:
        return before, before
    source.wait(look.observe)
    return before, taps_of(source, nics)


def taps_of(source: Source, nics: Sequence[NicEvidence]) -> TapsRead:
    """The host's devices, where there are any that matter."""
    return devices_of(source) if any(nic.tap for nic in nics) else TapsRead.none("")


def devices_of(source: Source) -> TapsRead:
    """The host's devices; one that cannot be reached is told as why nothing was read."""
    try:
        return read_taps(source.edges.host(source.host))
    except HostError as error:
        return TapsRead.none(str(error))


def _seen(nic: NicEvidence, watched: tuple[TapsRead, TapsRead], look: Look) -> NicEvidence:
    before, after = watched
    nic = replace(with_tap(nic, after), waited=look.waited)
    return with_traffic(nic, before, after) if look.observe else nic


def lab_source(edges: Edges, lab: Lab, host: str, names: Sequence[str], *, monitor: bool = True) -> Source:
    """These machines of a lab file, all of one host."""

    def ask(some: Sequence[str]) -> list[NicEvidence]:
        chosen = some or names
        found = read_host(edges, lab, host, chosen)
        return collect_lab(edges, lab_as_started(lab, found), chosen, found, monitor=monitor)

    return Source(edges, host, ask)


def domain_source(edges: Edges, host: str, names: Sequence[str], *, monitor: bool = True) -> Source:
    """Domains of a libvirt, made by anyone, of these names or all."""
    hypervisor = edges.hypervisor(host)

    def ask(some: Sequence[str]) -> list[NicEvidence]:
        domains = {domain.name: domain for domain in hypervisor.domains(some or names)}
        _missed(names if not some else (), domains)
        outcomes = side_by_side(
            list(domains),
            lambda name: collect_domain(edges, host, domains[name], monitor=monitor),
            at_once=_DOMAINS_AT_ONCE,
        )
        for outcome in outcomes:
            if outcome.error is not None:
                raise outcome.error
        return [nic for outcome in outcomes for nic in outcome.value or ()]

    return Source(edges, host, ask, hypervisor.runs)


def _missed(names: Sequence[str], found: Mapping[str, Domain]) -> None:
    missing = [name for name in names if name not in found]
    if missing:
        raise RequestError(
            f"no domain {', '.join(missing)} there", hint="`virsh list --all` at the same URI lists them"
        )


def bare_source(edges: Edges, host: str, socket: str) -> Source:
    """A QEMU of anyone's, by its monitor's socket on the host."""
    return Source(edges, host, lambda _: collect_bare(edges, host, socket))
