"""The lines of a diff for what a step adds or changes. Pure."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from provision.runtime.masked import masked_arguments, masked_text, masked_xml

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
    """Two texts' differing lines, with some lines around each; secrets in them count, and are not told."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=around)
    marks = ("---", "+++", "@@")
    return tuple(masked_text(masked_xml(line)) for line in lines if not line.startswith(marks))


def argv_lines(argv: Argv) -> Sequence[str]:
    """A command line with each option and its value on a line, for people: without secrets."""
    lines: list[str] = []
    for word in masked_arguments(argv[1:]):
        if word.startswith("-") or not lines:
            lines.append(word)
        else:
            lines[-1] += f" {word}"
    return lines
