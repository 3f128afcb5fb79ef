"""Verdicts as text for a terminal: a table of all NICs, then ladder, cause and fixes of what is broken."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from provision.runtime.wrapped import wrapped
from provision.tables.backends import INTERFACES
from provision.verify.evidence import FAMILIES
from provision.verify.judge.cause import in_line, is_command
from provision.verify.judge.fold import told, walked
from provision.verify.report.style import (
    COLOURS,
    NO_CAUSE,
    is_skipped,
    mark,
    next_start,
    nic_name,
    not_asked,
    off_as_meant,
    one_sided,
)
from provision.verify.report.summary import counts, table, worst_first

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.text import Text

    from provision.verify.evidence import NicEvidence
    from provision.verify.judge.rung import Rung, State
    from provision.verify.judge.verdict import NicVerdict

_HERE = ("local", "pasted")
"""Hosts that need no name: what is said to run there runs where it is read."""
_GAP = "  "
_NAMED = 3
"""NICs; of more that a note is of the others are counted."""
_NAME, _STATE = 11, 9
"""Columns of a ladder's rungs, and of a family's state."""


def shown(verdicts: Sequence[NicVerdict], *, ladders: bool = False, width: int | None = None) -> list[Text]:
    """A table with a line a NIC, worst first, and the ladders of those that run and are not ready, or of all.

    `width` is the terminal's, to which lines are wrapped; None: there is none.
    """
    from rich.text import Text  # noqa: PLC0415 - only where a person reads

    if not verdicts:
        return []
    there = [
        found for found in worst_first(verdicts) if found.evidence.state != "off" or _starts_broken(found)
    ]
    whole = [found for found in there if ladders or found.verdict != "ready" or found.advice_for_later]
    folded = [found for found in there if id(found) not in {*map(id, whole)}]
    blocks = as_text(whole, width)
    return [
        *table(verdicts, width),
        Text(""),
        *counts(verdicts, width),
        *_traffic(folded, width),
        *_notes(folded, width),
        *([Text(""), *blocks[:-1]] if blocks else []),
    ]


def _traffic(verdicts: Sequence[NicVerdict], width: int | None) -> list[Text]:
    """What was seen of the traffic to NICs whose ladders are not shown, a line each of those that were to be watched."""
    from rich.text import Text  # noqa: PLC0415

    return [
        part
        for found in verdicts
        if found.evidence.traffic is not None
        for part in wrapped(Text(f"{nic_name(found.evidence)}: {found.ladder[-1].seen}"), width, len(_GAP))
    ]


def _starts_broken(found: NicVerdict) -> bool:
    """Whether it was meant, and its machine's next start leaves it not ready for what can be mended."""
    return found.evidence.named and bool(found.advice_for_later)


def _notes(verdicts: Sequence[NicVerdict], width: int | None) -> list[Text]:
    """What is worth knowing of NICs whose ladders are not shown, each once with whom it is of."""
    from rich.text import Text  # noqa: PLC0415

    of: dict[str, list[str]] = {}
    for found in verdicts:
        for note in found.notes:
            of.setdefault(note, []).append(nic_name(found.evidence))
    lines: list[Text] = []
    for note, names in of.items():
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        lines += wrapped(Text(f"note: {', '.join(names[:_NAMED])}{more}: {note}"), width)
    return lines


def as_text(verdicts: Sequence[NicVerdict], width: int | None = None) -> list[Text]:
    """One block a NIC: its verdict, its ladder, and what to do."""
    from rich.text import Text  # noqa: PLC0415 - only where a person reads

    lines: list[Text] = []
    for verdict in verdicts:
        advice = _advice(verdict) if verdict.finding.verdict != "ready" else []
        more = [*advice, *(Text(f"  {words}") for words in [next_start(verdict)] if words)]
        more += [Text(f"  fix: {in_line(spans)}") for spans in verdict.advice_for_later]
        more += [Text(f"  note: {note}") for note in verdict.notes]
        lines += wrapped(_heading(verdict), width)
        lines += _ladder(verdict, width)
        lines += [part for line in more for part in wrapped(line, width)]
        lines.append(Text(""))
    return lines


