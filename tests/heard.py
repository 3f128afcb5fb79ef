"""Somebody who hears what takes long."""

from __future__ import annotations

from dataclasses import dataclass, field

from provision.runtime.underway import Work


@dataclass
class Heard:
    """Hears what is under way, and what has ended."""

    begun: list[tuple[str, float]] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)

    def begin(self, work: Work) -> None:
        self.begun.append((work.what, work.seconds))

    def end(self, work: Work) -> None:
        self.ended.append(work.what)
