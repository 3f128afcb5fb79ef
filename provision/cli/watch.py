"""`rscvm check --watch`: a table that stays in its place on a terminal, or a block of lines a tick."""

from __future__ import annotations

import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, NoReturn

from provision.runtime.interrupt import shield

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from rich.console import Console

    from provision.cli.output import Output
    from provision.runtime.errors import RscvmError
    from provision.verify.collect.source import MachineSource
    from provision.verify.report.ticks import Lost, Tick

    Show = Callable[[Sequence[Tick], datetime, Lost], None]

_BESIDE_ROWS = 3
"""Lines: title, header, caption."""
_WIDE = 100
"""Columns from which on there is room for more ticks."""
_UNCUT = 400
"""Columns; a file has no width, and each cell is cut to its own most."""


def watch_sources(
    output: Output, sources: Mapping[str, MachineSource], every: float, *, as_json: bool
) -> NoReturn:
    """Show every tick until somebody ends it; one read a host and tick.

    A host that is lost is watched no more, and what it ended with stays in sight.

    :raise KeyboardInterrupt: when somebody ends it.
    :raise RscvmError: when the last host is lost.
    """
    from datetime import UTC, datetime

    from provision.runtime.deadline import pause
    from provision.runtime.parallel import side_by_side
    from provision.verbs.check import PATIENCE
    from provision.verbs.watch import Glance, glance
    from provision.verify.report.ticks import as_json_line

    last: dict[str, Glance] = {}
    lost: dict[str, RscvmError] = {}
    with ExitStack() as open_:
        show = None if as_json else open_.enter_context(watching(output))
        while True:
            there = [name for name in sources if name not in lost]
            outcomes = side_by_side(
                there, lambda name: glance(sources[name], last.get(name)), seconds=PATIENCE
            )
            errors = {outcome.host: outcome.error for outcome in outcomes if outcome.error is not None}
            lost |= errors
            if errors and len(lost) == len(sources):
                raise next(iter(errors.values()))
            ticks = {outcome.host: outcome.value for outcome in outcomes if outcome.value is not None}
            last.update({host: value[0] for host, value in ticks.items()})
            rows = [tick for value in ticks.values() for tick in value[1]]
            now = datetime.now(UTC)
            if show is None:
                output.text(as_json_line(rows, now, lost))
            else:
                show(rows, now, lost)
            pause(every)


@contextmanager
def watching(output: Output) -> Iterator[Show]:
    """Yield what shows one tick.

    On a terminal that happens on its alternate screen, which is left however the block ends, with the cursor
    shown again; elsewhere each tick is a block of lines.
    """
    screen = output.console(screen=True)
    if sys.stdout.isatty() and not screen.is_dumb_terminal:
        with _in_place(screen) as show:
            yield show
    else:
        console = output.console()
        console.width = _UNCUT
        yield lambda rows, when, lost: _block(console, rows, when, lost)


def _block(console: Console, rows: Sequence[Tick], when: datetime, lost: Lost) -> None:
    from provision.verify.report.ticks import as_table

    with console.capture() as text:
        console.print(as_table(rows, when, lost=lost))
    console.file.write("\n".join(line.rstrip() for line in text.get().splitlines()) + "\n\n")
    console.file.flush()


@contextmanager
def _in_place(console: Console) -> Iterator[Show]:
    """Behind a shield wherever the terminal is written to: half an escape sequence could not be taken back."""
    from rich.live import Live

    from provision.verify.report.ticks import NARROW_PAST, WIDE_PAST, as_table

    live = Live(
        console=console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
    )

    def show(rows: Sequence[Tick], when: datetime, lost: Lost) -> None:
        with shield():
            most = max(console.height - _BESIDE_ROWS, 1)
            past = WIDE_PAST if console.width >= _WIDE else NARROW_PAST
            live.update(as_table(rows, when, most, lost, past), refresh=True)

    try:
        with shield():
            live.start()
        yield show
    finally:
        with shield():
            live.stop()
