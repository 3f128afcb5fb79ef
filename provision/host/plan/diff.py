"""The lines of a diff for what a step adds or changes. Pure."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.runtime.command import Argv

Diff = tuple[str, ...]


def added(head: str, *more: str) -> Diff:
    """Something that is not there yet, with what it will have."""
    return (f"+ {head}", *(f"+   {line}" for line in more if line))


def changed(before: str, after: str) -> Diff:
    """A state that becomes another."""
    return (f"- {before}", f"+ {after}")


def text_diff(before: str, after: str, *, around: int = 1) -> Diff:
    """Two texts' differing lines, with some lines around each."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=around)
    marks = ("---", "+++", "@@")
    return tuple(line for line in lines if not line.startswith(marks))


def argv_lines(argv: Argv) -> Sequence[str]:
    """A command line with each option and its value on a line."""
    lines: list[str] = []
    for word in argv[1:]:
        if word.startswith("-") or not lines:
            lines.append(word)
        else:
            lines[-1] += f" {word}"
    return lines
