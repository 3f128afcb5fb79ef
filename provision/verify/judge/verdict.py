"""The verdict on a NIC: its first broken rung, the cause, and what to do. Pure."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from provision.tables.backends import INTERFACES
from provision.tables.families import FAMILY_NAMES
from provision.verify.evidence import FAMILIES, Family, NicEvidence, Unasked
from provision.verify.judge.blockers import guest_words
from provision.verify.judge.cause import POWER_CYCLE, in_line, spoken
from provision.verify.judge.causes.catalogue import CATALOGUE, GUEST_REASONS, OF_THE_HOST
from provision.verify.judge.fold import blamed
from provision.verify.judge.ladder import OF_THE_GUEST, ORDER, engine_dropped, ladder, standby, unreadable
from provision.verify.judge.remarks import remarks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from provision.verify.judge.cause import Cause, Span, Verdict
    from provision.verify.judge.rung import Rung

_WORST: dict[Verdict, int] = {"not-ready": 0, "unknown": 1, "ready": 2}
_DECIDING = ("configured", "offered", "negotiated", "passed")
_COUNTS = ("gathered", *OF_THE_GUEST)
"""Rungs at which a failure counts, and what is not known does not."""
_WHY_IS_THE_GUESTS = ("negotiated", "passed")
"""Rungs at which a guest that names its reason decides why."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict with its reason; of one address family, or of a NIC."""

    verdict: Verdict
    cause: Cause | None
    seen: str

    @property
    def rank(self) -> tuple[int, int]:
        """Worse comes first; of two alike the one at the earlier rung."""
        rung = ORDER.index(self.cause.rung) if self.cause else len(ORDER)
        return _WORST[self.verdict], rung


@dataclass(frozen=True, slots=True)
class NicVerdict:
    """What there is to say of one NIC."""

    evidence: NicEvidence
    families: Mapping[Family, Finding]
    finding: Finding
    ladder: tuple[Rung, ...]
    notes: tuple[str, ...] = ()
    definition: Finding | None = None
    """What its machine's next start will make of it; None where that is what runs, or nobody knows."""
    command: str = ""
    """What has `rscvm fix` mend it; empty where that does not, or nobody said how its machine is reached."""
    asking: str = ""
    """What has `rscvm check` ask its guest; empty where nobody said how its machine is reached."""
    power_cycles: bool = False
    """Whether that command power-cycles its machine."""

    @property
    def verdict(self) -> Verdict:
        """Whether the NIC is as it is meant to be."""
        return self.finding.verdict

    @property
    def rests_on_the_tap(self) -> bool:
        """Whether the TAP's state alone makes the verdict: not that of ordinary readiness."""
        nic, cause = self.evidence, self.finding.cause
        return nic.hck or bool(nic.cuts) or (cause is not None and cause.rung == "passed")

    @property
    def fix(self) -> tuple[str, ...]:
        """What to do, with this NIC's names in it, fit to be pasted into a shell."""
        return self.words(self.finding.cause) if self.finding.cause is not None else ()

    @property
    def advice(self) -> tuple[tuple[Span, ...], ...]:
        """The same for a reader, in pieces of which some are code, and the command that does it."""
        told = self.spans(self.finding.cause) if self.finding.cause is not None else ()
        if self.power_cycles and self.fix == (POWER_CYCLE,):
            return ((("power-cycle the machine: ", False), (self.command, True)),)
        return (*told, ((self.command, True),)) if self.command and self.later is None else told

    @property
    def later(self) -> NicVerdict | None:
        """How its machine's next start leaves it, where that is not what runs, and not ready."""
        nic, found = self.evidence, self.definition
        then = nic.definition.next if nic.definition and found and found.verdict == "not-ready" else None
        return judge_nic(replace(then, nic=nic.nic)) if isinstance(then, NicEvidence) else None

    @property
    def advice_for_later(self) -> tuple[tuple[Span, ...], ...]:
        """What to do about that, and the command that does it; nothing that runs needs a power cycle for it."""
        cause = self.later.finding.cause if self.later is not None else None
        if self.later is None or cause is None:
            return ()
        told = [spans for spans in self.later.spans(cause) if in_line(spans) != POWER_CYCLE]
        return (*told, ((self.command, True),)) if self.command else tuple(told)

    def words(self, cause: Cause) -> tuple[str, ...]:
        """What to do about one of its causes, with this NIC's names in it."""
        return tuple(map(in_line, self.spans(cause)))

    def spans(self, cause: Cause) -> tuple[tuple[Span, ...], ...]:
        """The same in pieces, of which some are code."""
        nic = self.evidence
        bridge = next((cut.bridge for cut in nic.cuts if cut.bridge), nic.bridge)
        hop = blamed(nic) if cause.rung == "gathered" else None
        names = {
            "tap": nic.tap,
            "bridge": bridge,
            "machine": nic.machine,
            "mac": nic.mac,
            "device": hop.device if hop is not None else None,
        }
        quoted = {name: shlex.quote(value or name.upper()) for name, value in names.items()}
        of = [family for family, found in self.families.items() if found.cause is cause]
        theirs = spoken([fix for fix in cause.fix if fix.when(nic)], nic)
        if self.definition is not None and self.definition.verdict == "ready":  # what it says to edit is done
            theirs = [fix for fix in theirs if fix.words == POWER_CYCLE] or theirs
        return tuple(fix.spans({**quoted, **guest_words(nic, of)}) for fix in theirs)


