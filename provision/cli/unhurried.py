"""Prints from a thread of its own, so that who works does not wait for who reads."""

from __future__ import annotations

from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST = 10_000
"""Lines that wait for a reader; those that come then are left out."""
_LOOK = 0.1
"""Seconds between looks for the end."""


class Unhurried:
    """What is printed one after the other, whoever says it."""

    def __init__(self, lost: Callable[[], object]) -> None:
        """Begin.

        :param lost: called once, from that thread, when nothing can be printed any more.
        """
        self.error: OSError | None = None
        """Why nothing can be printed any more."""
        self.left_out = 0
        """How many lines were too many."""
        self._lost = lost
        self._waiting: Queue[Callable[[], object]] = Queue(_MOST)
        self._over = Event()
        self._thread = Thread(target=self._work, daemon=True)
        self._thread.start()

    def print(self, printing: Callable[[], object]) -> None:
        """Have that done, when it is its turn."""
        try:
            self._waiting.put_nowait(printing)
        except Full:
            self.left_out += 1

    def end(self) -> None:
        """Wait until all is printed."""
        self._over.set()
        self._thread.join()

    def _work(self) -> None:
        while True:
            over = self._over.is_set()
            try:
                printing = self._waiting.get(timeout=0 if over else _LOOK)
            except Empty:
                if over:
                    return
                continue
            try:
                if self.error is None:
                    printing()
            except OSError as error:
                self.error = error
                self._lost()
