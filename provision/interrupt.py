"""Ctrl-C, SIGTERM and SIGHUP, held off while something is half done.

A signal that arrives between a command's end and our note of it would leave a thing that nobody takes
back. So the handler raises at once only outside a shield; inside, it waits for the shield's end.
"""

from __future__ import annotations

import signal
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


@dataclass
class _State:
    depth: int = 0
    pending: bool = False
    over: bool = False


_STATE = _State()


def _arrived(_number: int, _frame: FrameType | None) -> None:
    if _STATE.over:
        return
    if _STATE.depth:
        _STATE.pending = True
        return
    raise KeyboardInterrupt


def listen() -> None:
    """Take SIGINT, SIGTERM and the terminal's end for an interruption from now on; for the command line."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _arrived)


@contextmanager
def shield() -> Iterator[None]:
    """Hold interruptions off until the end of the block; shields may nest.

    :raise KeyboardInterrupt: at the end of the outermost one, when a signal arrived within.
    """
    _STATE.depth += 1
    try:
        yield
    except BaseException as error:
        _STATE.depth -= 1
        if _arrived_meanwhile():  # an interruption comes before what failed meanwhile
            raise KeyboardInterrupt from error
        raise
    _STATE.depth -= 1
    if _arrived_meanwhile():
        raise KeyboardInterrupt


def _arrived_meanwhile() -> bool:
    arrived = not _STATE.depth and _STATE.pending and not _STATE.over
    if arrived:
        _STATE.pending = False
    return arrived


def finish() -> None:
    """The work is done and cannot be interrupted any more; what comes is only telling of it."""
    _STATE.over = True
