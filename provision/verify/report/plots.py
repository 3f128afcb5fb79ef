"""Bars with their axis, as a template draws them in SVG: no script, no colour of their own. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_LEFT, _WIDTH = 96.0, 430.0
"""Where the axis begins, and how long it is, in the picture's own units; beyond it stand the values."""
_TOP, _APART, _THICK = 8.0, 38.0, 22.0
_HIGH, _LARGEST = 72.0, 64_000.0
"""Of a line's axis: its height, and where it ends, in bytes; GRO and TSO hand on 64 KiB at most, but for BIG TCP."""
TICKS = 4
"""Steps of an axis."""
_STEPS = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar before it is drawn."""

    name: str
    parts: Mapping[str, float]
    """What it is made of, from the axis on, by the style of each part."""
    value: str
    """In words."""
    points: tuple[float, ...] = ()
    """Single measurements, whose ends are its range."""


@dataclass(frozen=True, slots=True)
class DrawnBar:
    """One bar in the picture."""

    name: str
    value: str
    y: float
    parts: tuple[tuple[str, float, float], ...]
    """Style, left edge, width."""
    points: tuple[float, ...]
    ends: tuple[float, float] | None
    """Of its range."""
    words: float
    """Where its value stands."""

    @property
    def middle(self) -> float:
        """Its middle's height."""
        return self.y + _THICK / 2


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture of bars."""

    title: str
    bars: tuple[DrawnBar, ...]
    ticks: tuple[tuple[float, str], ...]
    height: float
    thick: float = _THICK
    top: float = _TOP
    legend: tuple[tuple[str, str], ...] = ()
    """Style and words of each part."""

    @property
    def foot(self) -> float:
        """Where the axis' numbers stand."""
        return self.height - 6

    @property
    def words(self) -> str:
        """The whole of it, for who does not see it."""
        return f"{self.title}: {', '.join(f'{bar.name} {bar.value}' for bar in self.bars)}"


def step(most: float) -> float:
    """Between two ticks of an axis that reaches that far: 1, 2, 2.5 or 5 by a power of ten."""
    least = most / TICKS
    if not (least > 0 and math.isfinite(least)):
        return 1.0
    power: float = 10.0 ** math.floor(math.log10(least))
    return next(power * factor for factor in _STEPS if power * factor >= least * (1 - 1e-9))


def plot(title: str, bars: Sequence[Bar], legend: Iterable[tuple[str, str]] = ()) -> Plot:
    """The picture of these bars, whose axis begins at nothing."""
    apart = step(max((max((sum(bar.parts.values()), *bar.points)) for bar in bars), default=0.0))
    drawn = tuple(_drawn(bar, _TOP + number * _APART, apart * TICKS) for number, bar in enumerate(bars))
    ticks = tuple((_LEFT + _WIDTH * tick / TICKS, f"{tick * apart:g}") for tick in range(TICKS + 1))
    return Plot(title, drawn, ticks, _TOP + len(bars) * _APART + 14, legend=tuple(legend))


def _drawn(bar: Bar, y: float, whole: float) -> DrawnBar:
    at, parts = 0.0, []
    for style, value in bar.parts.items():
        parts.append((style, round(_LEFT + _WIDTH * at / whole, 1), round(_WIDTH * value / whole, 1)))
        at += value
    points = tuple(round(_LEFT + _WIDTH * point / whole, 1) for point in bar.points)
    ends = (min(points), max(points)) if len(points) > 1 else None
    end = max((_LEFT + _WIDTH * at / whole, *points))
    return DrawnBar(bar.name, bar.value, y, tuple(parts), points, ends, round(end + 10, 1))


@dataclass(frozen=True, slots=True)
class Line:
    """A picture of a value over time, whose axis ends at the largest frame that there is."""

    title: str
    words: str
    """The whole of it, for who does not see it."""
    runs: tuple[tuple[tuple[float, float], ...], ...]
    """Points that follow one another; between two runs there was no value."""
    ticks: tuple[tuple[float, str], ...]
    """Heights."""
    ends: tuple[tuple[float, str], ...]
    """Where the first and the last moment stand."""
    left: float = _LEFT
    right: float = _LEFT + _WIDTH
    height: float = 110.0

    @property
    def paths(self) -> list[str]:
        """From point to point, of each run."""
        return [" ".join(f"{x},{y}" for x, y in run) for run in self.runs]


def line(means: Sequence[tuple[float, float | None]]) -> Line | None:
    """The picture of mean frames in bytes by the seconds at which they were told; None of fewer than two."""
    if len(means) < 2 or means[-1][0] <= 0:
        return None
    whole = means[-1][0]
    runs = tuple(
        tuple((round(_LEFT + _WIDTH * at / whole, 1), _height(mean)) for at, mean in run if mean is not None)
        for there, run in groupby(means, lambda row: row[1] is not None)
        if there
    )
    ticks = tuple((_TOP + _HIGH * (1 - share), f"{_LARGEST * share / 1000:g}") for share in (0.0, 0.5, 1.0))
    told = ", ".join("none" if mean is None else f"{mean / 1000:.1f}" for _, mean in means)
    ends = ((_LEFT, "0 s"), (_LEFT + _WIDTH, f"{whole:.0f} s"))
    title = "Mean frame handed to the guest while it was watched, kB"
    return Line(title, f"{title}: {told}", runs, ticks, ends)


def _height(mean: float) -> float:
    return round(_HIGH * (1 - min(mean / _LARGEST, 1.0)) + _TOP, 1)
