"""What `check --watch` shows at each tick: rate, mean frame and verdict of every NIC."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING

from provision.runtime.errors import RscvmError
from provision.runtime.safe_text import cell
from provision.verify.report.style import COLOURS, NAME_CELLS, TAP_CELLS, VERDICTS, WORDS, several

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table
    from rich.text import Text

    from provision.verify.judge.cause import Verdict


Lost = Mapping[str, RscvmError]
"""Hosts that cannot be watched any more, and why."""
NONE_LOST: Lost = MappingProxyType({})
_REASON_CELLS = 160


@dataclass(frozen=True, slots=True)
class Tick:
    """One NIC over one interval, as its TAP's counters tell: what the host handed to the guest."""

    host: str
    machine: str
    nic: str
    tap: str | None
    bytes_per_second: float | None
    """None before the second reading, and where there is no counter."""
    packets_per_second: float | None
    mean_frame: float | None
    """Bytes; None where nothing was handed on."""
    verdict: Verdict
    cause: str | None


def ordered(rows: Sequence[Tick]) -> list[Tick]:
    """Worst first; of those alike by name, so that a row stays where it is from tick to tick."""
    return sorted(rows, key=lambda row: (VERDICTS.index(row.verdict), row.host, row.machine, row.nic))


def as_json_line(rows: Sequence[Tick], when: datetime, lost: Lost = NONE_LOST) -> str:
    """One tick of `check --watch --json`, schema rscvm/watch/1, without the end of its line."""
    nics = [asdict(row) for row in ordered(rows)]
    errors = [{"host": host, "message": str(error), "hint": error.hint} for host, error in lost.items()]
    document = {"schema": "rscvm/watch/1", "when": _stamp(when), "nics": nics}
    line = json.dumps({**document, "errors": errors} if errors else document)
    return line.replace("\x7f", r"\u007f")  # the one of ASCII that would steer a terminal


def as_table(rows: Sequence[Tick], when: datetime, most: int | None = None, lost: Lost = NONE_LOST) -> Table:
    """One tick for a person; of what takes more than `most` lines the worst NICs are shown and the others counted."""
    from rich.table import Table  # noqa: PLC0415 - only where a person reads

    hosts = several(row.host for row in rows)
    shown = ordered(rows)[: None if most is None else max(most - len(lost), 1)]
    left = len(rows) - len(shown)
    beneath = [
        *([f"… and {left} more"] if left else []),
        *(f"{h}, watched no more: {why}" for h, why in lost.items()),
    ]
    table = Table(
        title=_line(f"{_stamp(when)}  {_sentence(rows)}", "bold"),
        title_justify="left",
        caption=_lines(beneath) if beneath else None,
        caption_justify="left",
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
        header_style="dim",
    )
    for name in ("verdict", *(["host"] if hosts else []), "NIC", "TAP", "to guest", "mean frame", "cause"):
        number = name in {"to guest", "mean frame"}
        # rich narrows those that may wrap before the others; no cell does, each is one line (`_line`).
        table.add_column(
            name, justify="right" if number else "left", no_wrap=name not in {"host", "NIC", "cause"}
        )
    for row in shown:
        table.add_row(
            _line(row.verdict.upper(), f"bold {COLOURS[row.verdict]}"),
            *([_line(cell(row.host, TAP_CELLS * 2))] if hosts else []),
            _line(cell(f"{row.machine}.{row.nic}", NAME_CELLS)),
            _line(cell(row.tap, TAP_CELLS) if row.tap else "-"),
            _line(rate(row.bytes_per_second)),
            _line("-" if row.mean_frame is None else f"{row.mean_frame:.0f} B"),
            _line(cell(row.cause, NAME_CELLS) if row.cause else "-"),
        )
    return table


def _line(text: str, style: str = "") -> Text:
    from rich.text import Text  # noqa: PLC0415

    return Text(text, style, no_wrap=True, overflow="ellipsis")


def _lines(texts: Sequence[str]) -> Text:
    from rich.text import Text  # noqa: PLC0415

    return Text("\n", no_wrap=True, overflow="ellipsis").join(
        _line(cell(text, _REASON_CELLS)) for text in texts
    )


def rate(bytes_per_second: float | None) -> str:
    """Bits a second in the unit that people know from links."""
    if bytes_per_second is None:
        return "-"
    bits = bytes_per_second * 8
    if round(bits / 1e6, 1) >= 1000:
        return f"{bits / 1e9:.2f} Gb/s"
    return "<0.1 Mb/s" if 0 < bits < 1e5 else f"{bits / 1e6:.1f} Mb/s"


def _sentence(rows: Sequence[Tick]) -> str:
    counts = Counter(row.verdict for row in rows)
    return (
        ", ".join(f"{counts[verdict]} {WORDS[verdict]}" for verdict in VERDICTS if counts[verdict])
        or "no NIC"
    )


def _stamp(when: datetime) -> str:
    return f"{when.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
