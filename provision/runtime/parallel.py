"""The same work on several hosts or machines, side by side; the failure of one is not another's."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from provision.runtime.deadline import Deadline, limited, own_limit
from provision.runtime.errors import RscvmError, UnforeseenError
from provision.runtime.interrupt import begin, finish, look, told, workers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")

_AT_ONCE = 16
"""Hosts; more wait for their turn."""
_LOOK = 0.2
"""Seconds between looks for an interruption."""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """What became of the work on one host, or one machine."""

    host: str
    value: T | None = None
    error: RscvmError | None = None


def on_each(hosts: Sequence[str], work: Callable[[str], T]) -> list[Outcome[T]]:
    """Do the work on every host and tell what became of it, in the hosts' order; it cannot be interrupted any more then.

    :raise KeyboardInterrupt: when one arrived; by then the work has ended on every host, and taken back what it must.
    """
    return side_by_side(hosts, work, whole=True)


def side_by_side(
    names: Sequence[str],
    work: Callable[[str], T],
    *,
    at_once: int = _AT_ONCE,
    whole: bool = False,
    seconds: float | None = None,
) -> list[Outcome[T]]:
    """Do a piece of the work on every host, or machine, and tell what became of it, in the names' order.

    Where that is the `whole` of the work, an interruption that comes when all of it stands is none. Whatever one
    host or machine leads our code to, the others' outcomes come; it has so many `seconds`, or what the work has of
    which this is a piece.

    :raise KeyboardInterrupt: when one arrived; by then the work has ended everywhere.
    """
    outer = own_limit()

    def outcome(name: str) -> Outcome[T]:
        return _outcome(name, work, outer if seconds is None else Deadline(seconds))

    if len(names) == 1:
        return [outcome(names[0])]
    with workers(), ThreadPoolExecutor(max_workers=at_once) as pool:
        futures = [pool.submit(outcome, name) for name in names]
        # A signal that comes between the look for one and an endless wait would be seen at the wait's end only.
        while wait(futures, timeout=_LOOK).not_done:
            pass
        if whole and not any(future.exception() or future.result().error for future in futures):
            finish()
    if whole:
        finish()
    return [future.result() for future in futures]


def _outcome(name: str, work: Callable[[str], T], limit: Deadline | None) -> Outcome[T]:
    begin()  # the thread may have worked on another host before
    try:
        look()
        with limited(limit):
            return Outcome(name, work(name))
    except RscvmError as error:
        return Outcome(name, error=error)
    except Exception as error:
        if told():  # a library has made another error of the interruption
            raise
        return Outcome(name, error=UnforeseenError(error))


def foreseen(outcome: Outcome[T], instead: Callable[[UnforeseenError], T]) -> T:
    """What the work came to; what nobody foresaw of one machine stands for that machine alone.

    :raise RscvmError: any other error of the work.
    """
    if isinstance(outcome.error, UnforeseenError):
        return instead(outcome.error)
    if outcome.error is not None:
        raise outcome.error
    return cast("T", outcome.value)
