"""The keeper of TAPs as a shell runs it: what it touches and when, how it ends, and what it leaves to the next one."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from provision.host.apply.wire_keeper import SCRIPTS
from provision.runtime.deadline import Deadline, wait_for
from tests.wire_keepers import EVENT, INDEX, TAP, keeper, processes

BOOT = Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def test_it_switches_off_once_and_again_at_each_event_that_brought_it_back_and_on_at_the_end(
    tmp_path: Path,
) -> None:
    with keeper(tmp_path) as it:
        assert it.hear() == "listening"
        it.takes()
        assert it.hear() == f"off {TAP} {INDEX}"
        it.event()  # its own
        it.becomes("on")
        assert it.hear() == f"off {TAP} {INDEX}"
        assert it.tx == "off"
        it.say("end")
        said = it.left()
        wait_for(lambda: not processes(it.process.pid), Deadline(20), "the end of all that it started")

    assert said == [f"back {TAP} {INDEX}", "done"]
    assert (it.tx, it.process.returncode) == ("on", 0)
    assert not it.file.parent.exists(), "nothing else was in the lab's directory"


def test_a_device_that_it_was_not_told_of_is_not_touched_and_told_of_once_a_tick(tmp_path: Path) -> None:
    with keeper(tmp_path, tick="1") as it:
        it.until(f"there {TAP} {INDEX}")
        it.say(f"take {TAP} {int(INDEX) + 1}")
        for _ in range(5):
            it.event()
        assert it.hear() == f"there {TAP} {INDEX}"
        it.say("end")
        said = it.left()

    assert said == ["done"]
    assert it.tx == "on"
    assert not (tmp_path / "tx.asked").exists()


def test_what_it_is_to_leave_is_put_back_and_not_touched_any_more(tmp_path: Path) -> None:
    with keeper(tmp_path) as it:
        it.takes()
        it.until(f"off {TAP} {INDEX}")
        it.say(f"leave {TAP} {INDEX}")
        assert it.hear() == f"back {TAP} {INDEX}"
        it.event()
        it.say("end")
        assert it.left() == ["done"]

    assert it.tx == "on"


def test_what_somebody_had_switched_off_before_stays_off(tmp_path: Path) -> None:
    with keeper(tmp_path, tx="off") as it:
        it.takes()
        it.event()
        wait_for((tmp_path / "tx.asked").exists, Deadline(20), "a look")
        it.say("end")
        assert it.left() == ["done"]

    assert it.tx == "off"
    assert "-K" not in (tmp_path / "tx.asked").read_text()


@pytest.mark.parametrize(
    "lost", ["netlink receive error No buffer space available (105)\n", "Deleted 9: lo: <>\n"]
)
def test_lost_events_and_devices_that_go_make_it_look(tmp_path: Path, lost: str) -> None:
    with keeper(tmp_path) as it:
        it.takes()
        it.until(f"off {TAP} {INDEX}")
        it.becomes("on", lost)
        assert it.hear() == f"off {TAP} {INDEX}"


def test_what_another_device_does_is_no_reason_to_look(tmp_path: Path) -> None:
    with keeper(tmp_path) as it:
        it.takes()
        it.until(f"off {TAP} {INDEX}")
        for name in ("lo0", "tap0", "xlo@lo"):
            it.event(f"7: {name}: <UP>\n")
        looked = len((tmp_path / "tx.asked").read_text().splitlines())
        it.becomes("on")
        assert it.hear() == f"off {TAP} {INDEX}"

    asked = (tmp_path / "tx.asked").read_text().splitlines()[looked:]
    assert asked == [f"-k {TAP}", f"-K {TAP} tx off", f"-k {TAP}"]


def test_an_end_does_not_wait_behind_events(tmp_path: Path) -> None:
    with keeper(tmp_path) as it:
        it.takes()
        it.until(f"off {TAP} {INDEX}")
        it.event(EVENT * 300)
        looked = len((tmp_path / "tx.asked").read_text().splitlines())
        it.say("end")
        assert it.left() == [f"back {TAP} {INDEX}", "done"]

    assert len((tmp_path / "tx.asked").read_text().splitlines()) - looked < 200


def test_each_beat_is_answered_and_one_finds_that_no_tick_comes_any_more(tmp_path: Path) -> None:
    with keeper(tmp_path, tick="1") as it:
        it.takes()
        it.until(f"off {TAP} {INDEX}")
        [killed] = [pid for pid, argv in processes(it.process.pid).items() if b"sleep" in argv]
        parent = int((Path("/proc") / str(killed) / "stat").read_text().rpartition(")")[2].split()[1])
        os.kill(parent, signal.SIGKILL)
        it.say("beat")
        assert it.hear() == "here"
        it.becomes("on", "")
        assert it.hear() == f"off {TAP} {INDEX}"


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


def test_a_missed_event_is_made_good_at_the_next_tick(tmp_path: Path) -> None:
    with keeper(tmp_path, tick="0.05") as it:
        it.takes()
        it.until(f"off {TAP} {INDEX}")
        it.becomes("on", "")
        assert it.hear() == f"off {TAP} {INDEX}"


def test_without_a_word_it_gives_us_up_and_puts_back(tmp_path: Path) -> None:
    with keeper(tmp_path, tick="0.05", most="40") as it:
        it.takes()
        said = it.left()

    assert said[-3:] == ["silence", f"back {TAP} {INDEX}", "done"]
    assert it.tx == "on"


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


def test_when_ip_has_ended_it_is_started_again(tmp_path: Path) -> None:
    with keeper(tmp_path, tick="0.05") as it:
        it.takes()
        it.until(f"off {TAP} {INDEX}")
        [killed] = monitors(it.process.pid)
        os.kill(killed, signal.SIGKILL)
        [other] = wait_for(
            lambda: [pid for pid in monitors(it.process.pid) if pid != killed], Deadline(20), "another"
        )
        it.becomes("on")
        assert it.hear() == f"off {TAP} {INDEX}"
        it.say("end")
        assert it.left() == [f"back {TAP} {INDEX}", "done"]
        wait_for(lambda: not processes(it.process.pid), Deadline(20), f"the end of {other}, too")


def monitors(group: int) -> list[int]:
    """What of it is `ip`."""
    return [pid for pid, argv in processes(group).items() if b"monitor" in argv]


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


def test_beside_a_loop_that_was_killed_nothing_lives_on(tmp_path: Path) -> None:
    with keeper(tmp_path, tick="0.05") as it:
        it.takes()
        os.kill(it.process.pid, signal.SIGKILL)
        assert it.process.stdin is not None
        it.process.stdin.close()
        it.process.wait(20)

        wait_for(lambda: not processes(it.process.pid), Deadline(20), "the end of what ran beside it")


def test_who_cannot_switch_says_so_on_one_line_and_does_not_count_it(tmp_path: Path) -> None:
    with keeper(tmp_path) as it:
        it.until("listening")
        (tmp_path / "tx.refuses").touch()
        it.takes()
        assert it.hear() == f"failed {TAP} {INDEX} no such luck"


def test_what_is_on_after_it_was_switched_off_is_not_off(tmp_path: Path) -> None:
    with keeper(tmp_path) as it:
        it.until("listening")
        (tmp_path / "tx.deaf").touch()
        it.takes()
        assert it.hear() == f"failed {TAP} {INDEX} it is on all the same"


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


def test_what_could_not_be_switched_on_is_told_and_known_to_the_next(tmp_path: Path) -> None:
    with keeper(tmp_path) as it:
        it.takes()
        it.until(f"off {TAP} {INDEX}")
        (tmp_path / "tx.refuses").touch()
        it.say("end")
        assert it.left() == [f"stuck {TAP} {INDEX}", "done"]
        assert it.file.exists()
        (tmp_path / "tx.refuses").unlink()
        with keeper(tmp_path, tx="") as after:
            after.until("listening")
            after.say("end")
            assert f"back {TAP} {INDEX}" in after.left()


@pytest.mark.parametrize("tx", ["off [requested on]", "on"])
def test_what_the_guest_does_not_ask_for_now_is_put_back_all_the_same(tmp_path: Path, tx: str) -> None:
    """It stays off until then; that ethtool refuses is no failure."""
    with keeper(tmp_path) as it:
        it.takes()
        it.until(f"off {TAP} {INDEX}")
        (tmp_path / "tx.refuses").touch()
        it.becomes(tx, "")
        it.say("end")
        assert it.left() == [f"back {TAP} {INDEX}", "done"]


def test_a_directory_that_others_can_write_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "lab").mkdir(mode=0o700)
    (tmp_path / "lab").chmod(0o777)
    with keeper(tmp_path) as it:
        (said,) = it.left()

    assert said.startswith("loose ")
    assert not it.file.exists()


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    with keeper(tmp_path):
        pass
    (tmp_path / "bin" / "flock").symlink_to("/nowhere")
    for name in ("sh", "awk", "mkfifo"):
        (tmp_path / "bin" / name).symlink_to(f"/usr/bin/{name}")
    done = subprocess.run(
        ["/bin/sh", "-c", SCRIPTS["keep"], "sh", str(tmp_path / "lab/.enforce")],
        env={"PATH": str(tmp_path / "bin")}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.stdout == "lacks flock\n"
