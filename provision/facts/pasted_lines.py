"""Takes away what mails, web pages, terminals and programs put around each line of a text that somebody pasted."""

from __future__ import annotations

import re
from html import unescape

_QUOTE = re.compile(r"^(?:\s{0,3}>)+ ?")
_ESCAPE = re.compile(r"\x1b(?:\[[0-9;?]{0,40}[A-Za-z]|\][^\x07\x1b]{0,200}(?:\x07|\x1b\\)|[()][0-9A-Z])")
# What word processors and web pages put in the place of a hyphen, or of nothing.
_LETTERS = str.maketrans({"\u2010": "-", "\u2011": "-", "\u00ad": "", "\u200b": "", "\ufeff": ""})
_NEWLINE = re.compile(r"\r\n|\r|\n")
_TAGS = "br|p|pre|code|div|span|li|ul|ol|table|tbody|tr|td|b|i|em|strong|tt|samp|font"
_TAG = re.compile(rf"</?(?:{_TAGS})(?:\s[^<>]{{0,200}})?/?>", re.IGNORECASE)
_INLINE = re.compile(r"</?(?:code|span|b|i|em|strong|tt|samp|font)\b", re.IGNORECASE)
_IN_STRING = re.compile(r"\\r\\n|\\n|\\r|\\t")
_DIFF = re.compile(r"^[-+](?=[a-z\t])")
_DIGITS = re.compile(r"[0-9]+")
_MARKS = re.compile(r"[\W_]+")


def _tag(found: re.Match[str]) -> str:
    return "" if _INLINE.match(found[0]) else "\n"


def plain_lines(text: str) -> list[str]:
    """The lines as a terminal showed them: without a page's tags and escapes, quote marks, colours and margins."""
    return [line.strip() for line in placed_lines(text)]


def placed_lines(text: str) -> list[str]:
    """The same lines with what stands before them: where columns are, counts."""
    if "<" in text:
        text = _TAG.sub(_tag, text)
    if "&" in text:
        text = unescape(text)
    text = text.translate(_LETTERS)
    return [_QUOTE.sub("", _ESCAPE.sub("", line)).rstrip() for line in _NEWLINE.split(text)]


def said_lines(line: str) -> list[str]:
    """The lines within a line, as a string of JSON or Python has them, and without a diff's marks."""
    if "\\" not in line:
        return [_DIFF.sub("", line)]
    apart = _IN_STRING.sub(lambda found: " " if found[0] == "\\t" else "\n", line)
    return [_DIFF.sub("", each.strip()) for each in apart.split("\n")]


def margin(before: str) -> str:
    """What stands before something on its line, as far as it is the same on every line of a log; empty: but marks.

    Numbers count as alike, as times, process numbers and counters are; quotes, bullets and brackets are only marks.
    """
    return _MARKS.sub(" ", _DIGITS.sub("0", before)).strip()
