"""Parses systemd .link files, and a NIC's permanent address (`ethtool -P`)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from provision.runtime.errors import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Iterator

LinkOptions = tuple[tuple[str, str], ...]
"""Options of a `[Link]` section and their values, in order; one that takes a list may stand more than once."""

_SECTION = re.compile(r"\[([^\[\]]+)\]")
_OPTION = re.compile(r"([A-Za-z0-9-]+)[ \t]*=[ \t]*([^\r\n]*)")
_PERMANENT = re.compile(r"Permanent address: (?:not set|((?:[0-9a-f]{2}:){5}[0-9a-f]{2}))\n")


def _whole_lines(text: str) -> Iterator[str]:
    """Lines without comments, each with those that a backslash at its end joins to it."""
    begun = ""
    for line in map(str.strip, text.split("\n")):
        if line.startswith(("#", ";")):
            continue
        begun += line
        if begun.endswith("\\"):
            begun = f"{begun[:-1]} "
        else:
            yield begun
            begun = ""
    yield begun


def parse_link_options(text: str) -> LinkOptions:
    """The `[Link]` section of a .link file, with that of its drop-ins where they follow it in the text.

    :raise UnreadableError: when the text is no such file (systemd.syntax(7)).
    """
    found: list[tuple[str, str]] = []
    section = ""
    for line in filter(None, _whole_lines(text)):
        if head := _SECTION.fullmatch(line):
            section = head[1]
        elif (option := _OPTION.fullmatch(line)) and section:
            if section == "Link":
                found.append((option[1], option[2]))
        else:
            raise UnreadableError("a .link file", text)
    if not section:
        raise UnreadableError("a .link file", text)
    return tuple(found)


def parse_permanent_mac(text: str) -> str:
    """The address that `ethtool -P DEV` says a NIC was made with; empty where it has none.

    :raise UnreadableError: when the text is anything else.
    """
    said = _PERMANENT.fullmatch(text)
    if said is None:
        raise UnreadableError("ethtool's permanent address", text)
    return said[1] or ""
