"""A password that a guest's words may quote, and that nobody is to read there."""

from __future__ import annotations

import traceback

from provision.runtime.masked import MARK
from provision.runtime.safe_text import short


def unspoken(words: str, password: str, most: int = 600) -> str:
    """Somebody's words without the password, in short: what is cut or escaped first would be found no more."""
    return short(without(words, password), most)


def without(words: str, password: str) -> str:
    """Somebody's words without the password, be it as it is or as errors of Python's quote it."""
    return words.replace(password, MARK).replace(repr(password)[1:-1], MARK)


def cause(error: Exception, password: str) -> Exception | None:
    """The error, for another that comes of it; none where its traceback would quote the password."""
    told = "".join(traceback.format_exception(error))
    return error if without(told, password) == told else None
