"""Waiting, in one place: a deadline is made by the caller and handed down."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from provision.runtime.errors import DeadlineError, WaitedError
from provision.runtime.interrupt import look
from provision.runtime.underway import underway

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment by which something must have happened; nested waits share it."""

    seconds: float
    _started: float = field(default_factory=time.monotonic)

    @property
    def remaining(self) -> float:
        """Seconds that are left, never below zero."""
        return max(0.0, self._started + self.seconds - time.monotonic())

    @property
    def expired(self) -> bool:
        """Whether the moment has passed."""
        return self.remaining == 0.0


LAST_SECONDS = 5.0
"""What is kept for an end."""


def with_its_end(seconds: float) -> tuple[Deadline, Deadline]:
    """By when something has to have ended by itself, and by when somebody has ended it: for that half the time is kept at most."""
    return Deadline(seconds - min(LAST_SECONDS, seconds / 2)), Deadline(seconds)


class _Own(threading.local):
    """Of one thread."""

    limit: Deadline | None = None


_OWN = _Own()


def own_limit() -> Deadline | None:
    """By when this thread's work has to end, if by any time."""
    return _OWN.limit


@contextmanager
def limited(limit: Deadline | None) -> Iterator[None]:
    """Let this thread's work end by then: each wait of the block is as long as what is left of it at most."""
    outer, _OWN.limit = _OWN.limit, limit
    try:
        yield
    finally:
        _OWN.limit = outer


def within_limit(most: float) -> float:
    """Seconds that a wait may take: so many, or what this thread's work has left.

    :raise DeadlineError: when it has none.
    """
    limit = _OWN.limit
    if limit is None:
        return most
    if limit.expired:
        raise DeadlineError(f"its answers take more than {limit.seconds:g} s in all")
    return min(most, limit.remaining)


def wait_for(
    probe: Callable[[], _T | None],
    deadline: Deadline,
    what: str,
    *,
    every: float = 0.1,
    slowest: float | None = None,
) -> _T:
    """Ask until the probe gives something true, and return that.

    :param slowest: where given, each pause is half as long again as the one before, up to so many seconds.
    :raise WaitedError: when it does not in time; it tells the probe's last answer.
    """
    with underway(f"waiting for {what}", deadline.seconds):
        while True:
            look()
            seen = probe()
            if seen:
                return seen
            if deadline.expired:
                last = f"; last seen: {seen!r}" if seen is not None else ""
                raise WaitedError(f"waited {deadline.seconds:g} s for {what}{last}")
            time.sleep(min(every, deadline.remaining))
            every = every if slowest is None else min(1.5 * every, slowest)


def pause(seconds: float) -> None:
    """Let time pass, for what is watched to happen; it can be interrupted."""
    deadline = Deadline(seconds)
    while not deadline.expired:
        look()
        time.sleep(min(0.2, deadline.remaining))
