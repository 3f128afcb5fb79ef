"""Verdicts at a glance: a table with one line a NIC, and counts by verdict and cause."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from provision.runtime.safe_text import cell
from provision.runtime.wrapped import wrapped
from provision.verify.judge.guest_rungs import may_be_windows
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
    one_sided,
    several,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.text import Text

    from provision.verify.judge.cause import Verdict
    from provision.verify.judge.verdict import NicVerdict

_GAP = "  "
_LEAST_WHY = 24
"""Columns; where fewer are left for it there are no columns at all."""
_MOST_SEEN, _MOST_NAME = 400, 120
_FEW = 6
"""NICs; of no more than these the table shows at a glance what would be counted by cause."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts of NICs: of those that the exit status is of, and beside them of the rest."""

    verdicts: Mapping[Verdict, int]
    """Each verdict is in it, worst first."""
    causes: Mapping[tuple[Verdict, str], int]
    """Of those that are not ready or not known to be; `""` where no cause is known; worst first."""
    off: int = 0
    """How many are of machines that are off and were not meant by name."""

    @property
    def sentence(self) -> str:
        """The counts in words."""
        total = sum(self.verdicts.values()) + self.off
        parts = [f"{count} {WORDS[verdict]}" for verdict, count in self.verdicts.items() if count]
        parts += [f"{self.off} off"] if self.off else []
        return f"{total} NIC{'' if total == 1 else 's'}: {', '.join(parts) or 'nothing to judge'}"


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
    """How many of each verdict, and of each cause; those of machines that are off by themselves."""
    meant = counted(verdicts)
    return replace(_of_all(meant), off=len(verdicts) - len(meant))


def _of_all(verdicts: Sequence[NicVerdict]) -> Summary:
    counts = Counter(verdict.verdict for verdict in verdicts)
    causes: Counter[tuple[Verdict, str]] = Counter(
        (found.verdict, found.finding.cause.id if found.finding.cause else "")
        for found in worst_first(verdicts)
        if found.verdict != "ready"
    )
    return Summary({verdict: counts[verdict] for verdict in VERDICTS}, dict(causes))


def as_object(verdicts: Sequence[NicVerdict]) -> dict[str, Any]:
    """The summary as `check --json` has it: of all, also of machines that are off."""
    summary = _of_all(verdicts)
    causes: Counter[str] = Counter()
    for (_, cause), count in summary.causes.items():
        causes[cause] += count
    del causes[""]
    return {**{verdict: summary.verdicts[verdict] for verdict in reversed(VERDICTS)}, "causes": dict(causes)}


def table(verdicts: Sequence[NicVerdict], width: int | None = None) -> list[Text]:
    """A line a NIC, worst first, or a machine that is off; those that do not count come last.

    On a terminal the last column goes on beneath itself; on one too narrow for columns there are none.
    """
    from rich.text import Text  # noqa: PLC0415 - only where a person reads

    hosts = several(found.evidence.host for found in verdicts)
    meant = {id(found) for found in counted(verdicts)}
    groups = sorted(_groups(verdicts), key=lambda group: id(group[0]) not in meant)
    rows = [[Text(name, "dim") for name in ("verdict", "host", "NIC", "TAP", "why")]]
    rows += [_row(group, meant=id(group[0]) in meant) for group in groups]
    rows = [row if hosts else [row[0], *row[2:]] for row in rows]
    columns = [max(row[i].cell_len for row in rows) for i in range(len(rows[0]) - 1)]
    before = sum(columns) + len(_GAP) * len(columns)
    if width is not None and width - before < _LEAST_WHY:
        return [part for row in rows[1:] for part in wrapped(Text(_GAP).join(row), width, len(_GAP))]
    lines: list[Text] = []
    for row in rows:
        for text, most in zip(row, columns, strict=False):
            text.append(" " * (most - text.cell_len))
        beside = sum(len(text.plain) + len(_GAP) for text in row[:-1])
        lines += wrapped(Text(_GAP).join(row), width, beside)
    for line in lines:
        line.rstrip()
    return lines


def _groups(verdicts: Sequence[NicVerdict]) -> list[list[NicVerdict]]:
    """Each NIC of what runs by itself, and those of a machine that is off together; worst first."""
    groups: dict[object, list[NicVerdict]] = {}
    for found in worst_first(verdicts):
        nic = found.evidence
        groups.setdefault((nic.host, nic.machine) if nic.state == "off" else id(found), []).append(found)
    return [*groups.values()]


def _row(group: Sequence[NicVerdict], *, meant: bool) -> list[Text]:
    """Verdict, host, NIC, TAP, and why; of several NICs of a machine that is off by what its next start makes worst."""
    from rich.text import Text  # noqa: PLC0415

    found = min(group, key=lambda each: (each.definition or each.finding).rank)
    nic, cause = found.evidence, found.finding.cause if meant else None
    why = cell(_seen(found, meant=meant), _MOST_SEEN)
    return [
        Text(found.verdict.upper(), f"bold {COLOURS[found.verdict]}") if meant else Text("off", "dim"),
        Text(cell(nic.host, NAME_CELLS)),
        Text(cell(nic_name(nic) if len(group) == 1 else nic.machine, _MOST_NAME)),
        Text(cell(nic.tap, TAP_CELLS) if nic.tap else "-"),
        Text.assemble((cause.id, "bold") if cause else "", ": " if cause and why else "", why),
    ]


def _seen(found: NicVerdict, *, meant: bool) -> str:
    """What was seen, and what its machine's next start will make of it; of one that is off and not meant the latter alone."""
    rests, then = one_sided(found), next_start(found)
    now = "RSC is off, as it is meant to be" if off_as_meant(found) else found.finding.seen
    return "; ".join(filter(None, (now or (rests and f"({rests})") if meant or not then else "", then)))


def counts(verdicts: Sequence[NicVerdict], width: int | None = None) -> list[Text]:
    """The counts by verdict, of many also by cause, and where to read on."""
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
        if len(verdicts) > _FEW
    ]
    if any(cause for _, cause in summary.causes):
        lines.append(Text("`rscvm explain CAUSE` tells why, and what mends it"))
    lines += map(Text, _of_the_guest(verdicts))
    return [part for line in lines for part in wrapped(line, width)]


def _of_the_guest(verdicts: Sequence[NicVerdict]) -> Iterator[str]:
    """How to see in a guest what the host's side does not tell."""
    alone = [found for found in verdicts if one_sided(found)]
    if not alone:
        return
    windows = any(may_be_windows(found.evidence) for found in alone)
    look = (
        "in Windows Get-NetAdapterRsc | Format-List tells whether RSC works there (OperationalState True); "
    )
    commands = {found.asking for found in alone}
    command = next(iter(commands)) if len(commands) == 1 else ""
    yield (
        f"READY ({one_sided(alone[0])}): {look if windows else ''}`{command or 'rscvm check --guest'}` asks it, "
        "if the QEMU guest agent runs there"
    )
