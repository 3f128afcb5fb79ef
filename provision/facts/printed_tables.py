"""Finds the tables that PowerShell prints in pasted lines: with columns that are cut, wrapped, or run together."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING
from unicodedata import east_asian_width

from provision.facts.pasted_lines import margin
from provision.facts.printed_values import Printed, is_one, may_be
from provision.tables.powershell_properties import DEFAULT_VIEW, PROPERTIES, ValueKind, property_named

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_RULER = re.compile(r"(?<![^\s|>*`\"'])-{2,80}(?:[ \t]{1,200}-{1,80}){1,30}(?![^\s|`\"'<])")
_WORD = re.compile(r"\S+")
_HALF = "\0"
"""Stands for the second of the two columns that a wide letter takes."""
_HEAD = 24
"""Lines that the names of a table's columns may take: one letter a line, where a column is that narrow."""
_LINE = 4000
"""Characters of a line; what is longer is none of a table's."""
_NAME = 40
"""Words of an adapter's name."""
_MOST = 500
"""Tables of a text."""


@dataclass(frozen=True, slots=True)
class _Table:
    names: tuple[str, ...]
    """Of its columns."""
    starts: tuple[int, ...]
    """Where they begin, in columns of a terminal."""
    before: str
    """What stands before it on each line."""

    @property
    def kinds(self) -> tuple[ValueKind, ...]:
        return tuple(PROPERTIES.get(name, "text") for name in self.names)

    @property
    def typed(self) -> int:
        """How many columns at its end are of values that are known by themselves."""
        kinds = self.kinds
        return len(kinds) - max((at + 1 for at, kind in enumerate(kinds) if kind == "text"), default=0)


@dataclass(slots=True)
class _Row:
    at: int
    cells: list[str]
    placed: bool
    """Whether its values stand below the names of their columns."""


def tables_in(lines: Sequence[str]) -> Iterator[Printed]:
    """Every row of every table, and rows of Get-NetAdapterRsc's own that stand alone, in order."""
    done = seen = 0
    for at, line in enumerate(lines):
        if at < done or len(line) > _LINE:
            continue
        rulers = list(_RULER.finditer(line)) if "--" in line and seen < _MOST else []
        seen += len(rulers)
        if (
            len(rulers) == 1
            and not line[rulers[0].end() :].strip()
            and (table := _headed(lines, at, rulers[0]))
        ):
            rows, done = _rows(lines, at + 1, table)
            yield from (Printed(row.at, _values(table.names, row.cells)) for row in rows)
        elif found := list(_run_together(line, rulers)):
            yield from (Printed(at, row) for row in found)
        elif row := _alone(line):
            yield Printed(at, row)


def _values(names: Sequence[str], cells: Sequence[str]) -> Mapping[str, str]:
    return {name: cell for name, cell in zip(names, cells, strict=True) if cell}


def _cells(line: str) -> str:
    """The line with a character for each column of a terminal."""
    if line.isascii():
        return line
    return "".join(each + _HALF if east_asian_width(each) in "WF" else each for each in line)


def _headed(lines: Sequence[str], at: int, ruler: re.Match[str]) -> _Table | None:
    """The table whose names stand above a ruler; None where they cannot be told."""
    groups = [ruler.start() + group.start() for group in _WORD.finditer(ruler[0])]
    head: list[str] = []
    for line in reversed(lines[max(0, at - _HEAD) : at]):
        if not line.strip() or len(line) > _LINE:
            break
        head.insert(0, line)
        words = list(_WORD.finditer(line))[-len(groups) :]
        whole = len(words) == len(groups)
        names = [_whole_name(head, words, groups, column) for column in range(len(groups))] if whole else []
        if names and all(names) and any(name in PROPERTIES for name in names):
            return _Table(tuple(names), tuple(groups), lines[at][: ruler.start()])
    return None


def _whole_name(
    head: Sequence[str], words: Sequence[re.Match[str]], starts: Sequence[int], column: int
) -> str:
    """The name of a column: by what stands on the first line, or with what goes on below it."""
    first = words[column][0]
    if found := property_named(first):
        return found
    ends = [*starts[1:], _LINE]
    below = (line[starts[column] : ends[column]].strip() for line in head[1:])
    word = "".join((first, *below))
    return property_named(word) or (word if word.isidentifier() else "")


def _rows(lines: Sequence[str], begin: int, table: _Table) -> tuple[list[_Row], int]:
    """The rows below a ruler, and the line after them."""
    rows: list[_Row] = []
    for at in range(begin, len(lines)):
        line = lines[at]
        if not line.strip() or len(line) > _LINE:
            return rows, at
        placed = _placed(line, table)
        if placed and all(map(may_be, table.kinds, placed)) and any(placed):
            rows.append(_Row(at, placed, placed=True))
        elif not (placed and rows and rows[-1].placed and _goes_on(rows[-1], placed, table)):
            cells = _by_words(_without(line, table.before), table)
            if cells is None:
                return rows, at
            rows.append(_Row(at, cells, placed=False))
    return rows, len(lines)