def _heading(verdict: NicVerdict) -> Text:
    from rich.text import Text  # noqa: PLC0415

    nic, finding, rests = verdict.evidence, verdict.finding, one_sided(verdict)
    meant = "RSC is off, as it is meant to be" if off_as_meant(verdict) else ""
    return Text.assemble(
        (nic_name(nic), "bold"),
        "" if nic.host in _HERE else f" on {nic.host}",
        f"  {nic.mac}  {nic.tap or _without_name(nic)}  ",
        f"rsc: {nic.rsc}  " if nic.rsc else "",
        (finding.verdict.upper(), f"bold {COLOURS[finding.verdict]}"),
        f" ({rests or meant})" if rests or meant else "",
        _whose_traffic(verdict),
    )


def _without_name(nic: NicEvidence) -> str:
    return (
        "TAP not known"
        if nic.host == "pasted" and nic.kind in INTERFACES and INTERFACES[nic.kind].tap
        else "no TAP"
    )


def _whose_traffic(verdict: NicVerdict) -> str:
    """From where large frames come, where not from everywhere, or where that could not all be seen."""
    cause = verdict.finding.cause
    if cause is not None and cause.rung == "gathered":
        return f" {verdict.finding.seen}"
    gathered = next(rung for rung in verdict.ladder if rung.name == "gathered")
    unknown = verdict.verdict == "ready" and "unknown" in gathered.states.values()
    return f" {told(walked(verdict.evidence))}" if unknown else ""


def _ladder(verdict: NicVerdict, width: int | None) -> list[Text]:
    """Its rungs, a line each; those that were not asked are folded into one, as are those that one thing keeps in the dark."""
    from rich.text import Text  # noqa: PLC0415

    beside = 2 + _NAME + 2 + len(FAMILIES) * (_STATE + 2)
    head = "".join(f"{family:{_STATE}}  " for family in FAMILIES)
    lines = wrapped(Text(f"  {'':{_NAME}}  {head}seen", "dim"), width)
    there = [rung for rung in verdict.ladder if not is_skipped(rung)]
    for (dark, seen), rungs in groupby(
        there, lambda rung: (set(rung.states.values()) == {"unknown"}, rung.seen)
    ):
        alike = [*rungs]
        if dark and len(alike) > 1:
            names = ", ".join(rung.name for rung in alike)
            lines += wrapped(Text.assemble(f"  {names}: ", _mark("unknown", verdict), f" {seen}"), width)
        else:
            lines += [part for rung in alike for part in wrapped(_line(rung, verdict), width, beside)]
    if folded := not_asked(verdict.ladder):
        lines += wrapped(Text(f"  {'not asked':{_NAME}}  {folded}", "dim"), width, 2 + _NAME + 2)
    return lines


def _line(rung: Rung, verdict: NicVerdict) -> Text:
    from rich.text import Text  # noqa: PLC0415

    marks = [part for family in FAMILIES for part in (_mark(rung.states[family], verdict, _STATE), "  ")]
    return Text.assemble(f"  {rung.name:{_NAME}}  ", *marks, rung.seen)


def _mark(state: State, verdict: NicVerdict, columns: int = 0) -> tuple[str, str]:
    """A rung's state, padded to its column, with its style."""
    words = " ".join(mark(state, verdict))
    return f"{words:{columns}}" if columns else words, "dim" if off_as_meant(verdict) else COLOURS[state]


def _advice(verdict: NicVerdict) -> list[Text]:
    from rich.text import Text  # noqa: PLC0415

    finding = verdict.finding
    cause = finding.cause.id if finding.cause else NO_CAUSE
    lines: list[Text] = [Text.assemble((f"  {cause}", "bold"), f": {finding.seen}")]
    if finding.cause:
        lines.append(Text(f"  why: {finding.cause.why}"))
    return lines + [Text(f"  fix: {in_line(spans)}", no_wrap=is_command(spans)) for spans in verdict.advice]
