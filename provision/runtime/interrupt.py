"""Ctrl-C, SIGTERM and SIGHUP, held off while something is half done.

A signal that arrives between a command's end and our note of it would leave a thing that nobody takes
back. So the handler raises at once only outside a shield; inside, it waits for the shield's end. Signals
reach the main thread only: while it waits for workers, each of them is told at its next look.
"""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType


@dataclass
class _State:
    asked: bool = False
    """Whether somebody has asked us to end."""
    workers: bool = False
    """Whether the work is done by other threads than the main one."""
    tell: Callable[[], object] = lambda: None


class _Own(threading.local):
    """Of one thread."""

    depth = 0
    told = False
    over = False


_STATE = _State()
_OWN = _Own()


def _arrived(_number: int, _frame: FrameType | None) -> None:
    if _OWN.over:
        return
    if (_OWN.depth or _STATE.workers) and not _STATE.asked:
        _STATE.tell()
    _STATE.asked = True
    if not _STATE.workers:
        look()


def listen(tell: Callable[[], object]) -> None:
    """Take SIGINT, SIGTERM and the terminal's end for an interruption from now on; for the command line.

    `tell` is called, in a signal handler, when one comes that has to wait.
    """
    _STATE.tell = tell
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if (
            number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN
        ):  # nohup is to outlive the terminal
            signal.signal(number, _arrived)


def interrupt() -> None:
    """Ask this process to end, as Ctrl-C does; from any thread."""
    os.kill(os.getpid(), signal.SIGINT)


def look() -> None:
    """Tell this thread that it is to end, once, unless it is behind a shield or has finished.

    :raise KeyboardInterrupt: then.
    """
    if _STATE.asked and not (_OWN.depth or _OWN.told or _OWN.over):
        _OWN.told = True
        raise KeyboardInterrupt


def told() -> bool:
    """Whether this thread has been told to end: a library may have made another error of that (pydantic's core does)."""
    return _OWN.told


@contextmanager
def shield() -> Iterator[None]:
    """Hold interruptions off until the end of the block; shields may nest.

    :raise KeyboardInterrupt: at the end of the outermost one, when a signal arrived within.
    """
    _OWN.depth += 1
    try:
        yield
    except BaseException as error:
        _OWN.depth -= 1
        try:
            look()
        except KeyboardInterrupt as interrupt:  # it comes before what failed meanwhile
            raise interrupt from error
        raise
    _OWN.depth -= 1
    look()


@contextmanager
def workers() -> Iterator[None]:
    """Leave interruptions to other threads for the block, in which the main thread only waits for them.

    :raise KeyboardInterrupt: at its end, when one arrived meanwhile.
    """
    _STATE.workers = True
    try:
        yield
    finally:
        _STATE.workers = False
    look()


def finish() -> None:
    """This thread's work is done and cannot be interrupted any more; what comes is only telling of it."""
    _OWN.over = True


def begin() -> None:
    """This thread begins a piece of work, which can be interrupted whatever became of the one before."""
    _OWN.told = _OWN.over = False


def forget() -> None:
    """Nobody has asked us to end; for tests, which are many commands in one process."""
    _STATE.asked = False
    begin()
