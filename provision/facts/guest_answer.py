"""Reads the one line of JSON that a script of ours says in a guest: bounded, whoever wrote it."""

from __future__ import annotations

import re
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from provision.runtime.masked import masked_document, masked_text
from provision.runtime.untrusted import read_json

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST = 4 << 20
"""Characters; a guest of 256 adapters says 2 million."""
_MOST_VALUES = 200_000
_BEGINNING = re.compile("[\r\n]*".join('{"rscvm":'))


def answer_of(text: str, schema: str) -> Mapping[str, Any]:
    """What a script says, whatever a login shell says before it; line breaks that a terminal made are none of JSON's.

    :raise ValueError: when it is no answer of that schema.
    """
    if len(text) > _LONGEST:
        raise ValueError("it is longer than any guest's answer")
    _, line, _ = _around(text)
    said = read_json(line, _MOST_VALUES)
    if said["rscvm"] != schema:
        raise ValueError(f"it is not {schema}")
    return dict(said)


def masked_answer(text: str) -> str:
    """What a script says without secrets: `answer_of` reads it as before."""
    try:
        before, line, after = _around(text)
        masked = masked_document(line, _MOST_VALUES)
    except ValueError:
        return masked_text(text)
    said = text[len(before) : len(text) - len(after)]
    return f"{masked_text(before)}{said if masked == line else masked}{masked_text(after)}"


def _around(text: str) -> tuple[str, str, str]:
    """What is before the answer, the answer in one line, and what is after it."""
    found = _BEGINNING.search(text)
    if found is None:
        raise ValueError("nothing in it is an answer")
    begins, ends = found.start(), text.rindex("}") + 1
    return text[:begins], text[begins:ends].replace("\r", "").replace("\n", ""), text[ends:]


def rows_of(said: object, most: int) -> list[Mapping[str, Any]]:
    """The objects of a list, the first so many; of nothing none."""
    rows: list[Mapping[str, Any]] = []
    if isinstance(said, list):
        rows += [row for row in said if isinstance(row, dict)][:most]
    return rows


def text_of(said: object, most: int = 200) -> str:
    """A text, cut; empty where it is none. UTF-16 that has no other half becomes a question mark."""
    return said[:most].encode("utf-8", "replace").decode("utf-8") if isinstance(said, str) else ""


def flag_of(said: object) -> bool | None:
    """True or false; None where it is neither."""
    return said if isinstance(said, bool) else None


def number_of(said: object) -> int | None:
    """A whole number that a 64-bit counter can have; None where it is none."""
    return said if isinstance(said, int) and not isinstance(said, bool) and 0 <= said < 1 << 64 else None


def mac_of(said: object) -> str:
    """A MAC address as lower-case pairs with colons, from any usual form; empty where it is none, or all zeros."""
    digits = "".join(c for c in text_of(said, 40).lower() if c in "0123456789abcdef")
    return (
        ":".join(digits[i : i + 2] for i in range(0, 12, 2)) if len(digits) == 12 and int(digits, 16) else ""
    )


def version_of(said: str) -> tuple[int, ...]:
    """The numbers that a version begins with, four at most: of a kernel's release `6.1.0-28-amd64` (6, 1, 0)."""
    parts = said.split("-", maxsplit=1)[0].split(".")[:4]
    return tuple(map(int, takewhile(lambda part: part.isascii() and part.isdigit(), parts)))
