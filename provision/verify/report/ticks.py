"""What `check --watch` shows at each tick: rate, mean frame and verdict of every NIC."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
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
NARROW_PAST, WIDE_PAST = 7, 24
"""Ticks of which the mean frame is plotted: what fits into 80 columns, and where there is more room."""
_COLUMNS = "▁▂▃▄▅▆▇█"
_LARGEST = 64_000
"""Bytes of a frame, at which a column has its full height; above that there is only BIG TCP."""


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
    past: tuple[float | None, ...] = ()
    """Its mean frames of the last ticks, this one's the last."""


def ordered(rows: Sequence[Tick]) -> list[Tick]:
    """Worst first; of those alike by name, so that a row stays where it is from tick to tick."""
    return sorted(rows, key=lambda row: (VERDICTS.index(row.verdict), row.host, row.machine, row.nic))


def as_json_line(rows: Sequence[Tick], when: datetime, lost: Lost = NONE_LOST) -> str:
    """One tick of `check --watch --json`, schema rscvm/watch/1, without the end of its line."""
    nics = [asdict(replace(row, past=())) for row in ordered(rows)]
    for row in nics:
        del row["past"]  # whoever reads lines has them
    errors = [{"host": host, "message": str(error), "hint": error.hint} for host, error in lost.items()]
    document = {"schema": "rscvm/watch/1", "when": _stamp(when), "nics": nics}
    line = json.dumps({**document, "errors": errors} if errors else document)
    return line.replace("\x7f", r"\u007f")  # the one of ASCII that would steer a terminal


def as_table(
    rows: Sequence[Tick],
    when: datetime,
    most: int | None = None,
    lost: Lost = NONE_LOST,
    past: int = NARROW_PAST,
) -> Table:
    """One tick for a person, with the mean frames of so many ticks as a plot.

    Of what takes more than `most` lines the worst NICs are shown and the others counted.
    """
    hosts = several(row.host for row in rows)
    shown = ordered(rows)[: None if most is None else max(most - len(lost), 1)]
    left = len(rows) - len(shown)
    beneath = [
        *([f"… and {left} more"] if left else []),
        *(f"{h}, watched no more: {why}" for h, why in lost.items()),
    ]
    table = _empty(_line(f"{_stamp(when)}  {_sentence(rows)}", "bold"), _lines(beneath) if beneath else None)
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
            _line(_mean(row, past)),
            _line(cell(row.cause, NAME_CELLS) if row.cause else "-"),
        )
    return table


def _empty(title: Text, caption: Text | None) -> Table:
    from rich.table import Table  # noqa: PLC0415 - only where a person reads

    return Table(
        title=title,
        title_justify="left",
        caption=caption,
        caption_justify="left",
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
        header_style="dim",
    )


def _line(text: str, style: str = "") -> Text:
    from rich.text import Text  # noqa: PLC0415

    return Text(text, style, no_wrap=True, overflow="ellipsis")


def _lines(texts: Sequence[str]) -> Text:
    from rich.text import Text  # noqa: PLC0415

    return Text("\n", no_wrap=True, overflow="ellipsis").join(
        _line(cell(text, _REASON_CELLS)) for text in texts
    )


def _mean(row: Tick, past: int) -> str:
    """This tick's mean frame after a plot of those up to it, a column each; a dot where nothing was handed on."""
    plot = "".join("·" if mean is None else _COLUMNS[_step(mean)] for mean in row.past[-past:])
    value = "-" if row.mean_frame is None else f"{row.mean_frame:.0f} B"
    return f"{plot} {value:>7}" if plot.strip("·") else value


def _step(mean: float) -> int:
    return min(int(mean / _LARGEST * len(_COLUMNS)), len(_COLUMNS) - 1)


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
