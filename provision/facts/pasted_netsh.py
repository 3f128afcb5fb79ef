"""Finds in pasted `netsh int tcp show global`, in whatever language, whether RSC is on for all of a Windows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from provision.tables.netsh_labels import NETSH_LABELS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_STATES = {"enabled": True, "disabled": False}
_VALUE = r"\s{0,60}:\s{0,20}(?P<value>[^\s:]{1,40})"
_KNOWN = re.compile(f"(?:{'|'.join(re.escape(row.label) for row in NETSH_LABELS)}){_VALUE}", re.IGNORECASE)
_LINE = re.compile(rf"(?P<label>[^:]{{2,80}}?){_VALUE}\s*$")
_LONGEST = 300
"""Characters of a line of netsh's, with what stands before it."""
_NEAR = 4
"""Lines within which the next one is, also where a page has put blank ones between."""


@dataclass(frozen=True, slots=True)
class NetshGlobal:
    """What one place of a text says."""

    at: int
    """In which line."""
    rsc: bool | None
    """None where its lines are there, and which of them is RSC's, or what it says, cannot be told."""


def netsh_globals(lines: Sequence[str]) -> Iterator[NetshGlobal]:
    """What each output of netsh says of RSC: by a label that is known, or else by its place."""
    told = {
        at: _STATES[value]
        for at, line in enumerate(lines)
        for found in _KNOWN.finditer(line)
        if (value := found["value"].casefold()) in _STATES
    }
    yield from (NetshGlobal(at, state) for at, state in told.items())
    for at, state in _placed(lines):
        if not any(line in told for line in range(at, at + _NEAR + 1)):
            yield NetshGlobal(at, state)


def _placed(lines: Sequence[str]) -> Iterator[tuple[int, bool | None]]:
    """Where each initial RTO is, and what the line after it says, if it is the one before SACK's.

    So RSC's is in the four languages whose output is known (tables/netsh_labels.py), and all of them keep RTO, SACK and 1323.
    Whatever differs from that cannot be told.
    """
    said = [
        (at, found)
        for at, line in enumerate(lines)
        if ":" in line and len(line) <= _LONGEST and (found := _LINE.search(line))
    ]
    for place, ((before, stamps), (at, rto)) in enumerate(pairwise(said), 1):
        if "RTO" not in rto["label"] or not rto["value"].isdecimal() or at - before > _NEAR:
            continue
        after = [found for line, found in said[place + 1 : place + 3] if line - at <= 2 * _NEAR]
        if len(after) == len(("RSC", "SACK")) and "sack" in after[1]["label"].casefold():
            yield at, _STATES.get(after[0]["value"].casefold())
        elif "1323" in stamps["label"]:
            yield at, None
