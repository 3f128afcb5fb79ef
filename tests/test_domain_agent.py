"""A domain's guest agent, asked through a libvirt that answers with errors: they are told apart by their codes."""

from __future__ import annotations

import struct
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from provision.edges.libvirt.connection import Libvirt
from provision.runtime.deadline import Deadline, limited
from provision.runtime.errors import DeadlineError, HostError, LostError, RefusedError, UnreadableError
from tests.lying_libvirt import BOLD, INTERNAL, Lie, Silent, Told, lying, refuses, xdr_string, xml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ARGUMENT, UNRESPONSIVE, INVALID, LATE, REFUSED = 74, 86, 55, 112, 113
"""virErrorNumber."""


@pytest.fixture
def place() -> Iterator[Path]:
    """Where a liar listens; the name of a socket is short."""
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory) / "s"


def says(text: bytes) -> Callable[[bytes], bytes]:
    """An answer of an agent's, as libvirt's protocol has it."""
    return lambda _: struct.pack(">I", 1) + xdr_string(text)


def with_port(state: bytes) -> Told:
    """A domain with an agent's port in a state."""
    port = b"<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0' state='%b'/></channel>" % state  # fmt: skip
    return Told(b"vm", xml().replace(b"<devices>", b"<devices>" + port))


def asked(place: Path, answer: Callable[[bytes], bytes], vm: Told | None = None) -> object:
    """What comes of asking the agent."""
    lie = Lie((vm or with_port(b"connected"),), answers={"monitor": answer})
    with lying(place, lie) as uri:
        libvirt = Libvirt(uri)
        try:
            return libvirt.agent("vm").ask("guest-info", {}, 1)
        finally:
            libvirt.close()


def test_an_answer_is_its_return_value(place: Path) -> None:
    assert asked(place, says(b'{"return": {"version": "7.2.22"}}')) == {"version": "7.2.22"}


@pytest.mark.parametrize(
    ("code", "state", "kind", "words"),
    [
        (ARGUMENT, b"connected", HostError, "vm has no channel for a guest agent"),
        (UNRESPONSIVE, b"disconnected", HostError, "no guest agent runs in vm"),
        (UNRESPONSIVE, b"connected", DeadlineError, "agent of vm did not answer guest-info"),
        (LATE, b"connected", DeadlineError, "agent of vm did not answer guest-info"),
        (INTERNAL, b"connected", RefusedError, "agent of vm refused guest-info"),
        (REFUSED, b"connected", RefusedError, "agent of vm refused guest-info"),
        (INVALID, b"connected", HostError, "libvirt could not ask vm's guest agent"),
    ],
)
def test_missing_hung_and_refusing_agents_are_told_apart_by_libvirts_codes(
    place: Path, code: int, state: bytes, kind: type[HostError], words: str
) -> None:
    with pytest.raises(HostError, match=words) as raised:
        asked(place, refuses(code, BOLD), with_port(state))

    assert type(raised.value) is kind
    assert "\x1b" not in str(raised.value)


@pytest.mark.parametrize(
    "text", [b"", b"busy", b"[]", b"{}", b'{"error": 1}', b'{"return": ' + b"[" * 200_000]
)
def test_an_answer_that_is_none_is_told_so(place: Path, text: bytes) -> None:
    with pytest.raises(UnreadableError):
        asked(place, says(text))


def test_a_libvirt_that_hangs_up_meanwhile_is_lost_and_refused_nothing(place: Path) -> None:
    def hangs_up(_: bytes) -> bytes:
        raise OSError

    with pytest.raises(LostError, match="libvirt hung up") as raised:
        asked(place, hangs_up)

    assert not raised.value.whole


def test_a_call_at_which_libvirt_hangs_ends_and_is_made_once(place: Path) -> None:
    calls: list[bytes] = []

    def hangs(what: bytes) -> bytes:
        calls.append(what)
        raise Silent

    with lying(place, Lie(answers={"monitor": hangs})) as uri:
        libvirt = Libvirt(uri)
        agent = libvirt.agent("vm")
        for _ in range(2):
            with pytest.raises(HostError, match="libvirt did not ask vm's guest agent within 6 s"):
                agent.ask("guest-info", {}, 1)
        assert libvirt.domain("vm") is not None  # by a connection that is free
        libvirt.close()

    assert len(calls) == 1


def test_an_answer_just_after_the_deadline_is_waited_for_as_libvirt_itself_ends_its_wait(place: Path) -> None:
    waited = threading.Event()

    def late(_: bytes) -> bytes:
        waited.wait(0.5)
        return says(b'{"return": {}}')(b"")

    with limited(Deadline(0.2)):
        assert asked(place, late) == {}


def test_a_domain_that_is_not_there_has_no_agent(place: Path) -> None:
    with lying(place, Lie()) as uri:
        libvirt = Libvirt(uri)
        with pytest.raises(HostError, match="no domain other"):
            libvirt.agent("other")
        libvirt.close()
