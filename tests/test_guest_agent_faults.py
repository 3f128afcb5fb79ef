"""Guest agents that are silent, late, restarted or hostile: each its own error in its time, and nobody else's.

The agents are stand-ins on sockets; real ones are asked in tests/real/test_guest_agent.py.
"""

from __future__ import annotations

import base64
import json
import threading
import tracemalloc
from contextlib import ExitStack
from pathlib import Path

import pytest

from provision.edges.guest.agent_channel import AgentGuest
from provision.edges.guest.agent_socket import AgentSocket
from provision.edges.guest.agent_words import LONGEST_ANSWER
from provision.edges.sockets import connected
from provision.runtime.errors import DeadlineError, HostError, LostError, UnreadableError
from provision.runtime.parallel import side_by_side
from provision.runtime.places import ANYBODY, Listener
from tests.guest_agents import Says, StandIn, agent_at, asking, guest_with, pieces, refusal, sh

LONG = 30.0
SHORT = 0.4


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def silence(_: object) -> None:
    """Say nothing."""


@pytest.mark.parametrize("silent", ["guest-sync-delimited", "guest-info", "guest-exec"])
def test_an_agent_that_never_answers_is_an_error_when_the_time_is_over(tmp_path: Path, silent: str) -> None:
    with (
        guest_with(tmp_path / "agent", {silent: silence}) as (guest, there),
        pytest.raises(LostError, match=r"answer .*within 0\.[1-4]") as raised,
    ):
        guest.run(sh("echo"), timeout=SHORT)

    assert not raised.value.whole
    assert [name for name, _ in there.asked][-1] == silent
    assert not there.programs
    if silent == "guest-sync-delimited":
        assert "is qemu-guest-agent installed" in raised.value.hint


def test_an_agent_that_falls_silent_while_a_script_runs_may_still_run_it(tmp_path: Path) -> None:
    with (
        guest_with(tmp_path / "agent", {"guest-exec-status": silence}) as (guest, _),
        pytest.raises(
            DeadlineError,
            match=r"words did not end within 0\.2 s in vm, and may still run there: its agent has not told",
        ),
    ):
        guest.run(sh("exec sleep 1000"), timeout=SHORT)


def test_an_agent_that_tells_of_no_end_takes_no_more_time_and_is_not_called_silent(tmp_path: Path) -> None:
    says: dict[str, Says] = {
        "guest-exec": lambda _: {"pid": 7},
        "guest-exec-status": lambda _: {"exited": False},
    }

    with guest_with(tmp_path / "agent", says) as (guest, there), pytest.raises(DeadlineError) as raised:
        guest.run(sh("true"), timeout=2)

    assert (
        there.commands().count("guest-exec-status") < 40
    )  # every 0.5 s at last; 50 in the 15 s that it once took
    assert str(raised.value) == (
        "words did not end within 1 s in vm, and may still run there: its agent has not told of its end"
    )


def test_what_was_said_to_another_is_passed_over(tmp_path: Path) -> None:
    """Of somebody who hung up before: a cut answer, a whole one of 16 MiB, and one to another's synchronisation."""
    stale = b'eData"}}\n{"return": "' + b"x" * (16 << 20) + b'"}\n\xff{"return": 7}\n'

    with guest_with(tmp_path / "agent", before=stale) as (guest, _):
        assert guest.run(sh("echo mine"), timeout=LONG).out == "mine\n"


def test_an_answer_that_comes_too_late_is_not_taken_for_the_next_ones(tmp_path: Path) -> None:
    late = threading.Event()

    def at_last(_: object) -> object:
        late.wait(LONG)
        return {"id": "mswindows"}

    path = tmp_path / "agent"
    way = connected(str(path), None, 5)
    with agent_at(path, {"guest-get-osinfo": at_last}), AgentSocket("here", ANYBODY, way) as agent:
        with pytest.raises(DeadlineError):
            agent.ask("guest-get-osinfo", {}, SHORT)
        late.set()
        assert AgentGuest("vm", agent).run(sh("echo mine"), timeout=LONG).out == "mine\n"


def test_an_agent_that_answers_another_and_never_us_is_an_error(tmp_path: Path) -> None:
    says: dict[str, Says] = {"guest-sync-delimited": lambda _: b'\xff{"return": 7}\n'}

    with (
        guest_with(tmp_path / "agent", says) as (guest, _),
        pytest.raises(DeadlineError, match="says nothing that was asked of it"),
    ):
        guest.run(sh("echo"), timeout=SHORT)


def test_a_guest_that_was_restarted_meanwhile_is_told_so(tmp_path: Path) -> None:
    with agent_at(tmp_path / "agent") as there, asking(tmp_path / "agent") as guest:

        def forgets(_: object) -> bytes:
            return refusal("PID 7 does not exist")

        there._says = {"guest-exec-status": forgets}
        with pytest.raises(HostError, match="vm was restarted while words ran") as raised:
            guest.run(sh("true"), timeout=LONG)

    assert not isinstance(raised.value, LostError)
    assert there.commands().count("guest-exec") == 1  # what is not there is not ended


def test_a_machine_that_stops_meanwhile_is_an_error_at_once(tmp_path: Path) -> None:
    def pulls_the_plug(_: object) -> object:
        raise OSError

    with (
        guest_with(tmp_path / "agent", {"guest-exec-status": pulls_the_plug}) as (guest, _),
        pytest.raises(HostError, match="QEMU hung up at"),
    ):
        guest.run(sh("true"), timeout=LONG)


