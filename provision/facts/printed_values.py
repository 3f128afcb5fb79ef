"""Values as PowerShell prints them: whole, cut off, or as numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from provision.runtime.safe_text import short
from provision.tables.failure_reasons import BY_CODE, BY_REASON, UNNAMED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from provision.tables.powershell_properties import ValueKind

_CUT = re.compile(r"(?:…|\.{2,3})$")
_TRUTHS = {"true": True, "false": False}
_WORD = re.compile(r"(?:[A-Za-z]{1,40}|[0-9]{1,10})(?:…|\.{2,3})?|…|\.{3}")


@dataclass(frozen=True, slots=True)
class Printed:
    """An object as PowerShell prints it."""

    at: int
    """In which line of the text it begins."""
    values: Mapping[str, str]
    """By property."""


def truth(text: str) -> bool | None:
    """True or False, also where it is cut off; None for whatever else."""
    found = _beginning_with(_CUT.sub("", text).casefold(), _TRUTHS)
    return _TRUTHS[found[0]] if len(found) == 1 else None


def reason(text: str) -> tuple[str, str]:
    """A FailureReason's name, and why it cannot be told where that is so; both empty where there is none.

    A name that is cut off is completed where one reason alone begins so.
    """
    if text in BY_REASON or not text:
        return text, ""
    if text.isdecimal():
        named = BY_CODE.get(int(text))
        return (named, "") if named else (UNNAMED, f"{text} is a number that no document names")
    begun = _CUT.sub("", text)
    found = _beginning_with(begun, BY_REASON)
    if len(found) == 1 and (begun != text or len(begun) >= _SURE):
        return found[0], ""
    if found:
        return "", f"{short(text, 40)} is cut off, and may be {' or '.join(found)}"
    return "", f"{short(text, 40)} is none that is known"


def whole(text: str) -> bool:
    """Whether nothing was cut off, as far as that shows."""
    return _CUT.search(text) is None


def may_be(kind: ValueKind, text: str) -> bool:
    """Whether that may be a value of this kind, or what is left of one; of a reason also one that is not known."""
    if kind == "truth":
        return truth(text) is not None
    return kind == "text" or (_WORD.fullmatch(text) is not None and text.casefold() not in _TRUTHS)


def is_one(kind: ValueKind, text: str) -> bool:
    """Whether that is a value of this kind, and can hardly be anything else."""
    if kind == "truth":
        return text.casefold() in _TRUTHS
    return kind == "reason" and (text.isdecimal() or (len(text) >= _SURE and bool(reason(text)[0])))


_SURE = 4
"""Letters of a cut value below which it is none."""


def _beginning_with(begun: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if begun and name.startswith(begun)]
