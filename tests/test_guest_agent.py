"""A guest that is asked by its agent: what comes back, what is refused, and what is ended there.

The agents are stand-ins on sockets; real ones are asked in tests/real/test_guest_agent.py.
"""

from __future__ import annotations

import base64
import os
import signal
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from provision.runtime.deadline import Deadline, wait_for
from provision.runtime.errors import DeadlineError, HostError
from provision.runtime.guest_channel import Script
from tests.guest_agents import Says, agent_at, asking, guest_with, info, refusal, sh

LONG = 30.0
SHORT = 0.4


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_a_script_is_run_whole_and_its_output_and_status_come_back(tmp_path: Path) -> None:
    text = f"# {'x' * 100_000}\necho out; echo err >&2; exit 3\n"

    with guest_with(tmp_path / "agent") as (guest, there):
        result = guest.run(sh(text), timeout=LONG)
        again = guest.run(sh("echo again"), timeout=LONG)

    assert (result.host, result.status, result.out, result.err) == ("vm", 3, "out\n", "err\n")
    assert again.out == "again\n"
    assert not there.programs
    assert there.commands().count("guest-info") == 1


def test_a_script_that_was_killed_has_a_status_that_says_so(tmp_path: Path) -> None:
    with guest_with(tmp_path / "agent") as (guest, _):
        assert guest.run(sh("kill -9 $$"), timeout=LONG).status == -9


def test_what_is_no_utf_8_or_was_cut_within_a_character_is_marked(tmp_path: Path) -> None:
    ended = {"exited": True, "exitcode": 0, "out-data": encoded("ü€".encode()[:-1]), "err-data": encoded(b"\xff!")}  # fmt: skip

    with guest_with(tmp_path / "agent", {"guest-exec-status": lambda _: ended}) as (guest, _):
        result = guest.run(sh("true"), timeout=LONG)

    assert (result.out, result.err) == ("ü\N{REPLACEMENT CHARACTER}", "\N{REPLACEMENT CHARACTER}!")


@pytest.mark.parametrize(
    ("told", "system"),
    [
        ({"id": "mswindows", "kernel-release": "20348"}, "windows"),
        ({"id": "debian", "kernel-release": "6.1.0"}, "linux"),
        ({"kernel-release": "6.1.0", "machine": "x86_64"}, "linux"),
    ],
)
def test_what_runs_there_is_told_by_the_agent_once(tmp_path: Path, told: dict[str, str], system: str) -> None:
    with guest_with(tmp_path / "agent", {"guest-get-osinfo": lambda _: told}) as (guest, there):
        assert guest.system() == guest.system() == system

    assert there.commands() == ["guest-get-osinfo"]


@pytest.mark.parametrize("told", [{"id": "freebsd", "kernel-release": "14"}, {}, [], "mswindows"])
def test_a_system_that_is_neither_is_an_error(tmp_path: Path, told: object) -> None:
    with (
        guest_with(tmp_path / "agent", {"guest-get-osinfo": lambda _: told}) as (guest, _),
        pytest.raises(HostError, match="neither Windows nor Linux"),
    ):
        guest.system()


def test_what_runs_there_is_not_asked_where_it_is_known(tmp_path: Path) -> None:
    with agent_at(tmp_path / "agent") as there, asking(tmp_path / "agent", "windows") as guest:
        assert guest.system() == "windows"

    assert there.asked == []


@pytest.mark.parametrize(
    ("told", "words", "hint"),
    [
        (info("guest-exec"), "may not run programs: guest-exec is forbidden", "block-rpcs"),
        (info("guest-exec-status"), "may not run programs: guest-exec-status is forbidden", "block-rpcs"),
        (info(lacking="guest-exec", version="2.4\x1b[31m"), r"\(2.4\\x1b\[31m\) has no guest-exec", "agent"),
    ],
)
def test_an_agent_that_may_not_run_programs_is_told_from_one_that_cannot_and_is_not_asked_to(
    tmp_path: Path, told: dict[str, Any], words: str, hint: str
) -> None:
    with (
        guest_with(tmp_path / "agent", {"guest-info": lambda _: told}) as (guest, there),
        pytest.raises(HostError, match=words) as raised,
    ):
        guest.run(sh("echo"), timeout=LONG)

    assert hint in raised.value.hint
    assert "guest-exec" not in there.commands()


