"""What is done over and over in another thread while a block runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread


@contextmanager
def beside(act: Callable[[], object], every: float) -> Iterator[None]:
    """Do it within the block, with so many seconds between."""
    ended = Event()

    def again() -> None:
        while not ended.wait(every):
            act()

    thread = Thread(target=again)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
