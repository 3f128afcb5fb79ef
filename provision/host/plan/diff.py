"""The lines of a diff for what a step adds or changes. Pure."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from provision.runtime.masked import masked_arguments, masked_text, masked_xml

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.runtime.command import Argv

Diff = tuple[str, ...]
_MARKS = ("---", "+++", "@@")


def added(head: str, *more: str) -> Diff:
    """Something that is not there yet, with what it will have."""
    return (f"+ {head}", *(f"+   {line}" for line in more if line))


def changed(before: str, after: str) -> Diff:
    """A state that becomes another."""
    return (f"- {before}", f"+ {after}")


def argv_diff(before: Argv, after: Argv) -> Diff:
    """Two command lines' differing options; secrets in them count, and are not told."""
    lines = difflib.unified_diff(_options(before), _options(after), lineterm="", n=0)
    return tuple(_masked_option(line) for line in lines if not line.startswith(_MARKS))


def text_diff(before: str, after: str, *, around: int = 1) -> Diff:
    """Two texts' differing lines, with some lines around each; secrets in them count, and are not told."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=around)
    return tuple(masked_text(masked_xml(line)) for line in lines if not line.startswith(_MARKS))


def argv_lines(argv: Argv) -> Sequence[str]:
    """A command line with each option and its value on a line, for people: without secrets."""
    return [_masked_option(f" {line}")[1:] for line in _options(argv)]


def _masked_option(line: str) -> str:
    """An option with its value behind a diff's sign, without a secret."""
    return line[:1] + " ".join(masked_arguments(line[1:].split(" ", 1)))


def _options(argv: Argv) -> list[str]:
    lines: list[str] = []
    for word in argv[1:]:
        if word.startswith("-") or not lines:
            lines.append(word)
        else:
            lines[-1] += f" {word}"
    return lines
