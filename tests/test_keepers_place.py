"""The place of a keeper of TAPs: who has it, who gets it next, and what is believed of what is noted there."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests.wire_keepers import BOOT, INDEX, TAP, keeper, processes


def test_one_that_hears_no_words_any_more_leaves_its_place(tmp_path: Path) -> None:
    with keeper(tmp_path, tick="0.05") as first:
        first.takes()
        first.until(f"off {TAP} {INDEX}")
        loop, *beside = [pid for pid, argv in sorted(processes(first.process.pid).items()) if b"me" in argv]
        assert loop == first.process.pid
        os.kill(beside[0], signal.SIGKILL)
        with keeper(tmp_path, tx="", patience="20") as second:
            assert first.left() == []
            second.until("listening")


def test_a_place_that_nobody_waits_for_any_more_is_not_left(tmp_path: Path) -> None:
    """A kill has left the file by which who waits is known."""
    with keeper(tmp_path, tick="0.05") as it:
        it.takes()
        it.until(f"off {TAP} {INDEX}")
        (it.at / "lab" / ".enforce.next").touch()
        it.is_left_alone()
        for _ in range(5):
            it.becomes("on", "")
            assert it.hear() == f"off {TAP} {INDEX}"
        os.kill(it.process.pid, signal.SIGTERM)
        assert it.left()[-1] == "done"

    assert not it.file.parent.exists()


def test_words_keep_it_alive_and_without_anybody_it_goes_on_until_it_gives_us_up(tmp_path: Path) -> None:
    with keeper(tmp_path, tick="0.05", most="20") as it:
        it.takes()
        for _ in range(60):
            it.say("beat")
            it.event("7: tap0: <UP>\n")
            with suppress(subprocess.TimeoutExpired):
                it.process.wait(0.03)
        assert it.process.poll() is None
        it.until(f"off {TAP} {INDEX}")
        it.is_left_alone()
        it.becomes("on")
        assert it.left()[-4:] == [f"off {TAP} {INDEX}", "silence", f"back {TAP} {INDEX}", "done"]

    assert it.tx == "on"


def test_one_that_nobody_attends_leaves_its_place_as_it_is_to_one_that_waits_for_it(tmp_path: Path) -> None:
    with keeper(tmp_path, tick="0.05") as first:
        first.takes()
        first.until(f"off {TAP} {INDEX}")
        with keeper(tmp_path, tx="", patience="0.3") as refused:
            assert refused.left() == ["busy by me"], "somebody attends it"
        first.is_left_alone()
        with keeper(tmp_path, tx="", patience="20") as second:
            assert first.left() == []
            second.until("listening")
            assert second.tx == "off"
            second.say("end")
            assert second.left()[-2:] == [f"back {TAP} {INDEX}", "done"]

    assert second.tx == "on"


def test_of_two_the_later_tells_whose_the_first_is_and_one_that_waits_comes_after_it(tmp_path: Path) -> None:
    with keeper(tmp_path) as first:
        first.takes()
        first.until(f"off {TAP} {INDEX}")
        with keeper(tmp_path, tx="") as second:
            assert second.left() == ["busy by me"]
        with keeper(tmp_path, tx="", patience="20") as third:
            first.say("end")
            assert first.left() == [f"back {TAP} {INDEX}", "done"]
            assert third.hear() == "listening"
            third.takes()
            assert third.hear() == f"off {TAP} {INDEX}"
            assert third.file.read_text() == f"by me\n{BOOT} {TAP} {INDEX}\n"


@pytest.mark.parametrize("boot", [BOOT, "01234567-89ab-cdef-0123-456789abcdef"])
def test_what_a_killed_one_had_switched_off_is_switched_on_by_the_next_in_the_same_boot(
    tmp_path: Path, boot: str
) -> None:
    with keeper(tmp_path) as it:
        it.takes()
        it.until(f"off {TAP} {INDEX}")
        os.kill(it.process.pid, signal.SIGKILL)
        assert it.left() == []
        assert it.tx == "off"
        it.file.write_text(it.file.read_text().replace(BOOT, boot))
        with keeper(tmp_path, tx="") as after:
            after.takes()
            after.say("end")
            said = after.left()

    assert said == ([f"back {TAP} {INDEX}", "done"] if boot == BOOT else ["done"])
    assert it.tx == ("on" if boot == BOOT else "off")


@pytest.mark.parametrize("noted", [f"{BOOT} {TAP} 99", f"{BOOT} {TAP} {INDEX}\n-{BOOT} {TAP} {INDEX}"])
def test_of_what_was_noted_another_device_and_what_was_put_back_are_not_touched(
    tmp_path: Path, noted: str
) -> None:
    (tmp_path / "lab").mkdir(mode=0o700)
    (tmp_path / "lab" / ".enforce").write_text(f"by them\n{noted}\n")
    with keeper(tmp_path) as it:
        it.until("listening")
        assert it.file.read_text() == f"by them\n{noted}\nby me\n", "a kill now loses nothing"
        it.say("end")
        assert it.left()[-1:] == ["done"]

    assert it.tx == "on"
    assert not (tmp_path / "tx.asked").exists()


@pytest.mark.parametrize("what", ["fifo", "link"])
def test_a_file_that_is_none_is_not_believed(tmp_path: Path, what: str) -> None:
    (tmp_path / "lab").mkdir(mode=0o700)
    (tmp_path / "theirs").write_text("kept")
    if what == "fifo":
        os.mkfifo(tmp_path / "lab" / ".enforce")
    else:
        (tmp_path / "lab" / ".enforce").symlink_to(tmp_path / "theirs")
    with keeper(tmp_path) as it:
        assert it.left() == [f"loose {it.file} is no ordinary file"]

    assert (tmp_path / "theirs").read_text() == "kept"


def test_a_directory_that_others_can_write_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "lab").mkdir(mode=0o700)
    (tmp_path / "lab").chmod(0o777)
    with keeper(tmp_path) as it:
        (said,) = it.left()

    assert said.startswith("loose ")
    assert not it.file.exists()


def test_whoever_has_it_is_told_on_one_line_as_he_is_called(tmp_path: Path) -> None:
    with keeper(tmp_path, who="D\\nina\nby root") as it:
        it.until("listening")
        with keeper(tmp_path, tx="") as other:
            assert other.left() == [r"busy by D\nina\nby root"]
