"""Several hosts side by side: each has its own outcome, and an interruption reaches them all."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from provision.edges.local import LocalStream, local_host
from provision.edges.shell import ShellHost
from provision.runtime.command import Argv
from provision.runtime.deadline import Deadline, wait_for, within_limit
from provision.runtime.errors import DeadlineError, HostError, UnforeseenError
from provision.runtime.interrupt import finish, listen, shield
from provision.runtime.parallel import on_each, side_by_side

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


def test_what_nohup_has_ignored_stays_ignored(interruptible: None) -> None:  # noqa: ARG001
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    listen(lambda: None)

    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    assert signal.getsignal(signal.SIGTERM) != signal.SIG_DFL


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


def test_what_nobody_foresaw_on_one_host_is_that_hosts_own_error() -> None:
    def work(host: str) -> int:
        return [1][len(host) - 1]

    evil, well = side_by_side(["evil", "w"], work)

    assert well.value == 1
    assert isinstance(evil.error, UnforeseenError)
    assert str(evil.error) == "internal error: IndexError: list index out of range"
    assert isinstance(evil.error.__cause__, IndexError)


def test_a_host_that_says_nothing_costs_its_own_time_and_not_each_questions() -> None:
    liar = (sys.executable, str(Path(__file__).parent / "hostile_shell.py"), "silent")
    started: list[str] = []

    def start(_: Argv) -> LocalStream:
        started.append("a shell")
        return LocalStream(liar)

    hosts = {"evil": ShellHost("evil", start), "well": local_host()}

    def work(host: str) -> str:
        try:
            hosts[host].run(("true",))
        except HostError as error:
            with pytest.raises(DeadlineError, match="its answers take more than 1 s in all"):
                hosts[host].run(("true",))
            return str(error)
        return "well"

    evil, well = side_by_side(list(hosts), work, seconds=1)

    assert well.value == "well"
    assert evil.value is not None
    assert evil.value.startswith("true on evil did not end within ")
    assert len(started) == 1, "none is begun when its time is over"
    for host in hosts.values():
        host.close()


def test_an_interruption_ends_the_wait_for_a_host_that_says_nothing(told: list[str]) -> None:
    liar = (sys.executable, str(Path(__file__).parent / "hostile_shell.py"), "silent")
    hosts = {name: ShellHost(name, lambda _: LocalStream(liar)) for name in ("a", "b")}
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()

    with pytest.raises(KeyboardInterrupt):
        side_by_side(list(hosts), lambda host: hosts[host].run(("true",), timeout=600))

    assert told == ["interrupted"]
    for host in hosts.values():
        host.close()


def test_pieces_of_a_hosts_work_have_what_is_left_of_its_time() -> None:
    def work(_: str) -> list[float]:
        return [outcome.value or 0 for outcome in side_by_side(["a", "b"], lambda _: within_limit(60))]

    [outcome] = side_by_side(["host"], work, seconds=5)

    assert outcome.value is not None
    assert all(0 < seconds <= 5 for seconds in outcome.value)