def test_a_program_that_the_guest_lacks_is_the_agents_own_words(tmp_path: Path) -> None:
    says = {"guest-exec": lambda _: refusal("Failed to execute child process (No such file or directory)")}

    with (
        guest_with(tmp_path / "agent", says) as (guest, _),
        pytest.raises(HostError, match=r"vm does not run words: .*No such file or directory"),
    ):
        guest.run(sh("echo"), timeout=LONG)


def living(marker: str) -> list[int]:
    """The processes that have a word in their command line, or in what they read."""
    found = []
    for process in Path("/proc").glob("[1-9]*"):
        try:
            if marker.encode() in (process / "cmdline").read_bytes() and "Z" not in _state(process):
                found.append(int(process.name))
        except OSError:
            continue
    return found


def _state(process: Path) -> str:
    return (process / "stat").read_text().rpartition(")")[2].split()[0]


def test_what_does_not_end_in_time_is_ended_there_with_all_that_it_started(tmp_path: Path) -> None:
    marker = f"10{os.getpid()}.25"
    text = f"sleep {marker} & sh -c 'sleep {marker}; true'; true"

    with guest_with(tmp_path / "agent") as (guest, there):
        with pytest.raises(DeadlineError, match=r"words did not end within 1 s in vm$"):
            guest.run(sh(text), timeout=2)
        assert not there.programs  # the agent was asked for its end, too
        assert guest.run(sh("echo again"), timeout=LONG).out == "again\n"

    assert not living(marker)


@pytest.mark.usefixtures("interruptible")
def test_an_interruption_ends_what_runs_there(tmp_path: Path) -> None:
    marker = f"20{os.getpid()}.25"

    def interrupt() -> None:
        wait_for(lambda: living(marker), Deadline(LONG), "the script")
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    with guest_with(tmp_path / "agent") as (guest, there):
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            guest.run(sh(f"sleep {marker}; true"), timeout=LONG)
        thread.join()
        assert not there.programs

    assert not living(marker)


@pytest.mark.usefixtures("interruptible")
def test_an_interruption_while_a_script_is_started_ends_it_too(tmp_path: Path) -> None:
    marker, taken = f"30{os.getpid()}.25", threading.Event()

    with guest_with(tmp_path / "agent") as (guest, there):

        def interrupts(asked: Mapping[str, Any]) -> object:
            if not taken.is_set():
                taken.set()
                os.kill(os.getpid(), signal.SIGINT)
                threading.Event().wait(0.5)  # longer than until the next look for one
            return there._exec(asked)

        there._says = {"guest-exec": interrupts}
        with pytest.raises(KeyboardInterrupt):
            guest.run(sh(f"sleep {marker}; true"), timeout=LONG)
        assert there.commands().count("guest-exec") == 2
        assert not there.programs

    assert not living(marker)


def test_windows_is_given_powershell_and_what_does_not_end_there_is_ended_by_taskkill(tmp_path: Path) -> None:
    started: list[dict[str, Any]] = []
    ended: set[int] = set()

    def starts(asked: Any) -> object:
        started.append(asked)
        if asked["path"] == "taskkill.exe":
            ended.update((1, 2))
        return {"pid": len(started)}

    def status(asked: Any) -> object:
        return {"exited": True, "exitcode": 1} if asked["pid"] in ended else {"exited": False}

    says: dict[str, Says] = {"guest-exec": starts, "guest-exec-status": status}
    with guest_with(tmp_path / "agent", says) as (guest, _), pytest.raises(DeadlineError):
        guest.run(Script("powershell", "rsc", "Get-NetAdapterRsc"), timeout=SHORT)

    script, ender = started
    assert script["path"] == "powershell.exe"
    assert script["capture-output"] is True
    assert base64.b64decode(script["input-data"])
    assert (ender["path"], ender["arg"]) == ("taskkill.exe", ["/T", "/F", "/PID", "1"])
