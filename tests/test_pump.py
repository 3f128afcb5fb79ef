"""A program that is kept running by commands of their own, in a real shell here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from provision.edges.relayed.pump import Pump
from provision.edges.shell import ShellHost
from provision.runtime.command import HELD, Run, shell
from provision.runtime.deadline import Deadline, wait_for
from provision.runtime.errors import DeadlineError, LostError
from tests.connection import Here


@pytest.fixture
def here() -> Here:
    return Here()


@pytest.fixture
def host(here: Here, tmp_path: Path) -> Iterator[ShellHost]:
    """A host over that connection; nothing of it is left at the end."""
    host = ShellHost("there", lambda argv: Pump(here, argv, str(tmp_path), kept=2))
    yield host
    host.close()
    assert here.was_cut or [*tmp_path.iterdir()] == []
    wait_for(lambda: not [*tmp_path.iterdir()], Deadline(30), "what was left to end by itself")


def test_a_batch_is_one_command_whatever_it_does(host: ShellHost, here: Here) -> None:
    runs = [
        Run(("printf", "a\\n")),
        Run(("false",)),
        Run(("cat",), "fed\n'\"$x"),
        Run(("no-such-program",)),
        shell("echo no >&2; exit 7"),
    ]

    first = host.run_all(runs)
    then = host.run_all([shell("sleep 1; echo late")])

    assert [(done.status, done.out) for done in first] == [
        (0, "a\n"),
        (1, ""),
        (0, "fed\n'\"$x"),
        (127, ""),
        (7, ""),
    ]
    assert first[-1].err == "no\n"
    assert then[0].out == "late\n"
    assert here.count == 2


def test_a_batch_ends_at_its_first_failure_where_that_is_asked(host: ShellHost) -> None:
    done = host.run_all([Run(("true",)), Run(("false",)), Run(("true",))], until_failure=True)

    assert [each.status for each in done] == [0, 1]
    assert host.run(("echo", "on")).out == "on\n"


def test_much_comes_whole(host: ShellHost) -> None:
    big = "".join(f"{number}\n" for number in range(60_000))

    assert host.run(("cat",), stdin=big).out == big


def test_what_holds_something_holds_it_over_several_commands(host: ShellHost, tmp_path: Path) -> None:
    lock = tmp_path.parent / f"{tmp_path.name}.lock"
    script = f'exec 9>>"$1"; flock -n 9 || exit 75; echo {HELD}; sh 9>&-; echo gone >"$1"'

    with host.hold(shell(script, str(lock)).argv) as held:
        assert held.ok
        assert host.run(("flock", "-n", str(lock), "true")).status == 1
        assert host.run(("echo", "within")).out == "within\n"
    assert host.run(("flock", "-n", str(lock), "true")).status == 0
    assert lock.read_text() == "gone\n"


def test_what_cannot_be_held_says_why(host: ShellHost) -> None:
    with host.hold(shell("echo others >&2; exit 75").argv) as held:
        assert (held.status, held.err) == (75, "others\n")


def test_a_line_that_is_cut_is_a_host_that_is_lost_and_comes_back(host: ShellHost, here: Here) -> None:
    host.run(("true",))
    here.cut = here.was_cut = True
    with pytest.raises(LostError, match="the line is cut"):
        host.run(("true",))
    here.cut = False

    assert host.run(("echo", "back")).out == "back\n"


def runs(pid: str) -> bool:
    """Whether the process is there, and is not just waiting to be reaped."""
    try:
        return ") Z" not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def test_what_does_not_end_in_time_is_ended(host: ShellHost, tmp_path: Path) -> None:
    with pytest.raises(DeadlineError):
        host.run_all([shell('sleep 300 & echo $! >"$1"; wait', str(tmp_path.parent / "pid"))], timeout=0.5)

    left = (tmp_path.parent / "pid").read_text().strip()
    wait_for(lambda: not runs(left), Deadline(20), "the end of what it had started")


def test_a_shell_that_somebody_killed_has_ended(host: ShellHost) -> None:
    with pytest.raises(LostError):
        host.run(("sh", "-c", "kill -9 $PPID; kill -9 $$"))

    assert host.run(("echo", "anew")).out == "anew\n"
