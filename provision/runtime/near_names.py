"""Which of the names that there are somebody may have meant by one that is nobody's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.runtime.safe_text import short

if TYPE_CHECKING:
    from collections.abc import Iterable

_MOST = 5_000
_LONGEST = 255
"""Names, and characters of one: a host may tell of any."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`did you mean vm-1 or vm-2? `, for the beginning of a hint; nothing where none is like the name."""
    close = [short(each, _LONGEST) for each in near_names(name, known)]
    return f"did you mean {' or '.join(close)}? " if close else ""


def near_names(name: str, known: Iterable[str]) -> list[str]:
    """At most three of these names that are like one, the nearest first."""
    from difflib import get_close_matches  # noqa: PLC0415 - only for who has mistyped

    by_plain = {plain(each[:_LONGEST]): each for each, _ in zip(known, range(_MOST), strict=False)}
    return [by_plain[each] for each in get_close_matches(plain(name[:_LONGEST]), by_plain, n=3, cutoff=0.6)]


def plain(name: str) -> str:
    """A name without what people write otherwise: case, hyphens, blanks."""
    return "".join(c for c in name.casefold() if c.isalnum())
