"""Waiting, in one place: a deadline is made by the caller and handed down."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from provision.runtime.errors import WaitedError
from provision.runtime.interrupt import look

if TYPE_CHECKING:
    from collections.abc import Callable

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


def wait_for(probe: Callable[[], _T | None], deadline: Deadline, what: str, *, every: float = 0.1) -> _T:
    """Ask until the probe gives something true, and return that.

    :raise WaitedError: when it does not in time; it tells the probe's last answer.
    """
    while True:
        look()
        seen = probe()
        if seen:
            return seen
        if deadline.expired:
            last = f"; last seen: {seen!r}" if seen is not None else ""
            raise WaitedError(f"waited {deadline.seconds:g} s for {what}{last}")
        time.sleep(min(every, deadline.remaining))


def pause(seconds: float) -> None:
    """Let time pass, for what is watched to happen; it can be interrupted."""
    deadline = Deadline(seconds)
    while not deadline.expired:
        look()
        time.sleep(min(0.2, deadline.remaining))
