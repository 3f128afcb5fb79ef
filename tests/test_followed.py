"""A program that is talked with while it runs, on this machine: whole lines, bounded, and an end that it hears of."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from provision.edges.followed import FollowedProgram, followed
from provision.edges.local import LocalStream
from provision.runtime.errors import LostError
from provision.runtime.interrupt import _arrived, forget
from provision.runtime.parallel import side_by_side

LONG = 20.0


def sh(script: str, *arguments: str) -> tuple[str, ...]:
    return ("sh", "-c", script, "sh", *arguments)


def heard(program: FollowedProgram, most: int = 1000) -> Iterator[str]:
    """Line by line, until it has ended."""
    deadline = time.monotonic() + LONG
    while (lines := program.lines(1)) is not None and most:
        assert time.monotonic() < deadline
        yield from lines
        most -= bool(lines)


def test_lines_come_whole_as_they_are_said_and_it_hears_what_it_is_told() -> None:
    script = "printf 'o'; sleep 0.3; echo ne; read -r word; echo \"$word\"; echo why >&2; printf torn"
    with followed("local", LocalStream, sh(script)) as program:
        lines = heard(program)
        assert next(lines) == "one"
        program.say("two words")
        assert [*lines] == ["two words"]
        assert program.complaint == "why"


def test_at_the_end_of_the_block_its_input_ends_and_it_has_a_moment(tmp_path: Path) -> None:
    with followed("local", LocalStream, sh('cat; sleep 0.3; echo done >"$1"', str(tmp_path / "done"))):
        pass

    assert (tmp_path / "done").read_text() == "done\n"


def test_one_that_does_not_end_is_told_to_before_it_is_killed(tmp_path: Path) -> None:
    """A keeper of TAPs of which the part that reads its input was killed."""
    script = "trap 'echo done >\"$1\"; exit 0' TERM; echo begun; while sleep 0.05; do :; done"
    stream = LocalStream(sh(script, str(tmp_path / "done")))
    while b"begun" not in (stream.receive(1) or (b"",))[0]:
        pass
    assert stream.end(0) == 0

    assert (tmp_path / "done").read_text() == "done\n"


def test_that_holds_of_an_error_too(tmp_path: Path) -> None:
    with (
        suppress(RuntimeError),
        followed("local", LocalStream, sh('cat; echo done >"$1"', str(tmp_path / "done"))),
    ):
        raise RuntimeError

    assert (tmp_path / "done").read_text() == "done\n"


@pytest.fixture
def listening() -> Iterator[None]:
    """This process takes SIGINT for an interruption, as the command line does."""
    before = signal.signal(signal.SIGINT, _arrived)
    yield
    signal.signal(signal.SIGINT, before)
    forget()


@pytest.mark.usefixtures("listening")
@pytest.mark.parametrize("hosts", [("one",), ("one", "two")])
def test_an_interruption_comes_to_each_while_it_is_waited_for(tmp_path: Path, hosts: tuple[str, ...]) -> None:
    script = 'echo begun; while [ ! -e "$1" ]; do sleep 0.01; done; kill -INT "$3"; cat; echo done >"$2"'
    begun: list[str] = []

    def work(host: str) -> str:
        argv = sh(script, str(tmp_path / "go"), str(tmp_path / host), str(os.getpid()))
        with followed(host, LocalStream, argv) as program:
            try:
                for _ in heard(program):
                    begun.append(host)
                    if len(begun) == len(hosts):
                        (tmp_path / "go").touch()
            except KeyboardInterrupt:
                return "interrupted"
        return "ended"

    assert [outcome.value for outcome in side_by_side(hosts, work, whole=True)] == ["interrupted"] * len(
        hosts
    )
    assert [(tmp_path / host).read_text() for host in hosts] == ["done\n"] * len(hosts)


@pytest.mark.parametrize("script", ["printf '%05000d' 1", "printf '%05000d\\n' 1"])
def test_a_line_that_is_too_long_is_refused(script: str) -> None:
    with (
        followed("local", LocalStream, sh(f"{script}; cat")) as program,
        pytest.raises(LostError, match="more than 4096 bytes"),
    ):
        list(heard(program))


def test_of_its_complaints_the_last_are_kept() -> None:
    with followed("local", LocalStream, sh("seq 100000 >&2")) as program:
        list(heard(program))

        assert len(program.complaint) <= 4096
        assert program.complaint.endswith("\n100000")


def test_one_that_has_ended_is_told_nothing() -> None:
    with followed("local", LocalStream, sh("exec <&-; echo gone; exit 3")) as program:
        assert [*heard(program)] == ["gone"]
        with pytest.raises(LostError, match="local is gone"):
            program.say("beat")


class Gone:
    """Stands for the streams of a program whose host goes."""

    ended = False

    def send(self, data: bytes, until: str = "", seconds: float = 0) -> None:  # noqa: ARG002
        raise OSError("the line is dead")

    def receive(self, seconds: float) -> tuple[bytes, bytes] | None:  # noqa: ARG002
        raise OSError("the line is dead")

    def end(self, seconds: float) -> int:  # noqa: ARG002
        self.ended = True
        return -1

    def kill(self) -> None:
        raise AssertionError


def test_a_host_that_goes_is_lost_whatever_is_done_then() -> None:
    stream = Gone()
    with followed("hv", lambda _: stream, ("sh",)) as program:
        with pytest.raises(LostError, match="hv is gone: the line is dead"):
            program.say("beat")
        with pytest.raises(LostError, match="hv is gone: the line is dead"):
            program.lines(1)

    assert stream.ended


def test_what_is_run_is_shown_where_that_is_wished() -> None:
    shown: list[str] = []
    with followed("local", LocalStream, ("true",), shown.append):
        pass

    assert shown == ["+ true"]
