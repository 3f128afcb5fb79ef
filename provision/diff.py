"""What would change, in lines as diffs have them; and what somebody has changed in a domain by hand. Pure."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from provision.facts.domain import flat_domain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.command import Argv

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


def _same(key: str, wanted: str, there: str) -> bool:
    """Whether libvirt has kept a value; it writes a machine type's alias out in full."""
    return wanted == there or (key == "os/type@machine" and there.startswith(f"pc-{wanted}-"))


def edits(wanted_xml: str, there_xml: str) -> Diff:
    """What a domain has otherwise than it was defined with; what libvirt has added to it does not count."""
    wanted, there = flat_domain(wanted_xml), flat_domain(there_xml)
    lines: list[str] = []
    for key, value in wanted.items():
        if key not in there:
            lines.append(f"+ {key}: {value}")
        elif not _same(key, value, there[key]):
            lines += changed(f"{key}: {there[key]}", f"{key}: {value}")
    nics = {
        key.partition("@")[0] for key in there if key.startswith("devices/interface[") and "/" not in key[18:]
    }
    ours = {key.partition("@")[0] for key in wanted if key.startswith("devices/interface[")}
    return (*lines, *(f"- {nic}" for nic in sorted(nics - ours)))
