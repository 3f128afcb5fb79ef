"""`check`: ask machines, then their TAPs, and judge every NIC. Reads only."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING

from provision.runtime.errors import HostError
from provision.runtime.underway import spoken, underway
from provision.verify.collect.guest_answers import ask_guests, ways_in, with_guest
from provision.verify.collect.host_devices import TapsRead, read_taps
from provision.verify.collect.own_taps import has_device
from provision.verify.collect.sampling import LASTS, place, sample
from provision.verify.collect.taps import with_tap
from provision.verify.collect.traffic import read_counters, with_traffic
from provision.verify.collect.wire import with_test_bridge
from provision.verify.evidence import NicEvidence, Unasked
from provision.verify.judge.verdict import NicVerdict, judge_nic

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from provision.facts.frames import TapSample
    from provision.verify.collect.guest_answers import Answers
    from provision.verify.collect.sampling import Place
    from provision.verify.collect.source import MachineSource
    from provision.verify.collect.traffic import Counters


PATIENCE = 180
"""Seconds that one host may take for all that is asked, besides those of the watching."""
_LOOKS = 30
"""At a host's counters while they are watched, at most, and no more than one a second."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a check looks."""

    monitor: bool = True
    """Whether QEMU's monitor is asked; libvirt marks a domain as tainted by that."""
    observe: float = 0
    """Seconds for which the TAPs' counters are watched; 0: they are not."""
    waited: bool = False
    """Whether the guests' drivers were waited for until a deadline."""
    guest: bool = False
    """Whether guests must answer themselves: those that no lab file says how to ask are asked by their agents."""


@dataclass(frozen=True, slots=True)
class _Watched:
    """A host's devices before and after they were watched, and samples of what went to its TAPs."""

    before: TapsRead
    after: TapsRead
    samples: Mapping[Place, TapSample] = field(default_factory=dict)
    between: Sequence[Counters] = ()
    guests: Answers = field(default_factory=dict)


def check(source: MachineSource, look: Look) -> list[NicVerdict]:
    """The verdict on every NIC of a source.

    TAPs are read after the monitors, so that they are never older than what was negotiated. A driver may
    start or stop in between, or a machine end and leave its TAP's name to another; so machines about whose
    TAP there is something to say, and those that are in another run by then, are asked again, once.
    """
    with underway(f"asking the machines of {spoken(source.host)}"):
        nics = source.ask(())
    guests = guests_of(source, nics, look)
    watched = replace(_watched(source, nics, look), guests=guests)
    verdicts = _judged(nics, watched, look, nics)
    now = source.runs()
    moved = {nic.machine for nic in nics if nic.run and nic.run != now.get(nic.machine)}
    doubtful = {v.evidence.machine for v in verdicts if v.rests_on_the_tap and not _silent(v.evidence)}
    if not moved | doubtful:
        return verdicts
    again = source.ask(sorted(moved | doubtful))
    there = [nic for nic in nics if nic.machine not in moved | doubtful]
    asked = guests_of(source, [nic for nic in again if nic.machine in moved], look)
    then = replace(watched, after=taps_of(source, again, look), guests={**guests, **asked})
    later = _judged(again, then, look, [*there, *again])
    latest = {machine: list(rows) for machine, rows in groupby(later, _machine)}
    return [
        row
        for machine, rows in groupby(verdicts, _machine)
        for row in latest.get(machine, () if machine in moved else list(rows))
    ]


def _machine(verdict: NicVerdict) -> str:
    return verdict.evidence.machine


def _judged(
    nics: Sequence[NicEvidence],
    watched: _Watched,
    look: Look,
    there: Sequence[NicEvidence],
) -> list[NicVerdict]:
    """The verdicts by what was asked, of these NICs and all that are there, and what the TAPs told."""
    seen = with_test_bridge([_seen(nic, watched, look) for nic in nics], watched.after, there)
    return [judge_nic(nic) for nic in seen]


def _silent(nic: NicEvidence) -> bool:
    """Whether its monitor gave no answer, which would cost its deadline once more."""
    return isinstance(nic.virtio, Unasked) and not nic.virtio.final


def _watched(source: MachineSource, nics: Sequence[NicEvidence], look: Look) -> _Watched:
    """The host's devices before and after they were watched; the same where they were not.

    The sample is taken at the end of that time, and is the rest of it.
    """
    before = taps_of(source, nics, look)
    if not look.observe or not before.links:
        return _Watched(before, before)
    places = [
        at for nic in nics if (at := place(with_tap(nic, before))) is not None and _is_there(at, before)
    ]
    seconds = max(look.observe, LASTS)
    with underway(f"watching what goes to the TAPs of {spoken(source.host)} for {seconds:.3g} s"):
        between = [*_looks(source, look.observe - LASTS)]
        samples = sample(source.edges.host(source.host), sorted(set(places)))
        if all(each.trouble for each in samples.values()):  # it has ended at once
            source.wait(min(look.observe, LASTS))
    return _Watched(before, taps_of(source, nics, look), samples, between)


def _looks(source: MachineSource, seconds: float) -> Iterator[Counters]:
    """A look at the host's counters after each part of that time; one that fails is left out."""
    parts = max(1, min(_LOOKS, int(seconds)))
    for _ in range(parts):
        source.wait(max(seconds / parts, 0.0))
        with suppress(HostError):
            yield read_counters(source.edges.host(source.host))


def _is_there(at: Place, taps: TapsRead) -> bool:
    return at[0] in taps.of(at[1]).links


def taps_of(source: MachineSource, nics: Sequence[NicEvidence], look: Look) -> TapsRead:
    """The host's devices, where there are any that matter."""
    if not any(nic.tap or (has_device(nic) and nic.state != "off") for nic in nics):
        return TapsRead.none("")
    with underway(f"reading the network devices of {spoken(source.host)}"):
        return devices_of(source, timed=bool(look.observe))


def devices_of(source: MachineSource, *, timed: bool) -> TapsRead:
    """The host's devices; one that cannot be reached is told as why nothing was read."""
    try:
        return read_taps(source.edges.host(source.host), listening=source.listening, timed=timed)
    except HostError as error:
        return TapsRead.none(str(error))


def guests_of(source: MachineSource, nics: Sequence[NicEvidence], look: Look) -> Answers:
    """What the guests of machines that run tell, as far as they are to be asked."""
    ways = ways_in(nics, source.ways, must=look.guest)
    with underway(f"asking the guests of {spoken(source.host)}"):
        return ask_guests(source.edges, source.host, ways) if ways else {}


def _seen(nic: NicEvidence, watched: _Watched, look: Look) -> NicEvidence:
    nic = replace(with_tap(nic, watched.after), waited=look.waited)
    nic = with_guest(nic, watched.guests, must=look.guest)
    if not look.observe:
        return nic
    return with_traffic(nic, watched.before, watched.after, watched.samples, watched.between)
