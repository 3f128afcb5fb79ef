"""Batches over a connection that runs one command at a time: one command each, or less."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from provision.edges.relayed.batch import BatchStream, JoinedBatches
from provision.edges.relayed.pump import Executed
from provision.edges.shell import ShellHost
from provision.runtime.command import Result, Run, shell
from provision.runtime.deadline import Deadline, wait_for
from provision.runtime.errors import DeadlineError, HostError, LostError
from tests.connection import Here


@pytest.fixture
def here() -> Here:
    return Here()


@pytest.fixture
def host(here: Here) -> ShellHost:
    return ShellHost("there", lambda _: BatchStream("there", here))


def test_a_batch_is_one_command_whatever_it_does(host: ShellHost, here: Here) -> None:
    fed = "fed\n'\"$x"
    done = host.run_all(
        [Run(("cat",), fed), Run(("false",)), Run(("no-such-program",)), shell("echo no >&2; exit 7")]
    )
    again = host.run(("printf", "x\\377"))
    host.close()

    assert [(r.status, r.out) for r in done] == [(0, fed), (1, ""), (127, ""), (7, "")]
    assert (done[3].err, again.out, here.count) == ("no\n", "x\ufffd", 2)


def test_none_runs_after_the_first_that_fails_where_that_is_asked(host: ShellHost) -> None:
    done = host.run_all([Run(("true",)), Run(("false",)), Run(("echo", "no"))], until_failure=True)

    assert [result.status for result in done] == [0, 1]


def test_what_hangs_is_ended_there_and_what_came_before_it_is_known(host: ShellHost) -> None:
    with pytest.raises(DeadlineError, match="sleep on there did not end within 1 s") as failure:
        host.run_all([Run(("echo", "known")), Run(("sleep", "61.0625"))], timeout=1)

    assert [getattr(result, "out", None) for result in failure.value.known] == ["known\n"]
    assert host.run(("pgrep", "-fx", "sleep 61.0625")).status == 1
    assert host.run(("echo", "on")).out == "on\n"


def test_a_line_that_is_cut_is_a_host_that_is_gone(host: ShellHost, here: Here) -> None:
    here.cut = True

    with pytest.raises(LostError, match="there is gone: the line is cut"):
        host.run(("true",))


class Refusing(Here):
    def execute(self, script: str, arguments: tuple[str, ...], stdin: bytes) -> Executed:
        assert script
        return super().execute("echo 'sudo: 1 incorrect password attempt' >&2; exit 1", arguments, stdin)


def test_who_is_let_run_nothing_is_told_so() -> None:
    host = ShellHost("there", lambda _: BatchStream("there", Refusing()))
    with pytest.raises(HostError, match="there does not let us run commands: sudo: 1 incorrect password"):
        host.run(("true",))


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as made:
        yield made


def test_what_is_asked_while_a_batch_is_under_way_goes_with_the_next(
    host: ShellHost, here: Here, pool: ThreadPoolExecutor
) -> None:
    joined = JoinedBatches(host)
    here.gate.clear()
    first = pool.submit(joined.ask, [Run(("echo", "0"))], 20)
    wait_for(lambda: here.count == 1, Deadline(20), "the first batch")
    others = [pool.submit(joined.ask, [Run(("echo", str(i))), Run(("false",))], 20) for i in range(1, 7)]
    wait_for(lambda: len(joined._waiting) == 6, Deadline(20), "the others")
    here.gate.set()

    assert [(r.out, r.status) for r in first.result()] == [("0\n", 0)]
    for number, other in enumerate(others, 1):
        assert [(r.out, r.status) for r in other.result()] == [(f"{number}\n", 0), ("", 1)]
    assert here.count == 2


class Failing:
    name = "there"
    first = threading.Event()
    go = threading.Event()

    def run_all(self, runs: list[Run], **_: object) -> list[Result]:
        if runs[0].argv == ("good",):
            self.first.set()
            assert self.go.wait(20)
            return [Result("there", run.argv, 0, "fine", "") for run in runs]
        raise LostError("there is gone")


def test_an_error_is_everybodys_whose_batch_it_was_and_nobody_elses(pool: ThreadPoolExecutor) -> None:
    host = Failing()
    joined = JoinedBatches(host)  # type: ignore[arg-type]
    good = pool.submit(joined.ask, [Run(("good",))], 20)
    assert host.first.wait(20)
    bad = [pool.submit(joined.ask, [Run(("bad",))], 20) for _ in range(3)]
    wait_for(lambda: len(joined._waiting) == 3, Deadline(20), "the others")
    host.go.set()

    assert good.result()[0].out == "fine"
    for each in bad:
        with pytest.raises(LostError):
            each.result()
