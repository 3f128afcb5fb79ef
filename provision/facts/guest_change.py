"""Parses what a script of `fix --guest` says that it changed in a guest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

from provision.facts.guest_answer import answer_of, flag_of, rows_of, text_of
from provision.facts.windows_guest import trouble_of
from provision.runtime.errors import reading

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA = "fix/1"
Kind = Literal["rsc", "global", "keyword", "forwarding", "linux"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_MOST = 8


@dataclass(frozen=True, slots=True)
class GuestChange:
    """What a script changed, as read before and after; what failed is among the troubles, and may have left half of it."""

    kind: Kind
    adapter: str = ""
    """Its name in the guest; empty where the change is of the whole guest, or the adapter was not found."""
    old: Mapping[str, str] = field(default_factory=dict)
    """By setting: of `rsc` IPv4 and IPv6 with True or False, of `forwarding` the same with Enabled or Disabled, of `global`
    ReceiveSegmentCoalescing with those, of `keyword` the registry keyword with its value."""
    new: Mapping[str, str] = field(default_factory=dict)
    troubles: tuple[str, ...] = ()

    @property
    def changed(self) -> dict[str, str]:
        """The old values of what is not any more as it was, by what was read."""
        return {name: value for name, value in self.old.items() if self.new.get(name, value) != value}

    @property
    def unread(self) -> dict[str, str]:
        """The old values of what was not read again, and so may be otherwise by now."""
        return {name: value for name, value in self.old.items() if name not in self.new}


def parse_guest_change(text: str) -> GuestChange:
    """What a script changed.

    :raise UnreadableError: when the text is no answer of such a script's.
    """
    with reading("what a script said that it changed in the guest", text):
        said = answer_of(text, SCHEMA)
        return GuestChange(
            kind=KINDS[KINDS.index(said["fix"])],
            adapter=text_of(said.get("adapter"), 120),
            old=_settings(said.get("old")),
            new=_settings(said.get("new")),
            troubles=tuple(map(trouble_of, rows_of(said.get("troubles"), _MOST))),
        )


def _settings(said: object) -> dict[str, str]:
    rows = list(said.items())[:_MOST] if isinstance(said, dict) else []
    return {text_of(name, 40): _value(value) for name, value in rows}


def _value(said: object) -> str:
    return text_of(said) if flag_of(said) is None else str(said)
