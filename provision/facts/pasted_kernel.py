"""Finds the release of a kernel in text that somebody pasted: the answer of `uname -a`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_UNAME = re.compile(
    r"(?:^|\s)Linux \S{1,64} (?P<release>[0-9]{1,4}\.[0-9]{1,4}\.[0-9A-Za-z][\w.+~-]{0,64}) #[0-9]"
)


def pasted_kernel(lines: Iterable[str]) -> str:
    """The release, where the lines have that of one kernel; empty where they have none, or several."""
    found = {uname["release"] for line in lines if (uname := _UNAME.search(line))}
    return found.pop() if len(found) == 1 else ""
