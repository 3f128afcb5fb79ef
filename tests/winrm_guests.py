"""Guests that are asked by WinRM, and what may go wrong with them, for tests; no Windows was seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from provision.edges.guest.winrm import WinrmGuest
from provision.runtime.command import Result
from provision.runtime.errors import HostError
from provision.runtime.guest_channel import GuestWay, Script
from tests.winrm_certificates import Authority
from tests.winrm_server import Handler, Spoil, WinrmServer, loopback, never
from tests.winrm_soap import Answer

VARIABLE = "WIN_PW"
PASSWORD = "Correct-Horse_1"  # noqa: S105 - nobody else's
SCRIPT = Script(
    "powershell", "rsc", "Get-NetAdapterRsc | ConvertTo-Json -Compress # \u00e4 \u201cquoted\u201d \U0001f600"
)

Start = Callable[..., WinrmServer]
"""Starts a server: with what it answers to a script, and by TLS or not."""


@pytest.fixture(name="authority")
def an_authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """Whom we trust, and nobody else; the password is in the environment, and known to the server."""
    made = Authority(tmp_path)
    users = tmp_path / "users"
    users.write_text(f":Administrator:{PASSWORD}\n")
    monkeypatch.setenv("NTLM_USER_FILE", str(users))
    monkeypatch.setenv("WIN_PW", PASSWORD)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(made.file))
    return made


@pytest.fixture(name="start")
def a_start(authority: Authority) -> Iterator[Start]:
    """A server, which must not have to complain of us at the end."""
    with ExitStack() as stack:
        servers: list[WinrmServer] = []

        def started(answer: Answer = never, *, tls: bool = True) -> WinrmServer:
            address = loopback()
            server = WinrmServer(address, authority.certified(address) if tls else None, answer)
            servers.append(stack.enter_context(server))
            return server

        yield started
        for complaint in (each for server in servers for each in server.complaints):
            raise complaint


def way(server: WinrmServer) -> GuestWay:
    return to(server.address, tls=server.certificate is not None)


def to(address: str, *, tls: bool = True) -> GuestWay:
    return GuestWay("winrm", "windows", address=address, user="Administrator", password_env=VARIABLE, tls=tls)


def ask(server: WinrmServer, script: Script = SCRIPT, timeout: float = 10) -> Result:
    with WinrmGuest(way(server)) as guest:
        return guest.run(script, timeout=timeout)


def refusal(server: WinrmServer, kind: type[HostError] = HostError, timeout: float = 10) -> HostError:
    with pytest.raises(kind) as caught:
        ask(server, timeout=timeout)
    assert type(caught.value) is kind
    return caught.value


def at(action: str, act: Callable[[Handler], object], *, times: int = 99) -> Spoil:
    """Spoil the answers to an action, the first so many."""
    left = [times]

    def spoil(handler: Handler, asked: str) -> bool:
        if asked != action or not left[0]:
            return False
        left[0] -= 1
        act(handler)
        return True

    return spoil
