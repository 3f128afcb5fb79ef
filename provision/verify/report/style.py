"""How verdicts look wherever they are shown: colours, signs, words, order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.verify.evidence import NicEvidence
from provision.verify.judge.guest_rungs import NOT_ASKED, unanswered

if TYPE_CHECKING:
    from collections.abc import Iterable

    from provision.verify.judge.cause import Verdict
    from provision.verify.judge.rung import Rung, State
    from provision.verify.judge.verdict import NicVerdict

VERDICTS: tuple[Verdict, ...] = ("not-ready", "unknown", "ready")
"""Worst first."""
WORDS: dict[Verdict, str] = {"not-ready": "not ready", "unknown": "unknown", "ready": "ready"}
COLOURS: dict[str, str] = {
    "ready": "green",
    "pass": "green",
    "not-ready": "red",
    "fail": "red",
    "unknown": "yellow",
    "skipped": "dim",
}
SIGNS: dict[State, str] = {"pass": "✓", "fail": "✗", "unknown": "?", "skipped": "·"}
NO_CAUSE = "no cause known"
_MEANT = ("○", "off")
"""A rung's sign and word where it fails as it is meant to."""

NAME_CELLS = 40
TAP_CELLS = 15  # the kernel's IFNAMSIZ


def off_as_meant(verdict: NicVerdict) -> bool:
    """Whether it is ready in that its RSC is off, as its `rsc: false` has it."""
    return verdict.evidence.rsc == "false" and verdict.verdict == "ready"


def mark(state: State, verdict: NicVerdict) -> tuple[str, str]:
    """A rung's sign and word: of a NIC whose RSC is off, as it is meant to be, none is a fault."""
    return _MEANT if state == "fail" and off_as_meant(verdict) else (SIGNS[state], state)


def not_asked(ladder: Iterable[Rung]) -> str:
    """The rungs that were not asked, with why, in a line."""
    by_why: dict[str, list[str]] = {}
    for rung in ladder:
        if is_skipped(rung):
            by_why.setdefault(rung.seen, []).append(rung.name)
    return "; ".join(f"{', '.join(names)}: {why}" for why, names in by_why.items())


def is_skipped(rung: Rung) -> bool:
    """Whether neither family was asked at it."""
    return set(rung.states.values()) == {"skipped"}


def one_sided(verdict: NicVerdict) -> str:
    """What a ready verdict rests on where the guest has told nothing; empty where it has, or need not have RSC."""
    nic = verdict.evidence
    if verdict.verdict != "ready" or nic.rsc == "false" or not unanswered(nic):
        return ""
    return f"host side; {NOT_ASKED if nic.guest is None else 'the guest did not tell'}"


def next_start(verdict: NicVerdict) -> str:
    """What its machine's next start will make of a NIC, in words; nothing where that is what runs."""
    found = verdict.definition
    if found is None:
        return ""
    head = f"at its next start: {found.verdict.upper()}"
    defined = verdict.evidence.definition.next if verdict.evidence.definition else None
    if isinstance(defined, NicEvidence) and defined.rsc != verdict.evidence.rsc:
        head += f" (rsc: {defined.rsc})" if defined.rsc else " (without rscvm's mark)"
    if found.verdict == "ready":
        return f"{head}, as far as its definition tells"
    return f"{head}{f', {found.cause.id}' if found.cause else ''}: {found.seen}"


def nic_name(nic: NicEvidence) -> str:
    """MACHINE.NIC."""
    return f"{nic.machine}.{nic.nic}"


def several(hosts: Iterable[str]) -> bool:
    """Whether a NIC must be told by its host, too."""
    return len(set(hosts)) > 1