def _held(nic: NicEvidence, causes: Iterable[Cause], family: Family = "ipv4") -> Finding | None:
    """The first of these causes that holds."""
    for cause in causes:
        if seen := cause(nic, family):
            return Finding(cause.verdict(nic), cause, seen)
    return None


def _wanting(nic: NicEvidence, rungs: Sequence[Rung], family: Family) -> list[Rung]:
    """The rungs without which the family is not ready, as far as they do not hold."""
    wanting = [rung for rung in rungs if rung.name in _DECIDING and rung.states[family] != "pass"]
    uncut = [rung for rung in rungs if rung.name in _COUNTS and rung.states[family] == "fail"]
    if nic.guest_must:
        # The upper one first: it has the cause for a guest that does not answer.
        uncut += [r for r in reversed(rungs) if r.name in OF_THE_GUEST and r.states[family] == "unknown"]
    if nic.hck and not isinstance(nic.features, Unasked) and not engine_dropped(nic, family):
        # QEMU's engine works before the TAP, which tells no more than whether it is on.
        wanting = [rung for rung in wanting if rung.name != "passed"]
    observed = next(rung for rung in rungs if rung.name == "observed")
    if observed.states[family] == "pass" and unreadable(nic) and not nic.hck:
        # What arrives above the MTU was passed on; what was not asked below is not known by it.
        return [rung for rung in wanting if rung.name != "passed"] + uncut
    if isinstance(nic.virtio, Unasked) and nic.virtio.chosen and not nic.hck:
        # The TAP tells for the rungs below that were left out as wished: QEMU switches its offloads on for nothing
        # but a driver that took them (hw/net/virtio-net.c, virtio_net_apply_guest_offloads).
        wanting = [rung for rung in wanting if rung.name == "passed" or rung.states[family] == "fail"]
    if not wanting + uncut and observed.states[family] == "fail" and not nic.hck:
        return [observed]
    return wanting + uncut


def _judge_family(nic: NicEvidence, rungs: Sequence[Rung], family: Family) -> Finding:
    """Ready when every rung that counts holds; what is broken comes before what could not be asked."""
    wanting = _wanting(nic, rungs, family)
    if not wanting:
        return Finding("ready", None, "")
    broken = next((rung for rung in wanting if rung.states[family] == "fail"), wanting[0])
    asked = broken.name in _WHY_IS_THE_GUESTS and broken.states[family] == "fail"
    if asked and (own := _held(nic, GUEST_REASONS, family)):
        return own
    causes = [cause for cause in CATALOGUE if cause.rung == broken.name and cause.scope == "family"]
    verdict: Verdict = "not-ready" if broken.states[family] == "fail" else "unknown"
    return _held(nic, causes, family) or Finding(verdict, None, broken.seen)


