"""Guests whose host key is known, and whose sshd does as it likes once we are let in: each is an error in its time and size.

The sshd is paramiko's own other half, on loopback; real ones are asked in tests/real/test_guest_ssh.py.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import paramiko
import pytest
from paramiko import common
from paramiko.message import Message

from provision.edges.guest.ssh import SshGuest
from provision.runtime.errors import DeadlineError, HostError, LostError
from provision.runtime.guest_channel import GuestWay, Script
from provision.runtime.parallel import side_by_side
from provision.runtime.places import Target

Shell = Literal["sh", "powershell"]
MUCH = 64 << 20
"""Bytes that a guest says which says too much; it has to be stopped before it has said half of them."""
DRIPS = 40
"""Grants, 0.25 s apart, after which a guest that drips gives up: a test that waits for that has failed."""


class Sshd(paramiko.ServerInterface):
    """An sshd that lets anybody in, takes what is sent only as it is granted, and acts once it is to run something."""

    def __init__(self, folder: Path) -> None:
        self.acts: Callable[[Sshd, paramiko.Transport, int], None] = drips
        self.over = threading.Event()
        self.said = 0
        self.granted = 0
        self._key = paramiko.RSAKey.generate(2048)
        ours = paramiko.RSAKey.generate(2048)
        ours.write_private_key_file(str(folder / "id"))
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        (folder / "known").write_text(f"[127.0.0.1]:{port} {self._key.get_name()} {self._key.get_base64()}\n")
        target = Target("g", "127.0.0.1", port, "x", str(folder / "id"), str(folder / "known"))
        self.way = GuestWay("ssh", "windows", target=target)

    def serve(self) -> None:
        """Take connections until the listener is gone."""
        with suppress(OSError):
            while True:
                line, _ = self._listener.accept()
                there = paramiko.Transport(line)
                there.default_window_size = 0
                there.add_server_key(self._key)
                there.start_server(server=_Session(self, there))

    def close(self) -> None:
        self.over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


class _Session(paramiko.ServerInterface):
    """One connection to it."""

    def __init__(self, sshd: Sshd, there: paramiko.Transport) -> None:
        self._sshd, self._there = sshd, there

    def check_auth_publickey(self, *_: object) -> int:
        return common.AUTH_SUCCESSFUL

    def get_allowed_auths(self, _: str) -> str:
        return "publickey"

    def check_channel_request(self, *_: object) -> int:
        return common.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, _: bytes) -> bool:
        whose: int = channel.remote_chanid

        def act() -> None:
            with suppress(OSError, EOFError, paramiko.SSHException):
                self._sshd.over.wait(0.2)  # what it was asked is answered first
                self._sshd.acts(self._sshd, self._there, whose)
            self._there.close()

        threading.Thread(target=act, daemon=True).start()
        return True


def message(kind: bytes, whose: int) -> Any:
    made = Message()
    made.add_byte(kind)
    made.add_int(whose)
    return made


def drips(sshd: Sshd, there: paramiko.Transport, whose: int) -> None:
    """Let one more byte come, again and again."""
    for _ in range(DRIPS):
        grant = message(common.cMSG_CHANNEL_WINDOW_ADJUST, whose)
        grant.add_int(1)
        there._send_user_message(grant)  # type: ignore[attr-defined]
        sshd.granted += 1
        if sshd.over.wait(0.25) or not there.is_active():
            return


def floods(sshd: Sshd, there: paramiko.Transport, whose: int) -> None:
    """Let nothing come, and say what nobody has room for."""
    data = message(common.cMSG_CHANNEL_DATA, whose)
    data.add_string(bytes(30_000))
    while sshd.said < MUCH and there.is_active():
        there._send_user_message(data)  # type: ignore[attr-defined]
        sshd.said += 30_000


def says_one_thing_without_end(sshd: Sshd, there: paramiko.Transport, _: int) -> None:
    """Say a packet of 4 GiB; its length goes in the clear."""
    line = there.sock
    line.settimeout(30)
    line.sendall(struct.pack(">I", 0xFFFFFFF0))
    while sshd.said < MUCH:
        line.sendall(bytes(1 << 16))
        sshd.said += 1 << 16


def begins_new_keys_and_never_has_any(sshd: Sshd, there: paramiko.Transport, whose: int) -> None:
    """Let nothing come, and before that say so much that there is to be told of room for more."""
    table = there._handler_table  # type: ignore[attr-defined]
    there._handler_table = {**table, common.MSG_KEXINIT: lambda _: sshd.over.wait(30)}  # type: ignore[attr-defined]
    data = message(common.cMSG_CHANNEL_DATA, whose)
    data.add_string(bytes(30_000))
    for _packet in range(20):
        there._send_message(data)  # type: ignore[attr-defined]
    there._send_kex_init()  # type: ignore[attr-defined]
    there.join(30)


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    made = Sshd(tmp_path)
    serving = threading.Thread(target=made.serve, daemon=True)
    serving.start()
    yield made
    made.close()
    serving.join(10)


def ask(sshd: Sshd, shell: Shell = "powershell", timeout: float = 30) -> None:
    with SshGuest(sshd.way) as guest:
        guest.run(Script(shell, "rsc", "#" * 4000), timeout=timeout)


@pytest.mark.parametrize("shell", ["powershell", "sh"])
def test_a_guest_that_reads_a_byte_at_a_time_has_no_more_time(sshd: Sshd, shell: Shell) -> None:
    with pytest.raises(DeadlineError, match="rsc did not end within 1 s at ssh "):
        ask(sshd, shell, timeout=2)

    assert sshd.granted < DRIPS


@pytest.mark.parametrize("shell", ["powershell", "sh"])
@pytest.mark.usefixtures("interruptible")
def test_an_interruption_reaches_who_sends_to_such_a_guest(sshd: Sshd, shell: Shell) -> None:
    def interrupt() -> None:
        while not sshd.granted:
            sshd.over.wait(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        side_by_side(["a", "b"], lambda _: ask(sshd, shell))

    assert sshd.granted < DRIPS


def test_what_a_guest_says_while_it_reads_nothing_is_bounded(sshd: Sshd) -> None:
    sshd.acts = floods

    with pytest.raises(HostError, match="rsc puts out more than 4 MiB"):
        ask(sshd)

    assert sshd.said < MUCH / 2


@pytest.mark.parametrize("shell", ["powershell", "sh"])
def test_what_a_guest_says_in_one_packet_is_bounded(sshd: Sshd, shell: Shell) -> None:
    sshd.acts = says_one_thing_without_end

    # An older paramiko takes the length itself for broken.
    with pytest.raises(
        HostError, match=r"it says more than 16777216 bytes at once|Invalid packet blocking"
    ) as raised:
        ask(sshd, shell)

    assert isinstance(raised.value, LostError) is (shell == "powershell")
    assert sshd.said < MUCH / 2


def test_a_guest_that_begins_new_keys_and_never_has_any_is_lost(sshd: Sshd) -> None:
    with SshGuest(sshd.way) as guest:
        guest._host.connect()
        assert guest._host._transport is not None
        guest._host._transport.clear_to_send_timeout = 0.5
        sshd.acts = begins_new_keys_and_never_has_any
        with pytest.raises(LostError, match="waiting for key negotiation"):
            guest.run(Script("powershell", "rsc", "#" * 4000), timeout=30)
