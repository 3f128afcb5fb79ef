"""The host's own undo as a shell runs it: when it fires, whom it ends, and what becomes of one that is left over."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from provision.host.apply.deadman import SCRIPTS
from provision.runtime.deadline import Deadline, wait_for

BOOT = Path("/proc/sys/kernel/random/boot_id")


@pytest.fixture
def undo(tmp_path: Path) -> Path:
    """Where an undo lies; the one that is armed here notes that it was carried out."""
    directory = tmp_path / "a lab's"
    directory.mkdir()
    return directory / "undo"


def written(path: Path, boot: str = "") -> None:
    """An undo that talks, as `ethtool -K` does of what else it changed."""
    undone = f"echo undone | tee -a '{path.parent.parent}/done'"
    path.write_text(f"# {boot or BOOT.read_text().strip()}\n{undone}\n")


def run(name: str, *arguments: str, stdin: str = "") -> str:
    done = subprocess.run(
        ["sh", "-c", SCRIPTS[name], "sh", *arguments],
        input=stdin, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def carried_out(undo: Path) -> int:
    done = undo.parent.parent / "done"
    return done.read_text().count("undone") if done.exists() else 0


def fire(undo: Path, group: int = 0, start: str = "") -> None:
    """As the process that was armed does, without waiting."""
    itself = 'echo $$ >"$1.pid"; exec sh -c "$0" sh "$@"'
    done = subprocess.run(
        ["sh", "-c", itself, SCRIPTS["fire"], str(undo), "0", str(group), start], timeout=60, check=False
    )
    assert done.returncode == 0


def alive(pid: int) -> bool:
    """Whether it runs; one that has ended may not have been reaped."""
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().split(" ")[2] not in "ZX"


def start_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().split(" ")[21]


def test_what_fires_is_carried_out_once_and_noted(undo: Path) -> None:
    written(undo)

    fire(undo)

    assert carried_out(undo) == 1
    assert sorted(path.name for path in undo.parent.iterdir()) == ["undo.fired"]
    assert run("settle", str(undo)) == "fired\n"
    assert run("settle", str(undo)) == ""
    assert carried_out(undo) == 1


@pytest.mark.parametrize("same", [True, False])
def test_it_ends_the_session_that_armed_it_and_nobody_who_has_its_number_by_then(
    undo: Path, *, same: bool
) -> None:
    written(undo)
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as session:
        start = start_of(session.pid) if same else "1"

        fire(undo, session.pid, start)

        if same:
            assert session.wait(10) == -9
        else:
            assert session.poll() is None
        session.kill()
    assert carried_out(undo) == 1


def test_who_keeps_the_lock_is_ended_with_all_that_it_runs_and_the_undo_comes_at_its_time(undo: Path) -> None:
    written(undo)
    lock = undo.parent / "lock"
    keeps = (
        'exec 9>>"$1"; flock 9; echo kept; sh -c "echo \\$\\$; exec sleep 600" 9>&-; echo over >>"$1.over"'
    )
    with subprocess.Popen(
        ["sh", "-c", keeps, "sh", str(lock)], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as keeper:
        assert keeper.stdout is not None
        assert keeper.stdout.readline() == "kept\n"
        inner = int(keeper.stdout.readline())

        fire(undo)

        assert keeper.wait(10) == -9
    assert carried_out(undo) == 1
    wait_for(lambda: not alive(inner), Deadline(30), "the end of what it ran")
    assert not lock.exists()


def test_a_keeper_of_the_lock_that_cannot_be_ended_does_not_stop_the_undo(undo: Path) -> None:
    """It is of the undo's own process group, which it leaves alone."""
    written(undo)
    with subprocess.Popen(["flock", str(undo.parent / "lock"), "sh", "-c", "echo kept; exec sleep 600"],
                          stdout=subprocess.PIPE, text=True) as keeper:  # fmt: skip
        assert keeper.stdout is not None
        assert keeper.stdout.readline() == "kept\n"
        sleeper = int(Path(f"/proc/{keeper.pid}/task/{keeper.pid}/children").read_text())

        fire(undo)

        os.kill(sleeper, 9)
    assert carried_out(undo) == 1


