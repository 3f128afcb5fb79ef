"""One shell for many commands, on this machine: answers are whole, and each is its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provision.edges.local import LocalStream, local_host
from provision.edges.shell import ShellHost
from provision.host.apply.lock import LockError, locked
from provision.host.plan.commands import tolerant
from provision.lab.paths import LabPaths
from provision.runtime.command import Run
from provision.runtime.deadline import Deadline, wait_for
from provision.runtime.errors import CommandError, DeadlineError, LostError

LIAR = Path(__file__).parent / "hostile_shell.py"
TEXT = st.characters(codec="utf-8", exclude_characters="\0")


@pytest.fixture
def host() -> Iterator[ShellHost]:
    found = local_host()
    yield found
    found.close()


def sh(script: str, *arguments: str) -> Run:
    return Run(("sh", "-c", script, "sh", *arguments))


def command_line(pid: str) -> bytes:
    """Empty where the process has ended, also while nobody has taken note of that."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def test_each_answer_has_its_own_status_and_streams(host: ShellHost) -> None:
    runs = [sh("echo a; echo b >&2; exit 3"), Run(("cat",), "fed"), sh("cat"), Run(("no-such-program",))]

    results = host.run_all(runs)

    assert [(r.status, r.out, r.err) for r in results[:3]] == [(3, "a\n", "b\n"), (0, "fed", ""), (0, "", "")]
    assert results[3].status == 127
    with pytest.raises(CommandError, match="no-such-program not found on local"):
        results[3].check()


def test_a_program_that_a_script_misses_is_not_taken_for_the_shell(host: ShellHost) -> None:
    with pytest.raises(CommandError, match="missing-here: not found"):
        host.run(("sh", "-c", "missing-here")).check()


def test_a_status_that_tells_nothing_is_told_from_a_program_that_did_not_run(host: ShellHost) -> None:
    ways = (("true",), ("false",), ("no-such-program",), ("sh", "-c", "kill -9 $$"))

    assert [host.run(tolerant(*argv).argv).ok for argv in ways] == [True, True, False, False]
    with pytest.raises(CommandError, match="no-such-program: not found"):
        host.run(tolerant("no-such-program").argv).check()


def test_until_failure_leaves_the_rest_alone(host: ShellHost, tmp_path: Path) -> None:
    made = tmp_path / "made"

    results = host.run_all([Run(("true",)), Run(("false",)), Run(("touch", str(made)))], until_failure=True)

    assert [r.status for r in results] == [0, 1]
    assert not made.exists()


@settings(max_examples=60)
@given(
    words=st.lists(st.text(TEXT, max_size=30), max_size=4),
    fed=st.text(TEXT, max_size=200),
)
def test_words_and_input_arrive_as_they_are(words: list[str], fed: str) -> None:
    host = local_host()
    try:
        argv, cat = host.run_all([sh(r'for w do printf "%s\0" "$w"; done', *words), Run(("cat",), fed)])
    finally:
        host.close()

    assert argv.out.split("\0")[:-1] == words
    assert cat.out == fed


def test_much_output_on_both_streams_comes_whole(host: ShellHost) -> None:
    (result,) = host.run_all([sh("seq 200000; seq 200000 >&2")])

    assert result.out == result.err == "".join(f"{n}\n" for n in range(1, 200_001))


def test_binary_output_does_not_break_the_frames(host: ShellHost) -> None:
    first, second = host.run_all(
        [sh(r"head -c 100000 /dev/urandom; printf '\0\377\n\n'"), Run(("echo", "next"))]
    )

    assert len(first.out) > 30_000
    assert second.out == "next\n"


def test_what_takes_too_long_is_ended_with_all_it_started_and_the_next_batch_works(
    host: ShellHost, tmp_path: Path
) -> None:
    pid = tmp_path / "pid"

    with pytest.raises(DeadlineError, match="sh on local did not end") as caught:
        host.run_all([Run(("echo", "known")), sh('sleep 600 & echo $! >"$1"; wait', str(pid))], timeout=0.5)

    assert [getattr(result, "out", None) for result in caught.value.known] == ["known\n"]
    assert host.run(("echo", "again")).out == "again\n"
    wait_for(lambda: not command_line(pid.read_text().strip()), Deadline(30), "the end of what it started")


