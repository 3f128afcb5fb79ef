"""Many verdicts at a glance: counts by verdict and cause, and a table with one line a NIC."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from provision.runtime.safe_text import cell
from provision.verify.report.style import (
    COLOURS,
    NAME_CELLS,
    NO_CAUSE,
    TAP_CELLS,
    VERDICTS,
    WORDS,
    next_start,
    nic_name,
    off_as_meant,
    several,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.text import Text

    from provision.verify.judge.cause import Verdict
    from provision.verify.judge.verdict import NicVerdict

_GAP = "  "
_LEAST_SEEN = 8
"""Columns; where fewer are left, what was seen is left out."""
_MOST_SEEN = 400


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts of NICs."""

    verdicts: Mapping[Verdict, int]
    """Each verdict is in it, worst first."""
    causes: Mapping[tuple[Verdict, str], int]
    """Of those that are not ready or not known to be; `""` where no cause is known; worst first."""
    uncounted: int = 0
    """How many have no part in the exit status."""

    @property
    def sentence(self) -> str:
        """The counts in words."""
        total = sum(self.verdicts.values())
        parts = [f"{count} {WORDS[verdict]}" for verdict, count in self.verdicts.items() if count]
        said = f"{total} NIC{'' if total == 1 else 's'}: {', '.join(parts) or 'nothing to judge'}"
        return f"{said} ({self.uncounted} of machines that are off, not counted)" if self.uncounted else said


def worst_first(verdicts: Sequence[NicVerdict]) -> list[NicVerdict]:
    """Not ready before unknown before ready; then the earlier rung; then by host, machine and NIC."""
    return sorted(
        verdicts,
        key=lambda found: (
            found.finding.rank,
            found.evidence.host,
            found.evidence.machine,
            found.evidence.nic,
        ),
    )


def counted(verdicts: Sequence[NicVerdict]) -> list[NicVerdict]:
    """Those that the exit status is of: what runs and what was meant by name; all, where all else is off."""
    some = [found for found in verdicts if found.evidence.named or found.evidence.state != "off"]
    return some or list(verdicts)


def summed(verdicts: Sequence[NicVerdict]) -> Summary:
    """How many of each verdict, and of each cause."""
    counts = Counter(verdict.verdict for verdict in verdicts)
    causes: Counter[tuple[Verdict, str]] = Counter(
        (found.verdict, found.finding.cause.id if found.finding.cause else "")
        for found in worst_first(verdicts)
        if found.verdict != "ready"
    )
    uncounted = len(verdicts) - len(counted(verdicts))
    return Summary({verdict: counts[verdict] for verdict in VERDICTS}, dict(causes), uncounted)


def as_object(verdicts: Sequence[NicVerdict]) -> dict[str, Any]:
    """The summary as `check --json` has it."""
    summary = summed(verdicts)
    causes: Counter[str] = Counter()
    for (_, cause), count in summary.causes.items():
        causes[cause] += count
    del causes[""]
    return {**{verdict: summary.verdicts[verdict] for verdict in reversed(VERDICTS)}, "causes": dict(causes)}


def table(verdicts: Sequence[NicVerdict], width: int | None = None) -> list[Text]:
    """One line a NIC, worst first; cut to so many columns where a terminal has no more."""
    from rich.cells import cell_len  # noqa: PLC0415 - only where a person reads
    from rich.text import Text  # noqa: PLC0415

    ordered = worst_first(verdicts)
    hosts = several(found.evidence.host for found in ordered)
    rows = [("verdict", *(["host"] if hosts else []), "NIC", "TAP", "cause")]
    rows += [_row(found, hosts=hosts) for found in ordered]
    columns = [max(cell_len(row[i]) for row in rows) for i in range(len(rows[0]))]
    rest = _MOST_SEEN if width is None else width - sum(columns) - len(_GAP) * len(columns)
    seen = ["seen", *(_seen(found) for found in ordered)]
    lines: list[Text] = []
    for i, row in enumerate(rows):
        cells = [text + " " * (columns[j] - cell_len(text)) for j, text in enumerate(row)]
        last = cell(seen[i], rest) if rest >= _LEAST_SEEN else ""
        style = f"bold {COLOURS[ordered[i - 1].verdict]}" if i else "dim"
        plain = _GAP.join([*cells[1:], last]).rstrip()
        line = Text.assemble((cells[0], style), _GAP, (plain, "" if i else "dim"))
        if width is not None:
            line.truncate(width, overflow="ellipsis")
        lines.append(line)
    return lines


def _row(found: NicVerdict, *, hosts: bool) -> tuple[str, ...]:
    nic, cause = found.evidence, found.finding.cause
    return (
        found.verdict.upper(),
        *([cell(nic.host, TAP_CELLS * 2)] if hosts else []),
        cell(nic_name(nic), NAME_CELLS),
        cell(nic.tap, TAP_CELLS) if nic.tap else "-",
        cause.id if cause else "-",
    )


def _seen(found: NicVerdict) -> str:
    now = "RSC is off, as it is meant to be" if off_as_meant(found) else found.finding.seen
    return "; ".join(filter(None, (now, next_start(found))))


def counts(verdicts: Sequence[NicVerdict]) -> list[Text]:
    """The counts by verdict and cause, and where to read on."""
    from rich.text import Text  # noqa: PLC0415 - only where a person reads

    summary = summed(verdicts)
    lines = [Text(summary.sentence, "bold")]
    digits = max((len(str(count)) for count in summary.causes.values()), default=0)
    lines += [
        Text.assemble(
            _GAP,
            (f"{WORDS[verdict]:9}", COLOURS[verdict]),
            f"{_GAP}{count:{digits}}{_GAP}{cause or NO_CAUSE}",
        )
        for (verdict, cause), count in summary.causes.items()
    ]
    if any(cause for _, cause in summary.causes):
        lines.append(Text("`rscvm explain CAUSE` tells why, and what mends it"))
    return lines
