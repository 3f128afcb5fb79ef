"""Parses what a script of `fix --guest` says that it found and left."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from provision.runtime.errors import reading
from provision.runtime.safe_text import short
from provision.runtime.untrusted import read_json

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST = 16


@dataclass(frozen=True, slots=True)
class GuestFix:
    """A guest's setting before and after."""

    old: Mapping[str, str | bool] = field(default_factory=dict)
    new: Mapping[str, str | bool] = field(default_factory=dict)
    """Empty where nothing was changed."""
    troubles: tuple[str, ...] = ()


def parse_guest_fix(text: str) -> GuestFix:
    """What a script found and left.

    :raise UnreadableError: when the text is anything else.
    """
    with reading("what the guest says that it changed", text):
        said = read_json(text)
        if said["rscvm"] != "fix/1":
            raise ValueError("of no form that is known")
        troubles = tuple(
            short(f"{each['asked']}: {each['words']} ({each['code']})", 300)
            for each in said.get("troubles", [])[:_MOST]
        )
        return GuestFix(_values(said.get("old")), _values(said.get("new")), troubles)


def _values(said: object) -> Mapping[str, str | bool]:
    if said is None:
        return {}
    if not isinstance(said, dict):
        raise TypeError("no values by their names")
    items = list(said.items())[:_MOST]
    return {
        short(str(name), 100): value if isinstance(value, bool) else short(str(value), 100)
        for name, value in items
    }
