"""A command as -v shows it: a line, however long its script is."""

from __future__ import annotations

import os
import shlex
import sys
from typing import TYPE_CHECKING

from provision.runtime.masked import masked_arguments

if TYPE_CHECKING:
    from collections.abc import Iterator

    from provision.runtime.command import Argv


def traced(argv: Argv) -> str:
    """Its words without secrets, each script by what it is for; whole with RSCVM_DEBUG=1."""
    if os.environ.get("RSCVM_DEBUG") == "1":
        return f"+ {shlex.join(masked_arguments(argv))}"
    return f"+ {shlex.join(masked_arguments(map(_in_a_line, argv)))}"


def _in_a_line(word: str) -> str:
    """A script by its first line, where that is a comment, else by its name among those of its module, which is loaded."""
    first, *more = word.strip().splitlines() or [""]
    if not more:
        return word
    comment = first[2:] if first.startswith((": ", "# ")) else ""
    return f"{comment or next(_names(word), first)} …"


def _names(script: str) -> Iterator[str]:
    for module in [each for name, each in sys.modules.items() if name.startswith("provision.")]:
        known: dict[str, object] = getattr(module, "SCRIPTS", {})
        yield from (name for name, text in known.items() if text == script)
