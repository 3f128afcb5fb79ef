"""Shows what takes long: on a terminal in a line that is renewed, elsewhere in a line every ten seconds."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING

from provision.cli.output import renew
from provision.runtime.underway import told_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from provision.cli.output import Output
    from provision.runtime.underway import Work

_RENEWED = 1.0
"""Seconds between looks of a terminal's line."""
_SPOKEN = 10.0
"""Seconds between lines in a file, or in a log."""


@contextmanager
def progress(output: Output) -> Iterator[None]:
    """Show what takes long in the block, on stderr; not where nobody wants to know (`--quiet`)."""
    if output.quiet:
        yield
        return
    terminal = sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    showing = Showing(renew, _RENEWED) if terminal else Showing(output.say, _SPOKEN)
    with told_to(showing):
        try:
            yield
        finally:
            showing.stop()


class Showing:
    """Shows by a thread of its own, which lives from the first that takes long on."""

    def __init__(self, show: Callable[[str], None], every: float) -> None:
        """Show in lines, one every so many seconds; `renew` takes an empty one for the end."""
        self._show, self._every = show, every
        self._renewed = show is renew
        self._works: list[Work] = []
        self._lock = Lock()
        self._over = Event()
        self._thread = Thread(target=self._work, daemon=True)

    def begin(self, work: Work) -> None:
        """Show it from now on."""
        with self._lock:
            self._works.append(work)
            if self._thread.ident is None:
                self._thread.start()

    def end(self, work: Work) -> None:
        """Show it no more."""
        with self._lock:
            self._works.remove(work)
            if self._renewed:
                self._show("")

    def stop(self) -> None:
        """Show nothing more."""
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _work(self) -> None:
        while not self._over.wait(self._every):
            with self._lock:
                if self._works:
                    first, *more = self._works
                    self._show(f"{first} (and {len(more)} more)" if more else str(first))
