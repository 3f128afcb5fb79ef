"""A plot of time and memory over the number of hosts, as SVG whose colours do on light and dark pages."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from provision.verify.report.plots import TICKS, step

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bench.fleet import OnFleet

_WIDTH, _HEIGHT = 340, 220
"""Of one panel's axes."""
_LEFT, _TOP, _APART = 60, 50, 110
_COLOURS = {"rscvm": "#2f81f7", "plain tasks": "#d9822b"}
_GREY = "#808080"


@dataclass(frozen=True, slots=True)
class _Panel:
    """Lines over the number of hosts, with axes that begin at nothing."""

    title: str
    left: int
    hosts: Sequence[int]
    lines: Mapping[str, Sequence[float]]

    @property
    def _step(self) -> float:
        """Between two ticks."""
        return step(max(max(line) for line in self.lines.values()))

    def _x(self, hosts: float) -> float:
        return self.left + _WIDTH * hosts / max(self.hosts)

    def _y(self, value: float) -> float:
        return _TOP + _HEIGHT * (1 - value / (self._step * TICKS))

    def _axes(self) -> Iterator[str]:
        yield _text(self.left, _TOP - 20, self.title, "start")
        for tick in range(TICKS + 1):
            value = tick * self._step
            y = self._y(value)
            yield f'<path d="M{self.left} {y:.1f}h{_WIDTH}" stroke="{_GREY}" stroke-opacity=".35"/>'
            yield _text(self.left - 8, y + 4, f"{value:g}", "end")
        for hosts in self.hosts:
            yield _text(self._x(hosts), _TOP + _HEIGHT + 20, f"{hosts}", "middle")

    def drawn(self) -> Iterator[str]:
        """The elements."""
        yield from self._axes()
        for name, values in self.lines.items():
            points = [(self._x(at), self._y(value)) for at, value in zip(self.hosts, values, strict=True)]
            line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            yield f'<polyline points="{line}" fill="none" stroke="{_COLOURS[name]}" stroke-width="2"/>'
            yield from (
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{_COLOURS[name]}"/>' for x, y in points
            )


def _text(x: float, y: float, words: str, anchor: str, colour: str = _GREY) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(words)}</text>'


def plot(found: Sequence[OnFleet]) -> str:
    """The two panels, side by side."""
    hosts = [one.hosts for one in found]
    sides = [[one.ours for one in found], [one.peer for one in found]]
    took = [[statistics.median(side.seconds) for side in line] for line in sides]
    held = [[side.mib for side in line] for line in sides]
    panels = (
        _Panel("seconds, by hosts", _LEFT, hosts, dict(zip(_COLOURS, took, strict=True))),
        _Panel("peak MiB, by hosts", _LEFT + _WIDTH + _APART, hosts, dict(zip(_COLOURS, held, strict=True))),
    )
    size = f'width="{2 * (_LEFT + _WIDTH) + _APART}" height="{_TOP + _HEIGHT + 40}"'
    legend = [
        _text(_LEFT + _WIDTH - 90 * turn, _TOP - 20, name, "end", colour)
        for turn, (name, colour) in enumerate(reversed(_COLOURS.items()))
    ]
    style = 'font-family="sans-serif" font-size="13"'
    lines = [line for panel in panels for line in panel.drawn()]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>'
    return "\n".join((head, *legend, *lines, "</svg>", ""))