def test_what_was_disarmed_meanwhile_does_nothing_and_leaves_nothing(undo: Path) -> None:
    fire(undo)

    assert carried_out(undo) == 0
    assert sorted(path.name for path in undo.parent.iterdir()) == ["undo.pid"], "which a disarmed one has not"


def test_what_a_later_run_has_armed_is_left_to_it(undo: Path) -> None:
    written(undo)
    Path(f"{undo}.pid").write_text("1\n")

    run("fire", str(undo), "0", "0", "")

    assert carried_out(undo) == 0
    assert undo.exists()


def test_armed_and_disarmed_nothing_is_left_and_nothing_was_done(undo: Path) -> None:
    stdin = f"echo undone >>'{undo.parent.parent}/done'\n"

    run("arm", str(undo), "60", SCRIPTS["fire"], stdin=stdin)
    sleeper = int(Path(f"{undo}.pid").read_text())
    mode = undo.stat().st_mode & 0o777
    text = undo.read_text()
    run("disarm", str(undo))

    assert (mode, text) == (0o600, f"# {BOOT.read_text()}{stdin}")
    wait_for(lambda: not alive(sleeper), Deadline(30), "the end of what was armed")
    assert list(undo.parent.iterdir()) == []
    assert carried_out(undo) == 0


def test_an_undo_that_no_process_waits_for_is_not_armed(undo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = undo.parent.parent / "bin"
    programs.mkdir()
    (programs / "setsid").write_text("#!/bin/sh\necho setsid: no such luck >&2\nexit 1\n")
    (programs / "setsid").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")

    done = subprocess.run(
        ["sh", "-c", SCRIPTS["arm"], "sh", str(undo), "60", SCRIPTS["fire"]],
        input="true\n", capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert done.returncode == 1
    assert "setsid: no such luck\nno process could be left there" in done.stderr
    assert run("disarm", str(undo)) == ""
    assert list(undo.parent.iterdir()) == []


@pytest.mark.parametrize("was", ["", ".firing"])
def test_what_a_run_left_armed_is_carried_out_by_the_next(undo: Path, was: str) -> None:
    written(Path(f"{undo}{was}"))

    assert run("settle", str(undo)) == "fired\n"

    assert carried_out(undo) == 1
    assert list(undo.parent.iterdir()) == []


def test_what_two_versions_left_armed_is_carried_out(undo: Path) -> None:
    other = undo.with_name(".undo")
    written(undo)
    written(other)

    assert run("settle", str(other), str(undo)) == "fired\nfired\n"

    assert carried_out(undo) == 2
    assert list(undo.parent.iterdir()) == []


def test_the_process_id_of_a_machine_that_is_called_undo_stays(undo: Path) -> None:
    Path(f"{undo}.pid").write_text("1\n")
    Path(f"{undo}.log").write_text("login:")

    assert run("settle", str(undo)) == ""

    assert Path(f"{undo}.pid").read_text() == "1\n"


def test_settled_its_own_process_does_not_fire_any_more(undo: Path) -> None:
    run("arm", str(undo), "60", SCRIPTS["fire"], stdin="true\n")
    sleeper = int(Path(f"{undo}.pid").read_text())

    assert run("settle", str(undo)) == "fired\n"

    wait_for(lambda: not alive(sleeper), Deadline(30), "the end of what was armed")


def test_an_undo_of_another_boot_is_forgotten_and_its_process_numbers_are_left_alone(undo: Path) -> None:
    written(undo, boot="01234567-89ab-cdef-0123-456789abcdef")
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as another:
        Path(f"{undo}.pid").write_text(f"{another.pid}\n")

        assert run("settle", str(undo)) == ""

        assert another.poll() is None
        another.kill()
    assert carried_out(undo) == 0
    assert list(undo.parent.iterdir()) == []


@pytest.mark.parametrize(("script", "said"), [("settle", "fired\n"), ("disarm", "")])
def test_a_number_that_is_another_process_by_now_is_not_ended(undo: Path, script: str, said: str) -> None:
    written(undo)
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as another:
        Path(f"{undo}.pid").write_text(f"{another.pid}\n")

        told = run(script, str(undo))
        ended = another.poll()
        another.kill()

    assert (told, ended) == (said, None)
