"""`fix`: do what the findings say, on the host's side and in a domain's definition, and look again.

Nothing but ethtool on a NIC's own TAP touches what runs, and a power cycle where it was asked for.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from provision.amend import lab_words
from provision.check import Look, check, lab_source
from provision.errors import HostError, RequestError
from provision.facts.domain import parse_domain
from provision.interrupt import shield
from provision.offloads import BY_NAME
from provision.redefine import await_drivers_of, has_edits, power_cycle, redefine
from provision.repair import BACK_ON, Repair, plan_repair
from provision.verify.judge import NicVerdict, judge_nic
from provision.verify.ladder import wire_like
from provision.verify.tap import read_taps, with_tap
from provision.xmlrepair import edit_diffs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from provision.command import Domain, Edges, Runner, Say
    from provision.deadline import Deadline
    from provision.diff import Diff
    from provision.site import Site
    from provision.xmledit import Edit

Read = tuple[Repair, NicVerdict]
"""What was asked of a TAP, and the verdict by what was read back."""

POWER_CYCLE = "takes effect after a power cycle; a reboot from inside keeps the old device"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that was changed, or would be."""

    machine: str
    nic: str
    cause: str
    what: str
    why: str
    diff: Diff = ()
    backup: str = ""
    """The file with the definition as it was."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """What `fix` did, or would do, and how every NIC is now."""

    verdicts: Sequence[NicVerdict]
    changed: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()
    error: HostError | None = None
    """What ended it early; the rest still holds."""


@dataclass(frozen=True, slots=True)
class Place:
    """A domain of any libvirt, within reach."""

    edges: Edges
    host: str
    uri: str
    """As its user gives it to virsh."""
    name: str
    verdicts: Callable[[], list[NicVerdict]]
    keep: Callable[[str, str], str]
    """Keeps a definition (the domain's name, its XML) and tells where."""


def fix_lab(site: Site, names: Sequence[str], say: Say, *, dry_run: bool) -> Fixed:
    """Mend what the host has taken from these machines' TAPs; what lies in the lab file is told.

    :raise HostError: when a TAP cannot be asked, or somebody else works on the lab.
    """
    source = lab_source(site.edges, site.lab, site.host, names)
    verdicts = check(source, Look())
    repairs = [plan_repair(verdict, None) for verdict in verdicts]
    notes = _told(repairs, lambda verdict: lab_words(site.lab, verdict))
    if dry_run or not any(repair.command for repair in repairs):
        return Fixed(verdicts, _tries(repairs), notes)
    with site.alone(say):
        read = _ask_taps(site.edges.host(site.host), repairs, say)
        after = check(source, Look())
    return Fixed(after, _done(read), notes + _refusals(read))


def fix_domain(place: Place, say: Say, *, dry_run: bool, restart: Deadline | None = None) -> Fixed:
    """Mend a domain's TAPs and its definition, and power-cycle it by the deadline where that is asked for and needed.

    :raise RequestError: when there is no such domain.
    :raise HostError: when something cannot be asked; what ends it later is in the answer.
    """
    hypervisor = place.edges.hypervisor(place.host)
    verdicts, domain = place.verdicts(), hypervisor.domain(place.name)
    if domain is None:
        raise RequestError(f"no domain {place.name} at {place.uri}")
    repairs = [plan_repair(verdict, domain) for verdict in verdicts]
    mends = [mend for repair in repairs for mend in repair.mends]
    edits = edit_diffs(domain.persistent_xml, mends) if mends else []
    changes = tuple(
        Change(domain.name, mend.nic, mend.cause, mend.what, mend.why, diff) for mend, diff in edits
    )
    notes = (*_told(repairs, lambda _: ()), *_definition_notes(domain, changes, repairs))
    if dry_run:
        return Fixed(verdicts, _tries(repairs) + changes, notes)
    read = _ask_taps(place.edges.host(place.host), repairs, say)
    waiting = bool(edits) or any(repair.pending for repair in repairs)
    done = _redone(place, domain, [mend.edit for mend, _ in edits], restart if waiting else None, say)
    if done.path:
        changes = tuple(replace(change, backup=done.path) for change in changes)
        back = shlex.join(("virsh", "-c", place.uri, "define", done.path))
        notes += (f"the definition as it was is in {done.path}; `{back}` puts it back",)
    if done.cycled or not done.holds:
        notes = tuple(note for note in notes if POWER_CYCLE not in note)
    after = await_drivers_of(place.verdicts, restart) if done.cycled and restart else place.verdicts()
    changes = _done(read) + (changes if done.holds else ())
    return Fixed(after, changes, notes + _refusals(read), done.error)


@dataclass(frozen=True, slots=True)
class _Redone:
    """What became of a definition and its machine."""

    holds: bool = True
    """Whether libvirt has the definition with its edits."""
    path: str = ""
    cycled: bool = False
    error: HostError | None = None


def _redone(
    place: Place, domain: Domain, edits: Sequence[Edit], restart: Deadline | None, say: Say
) -> _Redone:
    """Define the domain with these edits, and power-cycle it by a deadline, if one is given."""
    hypervisor, path = place.edges.hypervisor(place.host), ""
    try:
        kept = redefine(hypervisor, domain, edits, place.keep) if edits else None
        path = kept.path if kept else ""
        if restart is not None:
            power_cycle(hypervisor, domain.name, kept, restart, say)
    except HostError as error:
        return _Redone(has_edits(hypervisor, domain.name, edits), path, error=error)
    return _Redone(path=path, cycled=restart is not None)


def _told(repairs: Sequence[Repair], words: Callable[[NicVerdict], Sequence[str]]) -> tuple[str, ...]:
    """What somebody else has to do, by NIC."""
    return tuple(
        f"{_name(repair.verdict)}: {line}"
        for repair in repairs
        for line in (*words(repair.verdict), *repair.told)
    )


def _name(verdict: NicVerdict) -> str:
    return f"{verdict.evidence.machine}.{verdict.evidence.nic}"


def _definition_notes(
    domain: Domain, changes: Sequence[Change], repairs: Sequence[Repair]
) -> tuple[str, ...]:
    notes: list[str] = []
    for repair in repairs:
        if repair.pending:
            what = ", ".join(repair.pending)
            notes.append(f"{_name(repair.verdict)}: the definition has {what} already: {POWER_CYCLE}")
    mark = parse_domain(domain.persistent_xml).mark if changes else None
    if mark is not None:
        notes.append(
            f"{domain.name} is machine {mark.machine} of lab {mark.lab}: where its lab file says otherwise, "
            "`rscvm up` puts this edit back"
        )
    return (*notes, *([f"{domain.name}'s definition: {POWER_CYCLE}"] if changes else []))


def _ask_taps(runner: Runner, repairs: Sequence[Repair], say: Say) -> list[Read]:
    """Switch the TAPs' features, and read them back at once: later something else may have changed them.

    :raise CommandError: when ethtool did not even ask; that the guest has the last word is no failure.
    """
    asked = [repair for repair in repairs if repair.command]
    if not asked:
        return []
    for repair in asked:
        say(" ".join(repair.command))
    with shield():
        results = [runner.run(repair.command) for repair in asked]
    taps = read_taps(runner)
    for repair, result in zip(asked, results, strict=True):
        there = [taps.features.devices.get(repair.tap, {}).get(name) for name in repair.names]
        if repair.switch == "off" or not any(
            feature and (feature.active or feature.requested) for feature in there
        ):
            result.check()
    return [(repair, judge_nic(with_tap(repair.verdict.evidence, taps))) for repair in asked]


def _resolved(repair: Repair, read: NicVerdict) -> str:
    """Which cause it was, by what asking has come to; empty where the guest or somebody else has it off still."""
    if repair.switch == "off":
        return repair.cause if wire_like(read.evidence) else ""
    before = {f for f, found in repair.verdict.families.items() if found.cause and found.cause.id in BACK_ON}
    if not any(read.families[family].verdict == "ready" for family in before):
        return ""
    checksum = BY_NAME["guest_csum"].tap in repair.names
    return "host-disabled-checksum" if checksum else "host-disabled-segmentation"


def _tries(repairs: Sequence[Repair]) -> tuple[Change, ...]:
    """What would be asked of TAPs; only asking tells whose doing it is."""
    return tuple(_change(repair, repair.cause, repair.seen) for repair in repairs if repair.command)


def _done(read: Sequence[Read]) -> tuple[Change, ...]:
    """What was switched on TAPs, and took."""
    told = {"on": "; asked for, it came on: the host had switched it off", "off": ""}
    return tuple(
        _change(repair, cause, repair.seen + told[repair.switch])
        for repair, verdict in read
        if (cause := _resolved(repair, verdict))
    )


def _change(repair: Repair, cause: str, why: str) -> Change:
    machine = repair.verdict.evidence.machine
    return Change(machine, _name(repair.verdict), cause, " ".join(repair.command), why)


def _refusals(read: Sequence[Read]) -> tuple[str, ...]:
    """TAPs that are not as the host has asked them to be."""
    notes: list[str] = []
    for repair, verdict in read:
        causes = {found.cause.id for found in verdict.families.values() if found.cause}
        ran = f"{_name(verdict)}: `{' '.join(repair.command)}`"
        if repair.switch == "on" and "guest-disabled-rsc" in causes:
            notes.append(
                f"{ran} did not take: the guest has it off, and the host cannot change that; the asking is undone "
                "by the next start of the guest's driver"
            )
        elif not _resolved(repair, verdict):
            notes.append(f"{ran} did not make it ready: see its verdict")
    return tuple(notes)
