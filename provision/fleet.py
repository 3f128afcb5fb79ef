"""The same work on several hosts, side by side; one host's failure is not another's."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from provision.errors import RscvmError
from provision.interrupt import begin, finish, look, workers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")

_AT_ONCE = 16
"""Hosts; more wait for their turn."""
_LOOK = 0.2
"""Seconds between looks for an interruption."""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """What became of the work on one host."""

    host: str
    value: T | None = None
    error: RscvmError | None = None


def on_each(hosts: Sequence[str], work: Callable[[str], T]) -> list[Outcome[T]]:
    """Do the work on every host and tell what became of it, in the hosts' order.

    :raise KeyboardInterrupt: when one arrived; by then the work has ended on every host, and taken back what it must.
    """

    def outcome(host: str) -> Outcome[T]:
        begin()  # the thread may have worked on another host before
        try:
            look()
            return Outcome(host, work(host))
        except RscvmError as error:
            return Outcome(host, error=error)

    if len(hosts) == 1:
        return [outcome(hosts[0])]
    with workers(), ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        futures = [pool.submit(outcome, host) for host in hosts]
        # A signal that comes between the look for one and an endless wait would be seen at the wait's end only.
        while wait(futures, timeout=_LOOK).not_done:
            pass
    outcomes = [future.result() for future in futures]
    finish()
    return outcomes