ENDLESS = [b"x" * (1 << 16)] * 1000
DEEP = b'{"return": ' + b"[" * 200_000 + b"]" * 200_000 + b"}\n"
HOSTILE: dict[str, tuple[str, Says]] = {
    "no end of a line": ("guest-info", pieces(ENDLESS)),
    "no end of a synchronisation": ("guest-sync-delimited", pieces([b"\xff", *ENDLESS])),
    "deep": ("guest-info", lambda _: DEEP),
    "many values": ("guest-info", lambda _: b'{"return": [' + b"1," * 500_000 + b"1]}\n"),
    "no JSON": ("guest-info", lambda _: b"\x1b[31m\n"),
    "no UTF-8": ("guest-info", lambda _: b'{"return": "\xc3\x28"}\n'),
    "a number of 10,000 digits": ("guest-info", lambda _: b'{"return": ' + b"9" * 10_000 + b"}\n"),
    "neither return nor error": ("guest-info", lambda _: b"{}\n"),
    "an error that is none": ("guest-info", lambda _: b'{"error": 7}\n'),
    "an error in many words": ("guest-exec", lambda _: refusal("\x1b[31m" * 100_000)),
    "commands that are none": ("guest-info", lambda _: {"supported_commands": {"guest-exec": True}}),
    "a pid that is none": ("guest-exec", lambda _: {"pid": "1; reboot"}),
    "a pid that is true": ("guest-exec", lambda _: {"pid": True}),
    "a status that is none": ("guest-exec-status", lambda _: {"exited": "yes"}),
    "an end without a status": ("guest-exec-status", lambda _: {"exited": True, "exitcode": "0"}),
    "output that is none": (
        "guest-exec-status",
        lambda _: {"exited": True, "exitcode": 0, "out-data": "\x1b[31m"},
    ),
    "output that is a number": (
        "guest-exec-status",
        lambda _: {"exited": True, "exitcode": 0, "err-data": 7},
    ),
    "output that is cut": (
        "guest-exec-status",
        lambda _: {"exited": True, "exitcode": 0, "out-truncated": True},
    ),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_an_agent_that_lies_is_an_error_in_a_line_that_steers_no_terminal(tmp_path: Path, what: str) -> None:
    command, says = HOSTILE[what]

    with guest_with(tmp_path / "agent", {command: says}) as (guest, _), pytest.raises(HostError) as raised:
        guest.run(sh("true"), timeout=2)

    assert len(str(raised.value)) < 1000
    assert str(raised.value).isprintable()
    assert not isinstance(raised.value, LostError)


def test_much_output_is_an_error_takes_little_memory_and_leaves_the_agent_well(tmp_path: Path) -> None:
    """16 MiB are what qemu-ga itself keeps of a stream."""
    ended = json.dumps({"return": {"exited": True, "exitcode": 0, "out-data": "@"}}).encode() + b"\n"
    head, tail = ended.split(b"@")
    piece = encoded(b"x" * 0xC000).encode()
    much: Says = lambda _: iter([head, *[piece] * 342, tail])  # noqa: E731

    with guest_with(tmp_path / "agent", {"guest-exec-status": much}) as (guest, there):
        tracemalloc.start()
        try:
            with pytest.raises(HostError, match="says more than 4 MiB"):
                guest.run(sh("true"), timeout=LONG)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        there._says = {}
        assert guest.run(sh("echo again"), timeout=LONG).out == "again\n"

    assert len(piece) * 342 > 16 << 20
    assert peak < 3 * LONGEST_ANSWER


def test_another_process_than_the_one_that_has_to_listen_is_told_nothing(tmp_path: Path) -> None:
    with (
        agent_at(tmp_path / "agent") as there,
        pytest.raises(HostError, match="and not process 1"),
        asking(tmp_path / "agent", listener=Listener(1)),
    ):
        pass

    assert there.asked == []


def test_a_socket_that_is_not_there_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(HostError, match=r"nobody answers at .*: No such file"), asking(tmp_path / "none"):
        pass


def test_a_hundred_guests_are_asked_side_by_side_each_for_itself(tmp_path: Path) -> None:
    """Every tenth agent never answers, and every other one is slow to end: they cost the others nothing."""
    names = [f"vm{number}" for number in range(100)]
    together: list[StandIn] = []

    def ask(name: str) -> str:
        with asking(tmp_path / name) as guest:
            return guest.run(sh(f"echo {name}"), timeout=LONG if int(name[2:]) % 10 else SHORT).out

    with ExitStack() as stack:
        for number, name in enumerate(names):
            says: dict[str, Says] = {} if number % 10 else {"guest-info": silence}
            together.append(stack.enter_context(agent_at(tmp_path / name, says)))
        outcomes = side_by_side(names, ask)

    for number, outcome in enumerate(outcomes):
        if number % 10:
            assert (outcome.value, outcome.error) == (f"vm{number}\n", None)
        else:
            assert isinstance(outcome.error, DeadlineError)


def test_an_unreadable_answer_keeps_its_text(tmp_path: Path) -> None:
    with (
        guest_with(tmp_path / "agent", {"guest-info": lambda _: b"busy\n"}) as (guest, _),
        pytest.raises(UnreadableError) as raised,
    ):
        guest.run(sh("true"), timeout=LONG)

    assert raised.value.text == "busy"
