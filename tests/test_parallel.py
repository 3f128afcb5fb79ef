"""Several hosts side by side: each has its own outcome, and an interruption reaches them all."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from provision.runtime.deadline import Deadline, wait_for
from provision.runtime.errors import HostError
from provision.runtime.interrupt import finish, listen, shield
from provision.runtime.parallel import on_each

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture
def told() -> Iterator[list[str]]:
    """Handlers as the command line has them, for the time of the test; what it is told meanwhile."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    said: list[str] = []
    listen(lambda: said.append("interrupted"))
    yield said
    for number, handler in before.items():
        signal.signal(number, handler)


def test_outcomes_come_in_the_hosts_order_and_one_failure_is_nobody_elses() -> None:
    def work(host: str) -> str:
        if host == "bad":
            raise HostError("out of order")
        return host.upper()

    outcomes = on_each(["one", "bad", "two"], work)

    assert [(outcome.host, outcome.value) for outcome in outcomes] == [
        ("one", "ONE"), ("bad", None), ("two", "TWO")]  # fmt: skip
    assert str(outcomes[1].error) == "out of order"


def test_hosts_are_worked_on_side_by_side() -> None:
    together = threading.Barrier(3, timeout=30)

    assert [outcome.value for outcome in on_each(["a", "b", "c"], lambda _: together.wait() >= 0)] == [
        True
    ] * 3


def test_an_interruption_reaches_every_host_which_takes_back_what_it_did(told: list[str]) -> None:
    waiting, taken_back = threading.Barrier(3, timeout=30), list[str]()

    def work(host: str) -> None:
        try:
            waiting.wait()
            wait_for(lambda: None, Deadline(30), "what never comes")
        except KeyboardInterrupt:
            with shield():
                taken_back.append(host)
            raise

    def interrupt() -> None:
        waiting.wait()
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        on_each(["a", "b"], work)

    assert sorted(taken_back) == ["a", "b"]
    assert told == ["interrupted"]


def test_work_that_is_done_on_every_host_is_not_interrupted_any_more(told: list[str]) -> None:
    on_each(["a", "b"], str)

    os.kill(os.getpid(), signal.SIGINT)

    assert told == []


def test_an_interruption_that_comes_when_all_of_the_work_stands_is_none(told: list[str]) -> None:
    """The last of the workers has ended, and the main thread has not yet looked."""

    def work(host: str) -> str:
        finish()
        if host == "b":
            os.kill(os.getpid(), signal.SIGINT)
        return host

    outcomes = on_each(["a", "b"], work)

    assert [outcome.value for outcome in outcomes] == ["a", "b"]
    assert told == ["interrupted"]


def test_an_interruption_is_one_where_a_host_has_failed(told: list[str]) -> None:
    def work(host: str) -> str:
        if host == "b":
            os.kill(os.getpid(), signal.SIGINT)
            raise HostError("no such luck")
        finish()
        return host

    with pytest.raises(KeyboardInterrupt):
        on_each(["a", "b"], work)
    assert told == ["interrupted"]
