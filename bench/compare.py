"""Two things measured in turn, and what their ratio says."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Spread:
    """What repeated measurements of one thing came to."""

    median: float
    least: float
    most: float

    def scaled(self, factor: float) -> Spread:
        """The same in another unit."""
        return Spread(self.median * factor, self.least * factor, self.most * factor)

    def text(self, digits: int) -> str:
        """Median and range."""
        return f"{self.median:.{digits}f} ({self.least:.{digits}f} to {self.most:.{digits}f})"


def spread(values: Sequence[float]) -> Spread:
    """Median and range of measurements."""
    return Spread(statistics.median(values), min(values), max(values))


@dataclass(frozen=True, slots=True)
class Figure:
    """Ours against a peer, one ratio for each pair that was measured in one round."""

    title: str
    peer_name: str
    peer: tuple[float, ...]
    """Seconds."""
    ours: tuple[float, ...]
    """Seconds, each in the round of the peer's of the same index."""
    goal: float | None = None
    """The largest ratio that is good; None where it is only there for comparison."""

    @property
    def ratio(self) -> Spread:
        """Ours by the peer's, pair by pair: what slows the machine for a while slows both."""
        return spread([mine / theirs for theirs, mine in zip(self.peer, self.ours, strict=True)])

    @property
    def missed(self) -> bool:
        """Whether the median of the ratios is over the goal."""
        return self.goal is not None and self.ratio.median > self.goal


def timed(what: Callable[[], T]) -> tuple[T, float]:
    """What one call returns, and how many seconds it takes."""
    begun = time.perf_counter()
    answer = what()
    return answer, time.perf_counter() - begun


def seconds(what: Callable[[], object]) -> float:
    """How many seconds one call takes."""
    return timed(what)[1]


def in_turn(times: int, *whats: Callable[[], float]) -> tuple[tuple[float, ...], ...]:
    """Measure each in turn, the whole round so many times, after one round that does not count."""
    for what in whats:
        what()
    return rounds(times, *whats)


def rounds(times: int, *whats: Callable[[], float]) -> tuple[tuple[float, ...], ...]:
    """Measure each in turn, the whole round so many times, where a round that does not count has been."""
    done = [[what() for what in whats] for _ in range(times)]
    return tuple(zip(*done, strict=True))


def ratios(mine: Sequence[float], other: Sequence[float]) -> Spread:
    """One by the other, round by round."""
    return spread([one / another for one, another in zip(mine, other, strict=True)])
