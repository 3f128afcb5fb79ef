"""`fix`: do what the findings say, for a lab's machines or for one domain, and check again.

Nothing but ethtool on a NIC's own TAP touches what runs, and where they were asked for a power cycle, and the guest's own
settings.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from provision.runtime.deadline import Deadline
from provision.runtime.errors import HostError, LostError, RequestError, RscvmError
from provision.verbs.check import Look, check
from provision.verbs.fix.command_line import restarting
from provision.verbs.fix.definition import edit_diffs
from provision.verbs.fix.definition_notes import Note, definition_notes, waits
from provision.verbs.fix.in_guest import Guests, InGuest, guest_mends, is_restarting
from provision.verbs.fix.lab_keys import lab_words
from provision.verbs.fix.redefine import await_drivers_of, has_edits, power_cycle, redefine
from provision.verbs.fix.repair import plan_repair
from provision.verbs.fix.taps import Change, Edited, ask_taps, done, name_of, refusals, tries
from provision.verify.collect.source import lab_source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from provision.host.apply.session import HostSession
    from provision.runtime.command import Argv, Say
    from provision.runtime.protocols import Domain, Edges, Libvirt
    from provision.verbs.fix.definition import Mend
    from provision.verbs.fix.domain_edit import Edit
    from provision.verbs.fix.repair import Repair
    from provision.verify.collect.source import MachineSource
    from provision.verify.judge.verdict import NicVerdict

LOOK = Look()
"""What `fix` asks before and after, where nothing else is wished."""
_RESTARTED = 60.0
"""Seconds within which an adapter that was restarted in its guest has its driver again."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """What `fix` did, or would do, and how every NIC is now."""

    verdicts: Sequence[NicVerdict]
    changed: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()
    error: RscvmError | None = None
    """What ended it early; the rest still holds."""
    restarted: bool = False
    """Whether a domain was power-cycled."""


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
    guests: Guests | None = None
    """By whom its guest is reached; None where nothing is to be changed in it."""
    reached: Argv = ()
    """What stands before the domain's name on a command line; its libvirt's URI alone, where nobody says."""

    @property
    def restarting(self) -> str:
        """The command that power-cycles it."""
        return restarting(self.reached or ("--connect", self.uri), self.name)


def fix_lab(
    session: HostSession, names: Sequence[str], say: Say, look: Look = LOOK, *, dry_run: bool
) -> Fixed:
    """Mend what the host has taken from these machines' TAPs; what lies in the lab file is told.

    :raise HostError: when a TAP cannot be asked, or somebody else works on the lab.
    """
    source = lab_source(session.edges, session.lab, session.host, names)
    guests = Guests(session.edges, session.host) if look.guest else None

    def planned() -> tuple[list[Repair], Fixed]:
        verdicts = check(source, look)
        repairs = [plan_repair(verdict, None, guest=look.guest) for verdict in verdicts]
        notes = _told(repairs, lambda verdict: lab_words(session.lab, verdict))
        return repairs, Fixed(verdicts, tries(repairs) + _in_guests(guests, verdicts), notes)

    repairs, plan = planned()
    if dry_run or not plan.changed:
        return plan
    with session.locked(say):
        repairs, plan = planned()  # whoever had the lock until now may have changed anything
        asked = ask_taps(session.edges, session.host, repairs, say)
        fixed = Fixed((), done(asked.read), plan.notes + refusals(asked.read), asked.error)
        fixed = _with_guests(fixed, guests, plan.verdicts, say)
        try:
            return replace(fixed, verdicts=_settled(lambda: check(source, look), fixed))
        except HostError as error:  # what was done is told all the same
            return replace(fixed, error=asked.error or error)


def _in_guests(guests: Guests | None, verdicts: Sequence[NicVerdict]) -> tuple[Change, ...]:
    """What would be changed in guests, where that was asked for."""
    return tuple(mend.change for mend in guest_mends(verdicts)) if guests else ()


def _with_guests(fixed: Fixed, guests: Guests | None, verdicts: Sequence[NicVerdict], say: Say) -> Fixed:
    """It, with what was changed in guests, where that was asked for and nothing has failed yet."""
    if guests is None or fixed.error is not None:
        return fixed
    mended = guests.mend(guest_mends(verdicts), say)
    changed, notes = fixed.changed + mended.changed, fixed.notes + mended.notes
    return replace(fixed, changed=changed, notes=notes, error=mended.error)


def _settled(verdicts: Callable[[], list[NicVerdict]], fixed: Fixed) -> list[NicVerdict]:
    """How every NIC is now; an adapter that was restarted in its guest has its driver again first."""
    restarted = {change.nic for change in fixed.changed if isinstance(change, InGuest)}
    if not restarted:
        return verdicts()
    return await_drivers_of(verdicts, Deadline(_RESTARTED), partial(is_restarting, restarted))


def fix_host(source: MachineSource, edges: Edges, say: Say, look: Look = LOOK, *, dry_run: bool) -> Fixed:
    """Mend what a host has taken from the TAPs of all that runs there; what lies in a definition is told.

    :raise HostError: when a TAP cannot be asked.
    """
    verdicts = check(source, look)
    repairs = [plan_repair(verdict, None) for verdict in verdicts]
    plan = Fixed(verdicts, tries(repairs), (*_elsewhere(repairs), *_told(repairs, lambda _: ())))
    if dry_run or not any(repair.command for repair in repairs):
        return plan
    asked = ask_taps(edges, source.host, repairs, say)
    fixed = Fixed((), done(asked.read), plan.notes + refusals(asked.read), asked.error)
    try:
        return replace(fixed, verdicts=check(source, look))
    except HostError as error:  # what was done is told all the same
        return replace(fixed, error=asked.error or error)


def fix_domain(place: Place, say: Say, *, dry_run: bool, restart: Deadline | None = None) -> Fixed:
    """Mend a domain's TAPs and its definition, and power-cycle it by the deadline where that is asked for and needed.

    :raise RequestError: when there is no such domain.
    :raise HostError: when something cannot be asked; what ends it later is in the answer.
    """
    libvirt = place.edges.libvirt(place.host)
    verdicts, domain = place.verdicts(), libvirt.domain(place.name)
    if domain is None:
        raise RequestError(f"no domain {place.name} at {place.uri}")
    repairs = [plan_repair(verdict, domain, guest=place.guests is not None) for verdict in verdicts]
    mends = [mend for repair in repairs for mend in (*repair.mends, *repair.later)]
    changes = _edits(domain, mends)
    notes = [*map(Note, _told(repairs, lambda _: ()))]
    notes += definition_notes(domain, repairs, place.restarting, edited=bool(changes))
    if dry_run:
        planned = tries(repairs) + changes + _in_guests(place.guests, verdicts)
        return Fixed(verdicts, planned, tuple(note.words for note in notes))
    _check_same_run(libvirt, verdicts)
    asked = ask_taps(place.edges, place.host, repairs, say)
    cycle = restart if any(map(waits, repairs)) else None
    redone = _Redone(holds=False, error=asked.error)
    if asked.error is None:
        redone = _redone(place, domain, [mend.edit for mend in mends] if changes else [], cycle, say)
    said = refusals(asked.read) + _after_notes(place, redone, notes)
    changes = tuple(replace(change, backup=redone.path) for change in changes if redone.holds)
    fixed = Fixed((), done(asked.read) + changes, said, redone.error, redone.cycled)
    fixed = _with_guests(fixed, place.guests, verdicts, say)
    try:
        after = (
            await_drivers_of(place.verdicts, restart)
            if redone.cycled and restart
            else _settled(place.verdicts, fixed)
        )
    except HostError as error:  # what was done is told all the same
        return replace(fixed, error=fixed.error or error)
    return replace(fixed, verdicts=after)


def _edits(domain: Domain, mends: Sequence[Mend]) -> tuple[Change, ...]:
    """What is edited in a domain's definition."""
    found = edit_diffs(domain.persistent_xml, mends) if mends else []
    return tuple(Edited(domain.name, mend.nic, mend.cause, mend.what, mend.why, diff) for mend, diff in found)


