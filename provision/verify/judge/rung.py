"""One rung's answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from provision.verify.evidence import FAMILIES, Family

State = Literal["pass", "fail", "unknown", "skipped"]


@dataclass(frozen=True, slots=True)
class Rung:
    """One rung's answer."""

    name: str
    states: dict[Family, State]
    seen: str


def same(name: str, state: State, seen: str) -> Rung:
    """The same answer for both families."""
    return Rung(name, dict.fromkeys(FAMILIES, state), seen)


def as_state(good: bool | None) -> State:  # noqa: FBT001 - the one thing it says
    """Whether something holds; None: not known."""
    return "unknown" if good is None else "pass" if good else "fail"