def _meant_off(nic: NicEvidence) -> Finding:
    """The verdict on `rsc: false` that no cause speaks against: guest TSO must be known not to be offered."""
    if nic.model == "virtio" and isinstance(nic.virtio, Unasked):
        return Finding("unknown", None, nic.virtio.reason)
    return Finding("ready", None, "")


def _worst(findings: list[Finding]) -> Finding:
    """The worst family's finding, with what was seen of the others of the same cause."""
    worst = min(findings, key=lambda found: found.rank)
    seen = dict.fromkeys(found.seen for found in findings if found.cause is worst.cause and found.seen)
    return Finding(worst.verdict, worst.cause, "; ".join(seen))


def judge_nic(nic: NicEvidence) -> NicVerdict:
    """The verdict on one NIC: whether RSC works by family, and whether the NIC is as it is meant to be."""
    rungs = ladder(nic)
    settled = _held(nic, [cause for cause in CATALOGUE if cause.scope == "nic"])
    families = {family: settled or _judge_family(nic, rungs, family) for family in FAMILIES}
    beside = _held(nic, [cause for cause in CATALOGUE if cause.scope == "beside"])
    own = beside if beside and settled and settled.verdict == "unknown" else settled or beside
    emulated = own is not None and own.cause is not None and own.cause.id == "not-virtio"
    if nic.rsc == "false" and (own is None or emulated):
        finding = _meant_off(nic)
    else:
        finding = own or _worst([families[family] for family in FAMILIES])
    found = NicVerdict(nic, families, finding, rungs, (), _next_start(nic))
    notes = (*nic.notes, *_of_the_other(found), *_besides(nic, families), *remarks(nic))
    return replace(found, notes=notes)


def _of_the_other(verdict: NicVerdict) -> Iterator[str]:
    """What the guest has against a family whose cause is not the one that stands for the NIC, and what to do about it."""
    for family, finding in verdict.families.items():
        cause = finding.cause
        if cause is not None and cause.rung in OF_THE_GUEST and cause is not verdict.finding.cause:
            fix = "; ".join(verdict.words(cause))
            yield f"{FAMILY_NAMES[family]} has a cause of its own, {cause.id}: {finding.seen}; fix: {fix}"


def _besides(nic: NicEvidence, families: Mapping[Family, Finding]) -> Iterator[str]:
    """What the host has against RSC beside the guest, whose reason comes first: it would come up next."""
    found: dict[str, str] = {}
    for family, finding in families.items():
        if finding.cause in GUEST_REASONS and (host := _held(nic, OF_THE_HOST, family)) and host.cause:
            found.setdefault(host.cause.id, host.seen)
    yield from (
        f"once that is gone, the host has more against RSC: {cause}: {seen}" for cause, seen in found.items()
    )


def _next_start(nic: NicEvidence) -> Finding | None:
    """What the next start will make of a NIC, where that is not what runs."""
    if nic.definition is None:
        return None
    then, now = nic.definition.next, nic.definition.now
    if isinstance(then, Unasked):
        return Finding("unknown", None, then.reason)
    if then is None:
        return Finding("not-ready", None, "its definition does not have this NIC")
    found, alike = _forecast(then), (then.rsc, then.purpose) == (nic.rsc, nic.purpose)
    if now is not None and alike and found == _forecast(replace(now, rsc=nic.rsc, purpose=nic.purpose)):
        return None
    return found


def _forecast(nic: NicEvidence) -> Finding:
    """The finding on a NIC that has not been started; what only a TAP at work can tell is not held against it."""
    found = judge_nic(nic).finding
    readable = nic.kind in INTERFACES and not INTERFACES[nic.kind].unreadable
    passes = found.verdict == "unknown" and found.cause is not None and found.cause.rung == "passed"
    if standby(nic):  # another device carries the traffic, whatever this one's TAP will show
        return found
    return Finding("ready", None, "") if readable and passes else found
