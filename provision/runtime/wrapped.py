"""Wraps lines to the columns of a terminal: at blanks, what goes on indented, nothing cut."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.text import Text

_LABEL = re.compile(r" *(?:[a-z]{2,8}: |- |[0-9]{1,2}\. )?")
"""What a line begins with, and what goes on stands beside: `  fix: `, an item's mark."""
_AS_IT_IS = re.compile(r"#|\||    ")
"""How lines begin that are no prose: headings, tables, code."""
_WORDS = re.compile(r"(?:`[^`]*`|\[[\w ]{1,24}\]|\S)+")
"""Where a line may be broken lies between these: a command between backticks is one, so that it can be copied."""
_WORDS_OF_A_COLUMN = re.compile(r"(?:\[[\w ]{1,24}\]|\S)+")
_LEAST = 16
"""Columns; where fewer are left beside it, what goes on begins at the margin's second."""
_MARGIN = 2
_WIDEST = 2
"""Columns of a character."""


def wrapped(line: Text, width: int | None, beside: int | None = None, *, hang: int = _MARGIN) -> list[Text]:
    """The line in as many as it takes; None: there is no width. One that is not to be wrapped stays one.

    A word that is wider than that stays whole, so that a path can be copied, and so does a command between backticks, on a
    line of its own; in a column they are broken. What is in brackets, such as `[requested on]`, stays together.

    :param beside: how many characters of it what goes on stands beside, in a column; by default its label, or its blanks and
        `hang`.
    """
    from rich.cells import cell_len  # noqa: PLC0415 - only where a person reads
    from rich.text import Text  # noqa: PLC0415

    if width is None or line.no_wrap or cell_len(line.plain) <= width:
        return [line]
    label = _LABEL.match(line.plain)
    start = beside if beside is not None else label.end() if label else 0
    margin = cell_len(line.plain[:start])
    if beside is None and not line.plain[:start].strip():
        margin += hang
    if width - margin < _LEAST:
        start, margin = 0, min(_MARGIN, width // 2)
    body = line[start:]
    parts = body.divide(_breaks(body.plain, max(width - margin, _WIDEST), whole=beside is None))
    for part in parts:
        part.rstrip()
    return [Text.assemble(line[:start] if i == 0 else " " * margin, part) for i, part in enumerate(parts)]


def paragraphs(text: str) -> Iterator[tuple[str, bool]]:
    """A document's lines, those of a paragraph or an item joined, and whether each is prose; a script goes on to the end."""
    told = ""
    script = False
    for line in text.splitlines():
        script = script or line.startswith("#!")
        apart = script or not line.strip() or bool(_AS_IT_IS.match(line))
        label = _LABEL.match(line)
        if told and (apart or (label and label[0].strip())):
            yield told, True
            told = ""
        if apart:
            yield line, False
        else:
            told = f"{told} {line.strip()}" if told else line
    if told:
        yield told, True


def _breaks(text: str, width: int, *, whole: bool) -> Iterator[int]:
    """Where lines of so many columns begin, but for the first; with `whole` no word and no command is broken."""
    from rich.cells import cell_len  # noqa: PLC0415

    begin = 0
    for word in (_WORDS if whole else _WORDS_OF_A_COLUMN).finditer(text):
        if cell_len(text[begin : word.end()]) > width and text[begin : word.start()].strip():
            begin = word.start()
            yield begin
        while not whole and cell_len(text[begin : word.end()]) > width:
            begin += next(n for n in range(1, len(text)) if cell_len(text[begin : begin + n + 1]) > width)
            yield begin
