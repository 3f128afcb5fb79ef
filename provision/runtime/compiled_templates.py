"""Keeps compiled templates beside them, by the rules by which Python keeps its own modules'.

Compiling the one of a domain takes longer than all else that `render` does with it. What is kept is a program: it is
read only where nobody but root and whoever runs us can write, and it may always be missing.
"""

from __future__ import annotations

import os
import stat
import sys
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import BytecodeCache

if TYPE_CHECKING:
    from jinja2.bccache import Bucket

_PLACE = Path(__file__).parent.parent / "templates" / "__pycache__"


class CompiledTemplates(BytecodeCache):
    """Jinja2 itself tells by a checksum and by Python's version whether what is kept is the template's."""

    def __init__(self, place: Path = _PLACE) -> None:
        self._place = place

    def _path(self, bucket: Bucket) -> Path:
        """By all that the code depends on and Jinja2 does not look at."""
        environment = bucket.environment
        options = f"{bool(environment.autoescape):d}{environment.trim_blocks:d}"
        return self._place / f"{bucket.key}-{options}.jinja2-{version('jinja2')}"

    def _is_ours(self) -> bool:
        there = self._place.stat()
        return there.st_uid in {0, os.geteuid()} and not there.st_mode & (stat.S_IWGRP | stat.S_IWOTH)

    def load_bytecode(self, bucket: Bucket) -> None:
        """Hand over what is kept, if it is."""
        with suppress(OSError):
            if self._is_ours():
                with self._path(bucket).open("rb") as file:
                    bucket.load_bytecode(file)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep it where that may be; nobody ever sees a part of it."""
        if sys.dont_write_bytecode:
            return
        path = self._path(bucket)
        new = path.with_name(f"{path.name}.{os.getpid()}")
        with suppress(OSError):
            self._place.mkdir(exist_ok=True)
            if self._is_ours():
                try:
                    with new.open("xb") as file:
                        bucket.write_bytecode(file)
                    new.replace(path)
                finally:
                    new.unlink(missing_ok=True)
