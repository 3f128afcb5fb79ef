"""The keeper of TAPs as a shell runs it: what it touches and when, how it ends, and what it leaves to the next one."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from provision.host.apply.wire_keeper import SCRIPTS
from provision.runtime.deadline import Deadline, wait_for
from tests.wire_keepers import BOOT, EVENT, INDEX, TAP, keeper, processes


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
        notes = f"by me\n{BOOT} {TAP} {INDEX}\n-{BOOT} {TAP} {INDEX}\n"
        wait_for(lambda: it.file.read_text() == notes, Deadline(20), "a note of that")
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
        looked = len((tmp_path / "tx.asked").read_text().splitlines())
        (tmp_path / "tx.slow").touch()
        it.event(EVENT * 300)
        wait_for(lambda: it.waiting() > 250 * len(EVENT), Deadline(20), "events that wait")
        it.say("end")
        wait_for(lambda: it.waiting() > 299 * len(EVENT), Deadline(20), "the word behind them")
        (tmp_path / "tx.slow").unlink()
        assert it.left() == [f"back {TAP} {INDEX}", "done"]

    assert len((tmp_path / "tx.asked").read_text().splitlines()) - looked < 9


def test_each_beat_is_answered_and_one_finds_that_no_tick_comes_any_more(tmp_path: Path) -> None:
    with keeper(tmp_path, tick="1") as it:
        it.takes()
        it.until(f"off {TAP} {INDEX}")
        [killed] = [pid for pid, argv in processes(it.process.pid).items() if b"sleep" in argv]
        parent = int((Path("/proc") / str(killed) / "stat").read_text().rpartition(")")[2].split()[1])
        os.kill(parent, signal.SIGKILL)
        wait_for(lambda: parent not in processes(it.process.pid), Deadline(20), "its end")
        it.say("beat")
        assert it.hear() == "here"
        it.becomes("on", "")
        assert it.hear() == f"off {TAP} {INDEX}"


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