def test_a_shell_that_is_killed_is_a_lost_host_and_what_was_known_is_told(host: ShellHost) -> None:
    with pytest.raises(LostError, match="killed what ran our commands") as caught:
        host.run_all(
            [Run(("echo", "known")), Run(("nice", "sh", "-c", "kill -9 $PPID")), Run(("echo", "never"))]
        )

    assert [getattr(result, "out", None) for result in caught.value.known] == ["known\n"]
    assert host.run(("echo", "again")).out == "again\n"


def test_who_says_too_much_is_ended_and_what_was_known_is_told(host: ShellHost) -> None:
    with pytest.raises(
        LostError, match="yes on local: it and what came before it put out more than 64 MiB"
    ) as caught:
        host.run_all([Run(("echo", "known")), Run(("yes",)), Run(("echo", "never"))])

    assert [getattr(result, "out", None) for result in caught.value.known] == ["known\n"]
    assert host.run(("echo", "again")).out == "again\n"


def test_what_is_held_is_let_go_after_the_last_command(host: ShellHost, tmp_path: Path) -> None:
    done = tmp_path / "done"

    with host.hold(("sh", "-c", 'echo held; sh; touch "$1"', "sh", str(done))) as answer:
        assert answer.ok
        assert host.run(("echo", "inside")).out == "inside\n"
        assert not done.exists()

    assert done.exists()
    assert host.run(("echo", "outside")).out == "outside\n"


def test_a_holder_that_fails_says_why(host: ShellHost) -> None:
    with host.hold(("sh", "-c", "echo busy; echo trouble >&2; exit 75")) as answer:
        assert (answer.status, answer.out, answer.err) == (75, "busy\n", "trouble\n")


class Silent:
    """Stands for the streams of a program that says nothing, or whose host goes."""

    def __init__(self, *, gone: bool) -> None:
        self.gone, self.killed = gone, False

    def send(self, data: bytes, until: str = "", seconds: float = 0) -> None:  # noqa: ARG002
        raise AssertionError(data)

    def receive(self, seconds: float) -> tuple[bytes, bytes] | None:  # noqa: ARG002
        if self.gone:
            raise OSError("the line is dead")
        return b"", b""

    def end(self, seconds: float) -> int:
        raise AssertionError(seconds)

    def kill(self) -> None:
        self.killed = True


@pytest.mark.parametrize(
    ("gone", "words"), [(True, "hv is gone: the line is dead"), (False, "hv said nothing of its lock")]
)
def test_a_holder_that_says_nothing_is_ended(words: str, *, gone: bool) -> None:
    stream = Silent(gone=gone)

    with (
        pytest.raises(LostError, match=words),
        ShellHost("hv", lambda _: stream, patience=0.01).hold(("hold",)),
    ):
        pass

    assert stream.killed


def test_a_host_without_flock_is_told_so_and_nothing_is_left_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: ShellHost
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for program in ("sh", "mkdir", "rm", "rmdir", "env"):
        (programs / program).symlink_to(f"/bin/{program}" if program != "env" else "/usr/bin/env")
    monkeypatch.setenv("PATH", str(programs))

    with pytest.raises(LockError) as caught, locked(host, LabPaths(str(tmp_path / "state"), "lab"), "me"):
        pass

    assert str(caught.value) == "flock not found on local"
    assert "util-linux" in caught.value.hint
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("lie", ["word", "digits", "bytes"])
def test_who_tells_no_exit_status_is_no_shell_of_ours(lie: str) -> None:
    host = ShellHost("hv", lambda _: LocalStream((sys.executable, str(LIAR), lie)))

    with pytest.raises(LostError, match="hv is gone: its shell told no exit status, but ") as caught:
        host.run(("true",))

    assert len(str(caught.value)) < 200
    host.close()


def test_what_all_commands_of_a_batch_put_out_together_is_bounded(host: ShellHost) -> None:
    piece = Run(("head", "-c", str(20 << 20), "/dev/zero"))

    with pytest.raises(LostError, match="more than 64 MiB") as caught:
        host.run_all([piece] * 4)

    assert len(caught.value.known) == 3
    assert [len(each.out) for each in host.run_all([piece] * 3)] == [20 << 20] * 3


def test_words_of_a_command_that_failed_are_few_and_start_no_line_of_ours(host: ShellHost) -> None:
    evil = (
        r"printf 'x\nrscvm: all is ready\n%s\nhint: rm\n' $(head -c 90000 /dev/zero | tr '\0' x) >&2; exit 1"
    )

    with pytest.raises(CommandError) as caught:
        host.run(("sh", "-c", evil)).check()

    _, *more = str(caught.value).split("\n")
    assert len(str(caught.value)) < 4000
    assert more
    assert all(line.startswith("  ") for line in more)
