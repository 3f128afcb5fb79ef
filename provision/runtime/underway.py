"""What takes long just now, told to whoever shows that it goes on; nobody has to."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """Something that may take longer than anybody likes to sit before a silent screen."""

    what: str
    seconds: float = 0.0
    """That it takes at most; 0: nobody knows."""
    begun: float = field(default_factory=time.monotonic)

    def __str__(self) -> str:
        """What goes on, and for how long by now."""
        most = f" of {self.seconds:.0f} s at most" if self.seconds else ""
        return f"{self.what}: {time.monotonic() - self.begun:.0f} s{most}"


def spoken(host: str) -> str:
    """A host as it is called before a reader."""
    return "this host" if host == "local" else host


class Audience(Protocol):
    """Who shows it; told from any thread."""

    def begin(self, work: Work) -> None:
        """That has begun."""
        ...

    def end(self, work: Work) -> None:
        """That has ended, however."""
        ...


@dataclass
class _State:
    audience: Audience | None = None


_STATE = _State()


@contextmanager
def underway(what: str, seconds: float = 0.0) -> Iterator[None]:
    """Let it be known that the block is at this, and takes so many seconds at most."""
    audience, work = _STATE.audience, Work(what, seconds)
    if audience is None:
        yield
        return
    audience.begin(work)
    try:
        yield
    finally:
        audience.end(work)


@contextmanager
def told_to(audience: Audience) -> Iterator[None]:
    """Have what is under way in the block, in whichever thread, told to this one."""
    _STATE.audience = audience
    try:
        yield
    finally:
        _STATE.audience = None
