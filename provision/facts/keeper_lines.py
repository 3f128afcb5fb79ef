"""What the keeper of TAPs on a host says, a line at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from provision.runtime.errors import UnreadableError

OfTap = Literal["there", "gone", "kept", "off", "failed", "back", "stuck"]
"""It is there and not known to be ours; it has gone, or is not there; it is kept now; `tx` was switched off again, or
could not be; at the end, it was switched on again, or could not be."""
OfKeeper = Literal["listening", "here", "busy", "loose", "lacks", "silence", "deaf", "done"]
"""It listens; it answers a word; somebody else's runs; what lies beside its file is not believed; a program is missing; it has given us up;
`ip` does not listen, or does no longer; all that can be has been put back."""

_OF_TAP: tuple[OfTap, ...] = get_args(OfTap)
_OF_KEEPER: tuple[OfKeeper, ...] = get_args(OfKeeper)
_WITH_INDEX = 2
_DIGITS = 10
"""Of an ifindex, an int of the kernel's."""


@dataclass(frozen=True, slots=True)
class KeeperLine:
    """One thing that a keeper says."""

    what: OfTap | OfKeeper
    tap: str = ""
    index: int = 0
    """The TAP's ifindex; 0 where there is none."""
    words: str = ""
    """Somebody's own."""


def parse_keeper_line(line: str) -> KeeperLine:
    """Read one line.

    :raise UnreadableError: when it is none of a keeper's.
    """
    first, *more = line.split(" ")
    for keepers in _OF_KEEPER:
        if first == keepers:
            return KeeperLine(keepers, words=" ".join(more))
    for what in _OF_TAP:
        if first != what or not more or not more[0]:
            continue
        if what == "gone":
            return KeeperLine(what, more[0])
        if len(more) >= _WITH_INDEX and more[1].isascii() and more[1].isdecimal() and len(more[1]) <= _DIGITS:
            return KeeperLine(what, more[0], int(more[1]), " ".join(more[2:]))
    raise UnreadableError("what the keeper of TAPs says", line)
