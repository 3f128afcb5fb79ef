"""Verdicts as text for a terminal: each NIC's ladder, cause and fixes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.tables.backends import INTERFACES
from provision.verify.evidence import FAMILIES
from provision.verify.judge.fold import told, walked
from provision.verify.report.style import COLOURS, NO_CAUSE, SIGNS, next_start, nic_name, off_as_meant
from provision.verify.report.summary import counts, summed, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.text import Text

    from provision.verify.evidence import NicEvidence
    from provision.verify.judge.rung import State
    from provision.verify.judge.verdict import NicVerdict

_LADDERS = 6
"""NICs; of more than these each gets one line."""


_HERE = ("local", "pasted")
"""Hosts that need no name: what is said to run there runs where it is read."""


def shown(
    verdicts: Sequence[NicVerdict], *, ladders: bool | None = None, width: int | None = None
) -> list[Text]:
    """Every NIC's ladder, or a table with one line a NIC, worst first; None: by how many there are.

    `width` is the terminal's, to which the table's lines are cut; None: there is none.
    """
    from rich.text import Text  # noqa: PLC0415 - only where a person reads

    if ladders or (ladders is None and len(verdicts) <= _LADDERS):
        more = [Text(summed(verdicts).sentence, "bold")] if len(verdicts) > 1 else []
        return [*as_text(verdicts), *more]
    return [*table(verdicts, width), Text(""), *counts(verdicts)] if verdicts else []


def as_text(verdicts: Sequence[NicVerdict]) -> list[Text]:
    """One block a NIC: its verdict, its ladder, and what to do."""
    from rich.text import Text  # noqa: PLC0415 - only where a person reads

    lines: list[Text] = []
    for verdict in verdicts:
        nic, finding = verdict.evidence, verdict.finding
        lines.append(
            Text.assemble(
                (nic_name(nic), "bold"),
                "" if nic.host in _HERE else f" on {nic.host}",
                f"  {nic.mac}  {nic.tap or _without_name(nic)}  {f'rsc: {nic.rsc}' if nic.rsc else 'not ours'}  ",
                (finding.verdict.upper(), f"bold {COLOURS[finding.verdict]}"),
                _whose_traffic(verdict),
                " (RSC is off, as it is meant to be)" if off_as_meant(verdict) else "",
            )
        )
        lines.append(Text(f"  {'':11}  {FAMILIES[0]:9}  {FAMILIES[1]:9}  seen", "dim"))
        for rung in verdict.ladder:
            marks = [part for family in FAMILIES for part in (_mark(rung.states[family], verdict), "  ")]
            lines.append(Text.assemble(f"  {rung.name:11}  ", *marks, rung.seen))
        lines += _advice(verdict) if finding.verdict != "ready" else []
        lines += [Text(f"  {words}") for words in [next_start(verdict)] if words]
        lines += [*(Text(f"  note: {note}") for note in verdict.notes), Text("")]
    return lines


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


def _mark(state: State, verdict: NicVerdict) -> tuple[str, str]:
    """A rung's state, padded to its column, with its style."""
    return f"{f'{SIGNS[state]} {state}':9}", "dim" if off_as_meant(verdict) else COLOURS[state]


def _advice(verdict: NicVerdict) -> list[Text]:
    from rich.text import Text  # noqa: PLC0415

    finding = verdict.finding
    cause = finding.cause.id if finding.cause else NO_CAUSE
    lines: list[Text] = [Text.assemble((f"  {cause}", "bold"), f": {finding.seen}")]
    if finding.cause:
        lines.append(Text(f"  why: {finding.cause.why}"))
    return lines + [Text(f"  fix: {words}") for words in verdict.fix]