def _check_same_run(libvirt: Libvirt, verdicts: Sequence[NicVerdict]) -> None:
    """A machine that has ended may have left its TAP's name to another's.

    :raise HostError: when one is not in the run that was judged.
    """
    now = libvirt.runs()
    for nic in (verdict.evidence for verdict in verdicts):
        if nic.run and nic.run != now.get(nic.machine):
            raise HostError(
                f"{nic.machine} ended or was started anew meanwhile: nothing was changed here",
                hint="run `rscvm fix` again",
            )


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
    libvirt, kept, path = place.edges.libvirt(place.host), None, ""
    try:
        kept = redefine(libvirt, domain, edits, place.keep) if edits else None
        path = kept.path if kept else ""
        if kept:  # said at once: whoever interrupts what follows has it, too
            say(f"defined {domain.name} anew; as it was: {path}")
        if restart is not None:
            power_cycle(libvirt, domain.name, kept, restart, say)
    except HostError as error:
        perhaps = kept is not None or isinstance(error, LostError)  # else nothing was defined, or not kept
        return _Redone(perhaps and _has(libvirt, domain, edits), path, error=error)
    return _Redone(path=path, cycled=restart is not None)


def _has(libvirt: Libvirt, domain: Domain, edits: Sequence[Edit]) -> bool:
    """Whether the edits hold; not, as far as anybody can say, where libvirt does not tell."""
    try:
        return has_edits(libvirt, domain, edits)
    except HostError:
        return False


def _after_notes(place: Place, redone: _Redone, notes: Sequence[Note]) -> tuple[str, ...]:
    """What remains to be said once the definition was, or was not, made anew."""
    nothingwaits = redone.cycled or not redone.holds
    said = [note.words for note in notes if not note.waits]
    if redone.path:
        back = shlex.join(("virsh", "-c", place.uri, "define", redone.path))
        said.append(f"the definition as it was is in {redone.path}; `{back}` puts it back")
    return (*said, *(note.words for note in notes if note.waits and not nothingwaits))


def _told(repairs: Sequence[Repair], words: Callable[[NicVerdict], Sequence[str]]) -> tuple[str, ...]:
    """What somebody else has to do, by NIC."""
    return tuple(
        f"{name_of(repair.verdict)}: {line}"
        for repair in repairs
        for line in (*words(repair.verdict), *repair.told)
    )


def _elsewhere(repairs: Sequence[Repair]) -> Iterator[str]:
    """What keeps large segments from NICs and is mended elsewhere, with what to do."""
    for repair in repairs:
        cause = repair.verdict.finding.cause
        if cause is not None and repair.verdict.verdict == "not-ready" and not repair.command:
            yield f"{name_of(repair.verdict)}: {cause.id}: {'; '.join(repair.verdict.fix)}"