def _placed(line: str, table: _Table) -> list[str] | None:
    """What stands below each name; None where something stands across two."""
    cells = _cells(line)
    if margin(cells[: table.starts[0]]) != margin(table.before):
        return None
    if any(cells[start - 1 : start].strip(_HALF).strip() for start in table.starts[1:]):
        return None
    ends = (*table.starts[1:], len(cells))
    return [
        cells[start:end].replace(_HALF, "").strip() for start, end in zip(table.starts, ends, strict=True)
    ]


def _goes_on(row: _Row, more: Sequence[str], table: _Table) -> bool:
    """Take what a line adds to the row above it, where that can be: values that were wrapped."""
    kinds = table.kinds
    whole = [
        f"{cell} {piece}".strip() if kind == "text" else f"{cell}{piece}"
        for kind, cell, piece in zip(kinds, row.cells, more, strict=True)
    ]
    widths = [end - start - 1 for start, end in pairwise((*table.starts, _LINE))]
    full = all(
        kind != "text" or not piece or len(_cells(f"{cell} {piece.split()[0]}")) > width
        for kind, cell, piece, width in zip(kinds, row.cells, more, widths, strict=True)
    )
    if not any(more) or not full or not all(map(may_be, kinds, whole)):
        return False
    row.cells = whole
    return True


def _without(line: str, before: str) -> str:
    """The line without what stands before the table on each."""
    ahead = list(_WORD.finditer(line))[: len(before.split())]
    at = ahead[-1].end() if ahead else 0
    return line[at:] if margin(line[:at]) == margin(before) else ""


def _by_words(line: str, table: _Table) -> list[str] | None:
    """The cells of a row that does not stand below the names: its last words, by what can be a value of each."""
    count, words = table.typed, list(_WORD.finditer(line))
    texts = len(table.names) - count
    last = [word[0] for word in words[len(words) - count :]] if count else []
    sure = any(kind == "truth" for kind in table.kinds[texts:])
    fits = may_be if sure else is_one
    if not count or len(words) < count + min(texts, 1) or not all(map(fits, table.kinds[texts:], last)):
        return None
    first = line[: words[len(words) - count].start()].strip()
    parts = re.split(r"\t| {2,}", first, maxsplit=texts - 1) if texts > 1 else [first] * texts
    names = [part.strip() for part in parts] + [""] * (texts - len(parts))
    return [*names, *last]


def _run_together(line: str, rulers: Sequence[re.Match[str]]) -> Iterator[Mapping[str, str]]:
    """The rows of tables that a page has put on one line, names, ruler and all."""
    ends = [*(ruler.start() for ruler in rulers[1:]), len(line)]
    begins = [0, *(ruler.end() for ruler in rulers)]
    for ruler, begin, end in zip(rulers, begins, ends, strict=False):
        names = _names_among(line[begin : ruler.start()].split(), len(ruler[0].split()))
        if names:
            yield from _words_as_rows(line[ruler.end() : end].split(), names)


def _names_among(words: Sequence[str], count: int) -> tuple[str, ...]:
    """So many words that name columns, one after another; the last ones that do."""
    for begin in range(len(words) - count, -1, -1):
        names = tuple(property_named(word) for word in words[begin : begin + count])
        if all(names) and len(set(names)) == count:
            return names
    return ()


def _words_as_rows(words: Sequence[str], names: tuple[str, ...]) -> Iterator[Mapping[str, str]]:
    """Rows one after another: a name, and as many values as there are columns."""
    kinds = [PROPERTIES[name] for name in names]
    texts = kinds.count("text")
    if texts > 1 or kinds[:texts] != ["text"] * texts or "truth" not in kinds:
        return
    count, begin, at = len(names) - texts, 0, texts
    while at + count <= len(words):
        if all(map(may_be, kinds[texts:], words[at : at + count])) and is_one("truth", words[at]):
            name = " ".join(words[max(begin, at - _NAME) : at])
            yield _values(names, [name] * texts + list(words[at : at + count]))
            begin, at = at + count, at + count + texts
        else:
            at += 1


def _alone(line: str) -> Mapping[str, str] | None:
    """A row of Get-NetAdapterRsc's own table, whatever of it was cut away above: no other line ends in such words."""
    count = len(DEFAULT_VIEW) - 1
    words = list(_WORD.finditer(line)) if "rue" in line or "alse" in line else []
    last = words[len(words) - count :] if len(words) > count else []
    kinds = [PROPERTIES[name] for name in DEFAULT_VIEW[1:]]
    if not last or not all(is_one(kind, word[0]) for kind, word in zip(kinds, last, strict=True)):
        return None
    name = re.split(r"[|:>*\"]", line[: last[0].start()])[-1].strip()
    return _values(DEFAULT_VIEW, [name, *(word[0] for word in last)])
