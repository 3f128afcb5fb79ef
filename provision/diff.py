"""What would change, in lines as diffs have them; and what somebody has changed in a domain by hand. Pure."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from provision.facts.domain import flat_domain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

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
    """Whether libvirt has kept a value.

    It writes a machine type's alias out in full, and names the firmware that it was left to choose: when the domain
    starts, and since some version when it is defined.
    """
    if key == "os/loader":
        return wanted in ("", there)
    return wanted == there or (key == "os/type@machine" and there.startswith(f"pc-{wanted}-"))


_CARRIERS = ("disk", "filesystem", "hostdev", "interface", "shmem", "vsock")
"""Devices that libvirt never adds by itself, and that take something in or out."""
_LIBVIRTS = re.compile(r"/(address|alias|backend|source|target)\b")
"""What libvirt adds to an interface."""


def _is_foreign(path: str) -> bool:
    """Whether something that a domain has and we did not ask for is somebody's doing, and not libvirt's own."""
    if path.startswith("qemu:"):
        return True
    inside = re.match(r"devices/([a-z]+)(\[[^]]*\])?(.*)", path)
    if inside is None:
        return False
    tag, more = inside[1], inside[3]
    return (tag == "interface" and not _LIBVIRTS.match(more)) or (tag in _CARRIERS and more in ("", "@type"))


def _topmost(paths: Iterable[str]) -> Iterator[str]:
    """Paths without those that lie within another of them."""
    within = ""
    for path in sorted(paths):
        if not within or not path.startswith((f"{within}/", f"{within}@")):
            within = path
            yield path


def _line(sign: str, path: str, values: Mapping[str, str]) -> str:
    return f"{sign} {path}: {values[path]}" if values[path] else f"{sign} {path}"


def edits(wanted_xml: str, there_xml: str) -> Diff:
    """What a domain has otherwise than it was defined with; what libvirt has added to it does not count."""
    wanted, there = flat_domain(wanted_xml), flat_domain(there_xml)
    lines = [_line("+", path, wanted) for path in _topmost(wanted.keys() - there.keys())]
    for path, value in wanted.items():
        if path in there and not _same(path, value, there[path]):
            lines += changed(f"{path}: {there[path]}", f"{path}: {value}")
    foreign = filter(_is_foreign, there.keys() - wanted.keys())
    return (*lines, *(_line("-", path, there) for path in _topmost(foreign)))
