"""A program that is kept running by commands of their own, in a real shell here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from provision.edges.relayed.pump import Executed, Pump
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


class Again(Here):
    """A connection that was lost when a command had run, and runs it again, as ssh's retries do; and it talks itself."""

    def execute(self, script: str, arguments: tuple[str, ...], stdin: bytes) -> Executed:
        super().execute(script, arguments, stdin)
        done = super().execute(script, arguments, stdin)
        return Executed(done.status, done.out, b"debug2: words of ssh's\n" + done.err + b"debug1: and more\n")


def test_what_is_run_again_by_the_connection_is_done_once_and_its_words_are_not_the_programs(
    tmp_path: Path,
) -> None:
    lines = tmp_path.parent / f"{tmp_path.name}.lines"
    host = ShellHost("there", lambda argv: Pump(Again(), argv, str(tmp_path), kept=2))

    for number in range(3):
        done = host.run_all([shell('echo x >>"$1"; echo said >&2', str(lines)), Run(("echo", str(number)))])
        assert [(each.status, each.out, each.err) for each in done] == [
            (0, "", "said\n"),
            (0, f"{number}\n", ""),
        ]
    host.close()

    assert lines.read_text() == "x\n" * 3
    assert [*tmp_path.iterdir()] == []


def test_a_batch_that_is_cut_off_on_its_way_is_not_fed(tmp_path: Path) -> None:
    class Cutting(Here):
        def execute(self, script: str, arguments: tuple[str, ...], stdin: bytes) -> Executed:
            return super().execute(script, arguments, stdin[:-20] if b"touch" in stdin else stdin)

    host = ShellHost("there", lambda argv: Pump(Cutting(), argv, str(tmp_path), kept=2))
    made = tmp_path.parent / f"{tmp_path.name}.made"

    with pytest.raises(LostError, match="cut off on its way"):
        host.run(("touch", str(made)))

    assert not made.exists()
    host.close()


def test_a_lock_that_cannot_be_let_go_is_no_error_of_what_was_done(tmp_path: Path) -> None:
    """It is let go by itself, once nobody has been heard for a while."""
    here = Here()
    host = ShellHost("there", lambda argv: Pump(here, argv, str(tmp_path), kept=1))
    with host.hold(shell(f"echo {HELD}; sh").argv) as held:
        assert held.ok
        host.run(("true",))
        here.cut = True

    wait_for(lambda: not [*tmp_path.iterdir()], Deadline(30), "what was left to end by itself")
