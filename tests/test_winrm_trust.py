"""Whom we take for a guest's WinRM service, and who lets us in there."""

from __future__ import annotations

import socketserver
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from provision.edges.guest.winrm import WinrmGuest
from provision.edges.guest.winrm_stream import NotHeardError
from provision.runtime.errors import HostError
from tests.winrm_certificates import DAY, Authority, alone
from tests.winrm_guests import (  # the fixtures by other names than their tests' arguments have
    SCRIPT,
    Start,
    a_start,  # noqa: F401
    an_authority,  # noqa: F401
    ask,
    at,
    refusal,
    to,
)
from tests.winrm_server import WinrmServer, loopback, says
from tests.winrm_soap import fault


@pytest.mark.parametrize(
    ("status", "headers", "words"),
    [
        (302, {"Location": "https://elsewhere.example/wsman"}, "sends us elsewhere (HTTP 302)"),
        (404, {}, "no WinRM service is at /wsman"),
        (401, {"WWW-Authenticate": 'Basic realm="WSMAN"'}, "it offers basic"),
        (401, {"WWW-Authenticate": "Negotiate"}, "login refused"),
        (401, {"WWW-Authenticate": "Negotiate !!!"}, "login refused"),
        (401, {"WWW-Authenticate": "Negotiate AAAA"}, "no login by NTLM"),
        (401, {}, "it offers nothing"),
        (503, {}, "HTTP 503"),
        (200, {}, "does not log us in by NTLM (HTTP 200)"),
    ],
)
@pytest.mark.parametrize("tls", [True, False])
def test_a_service_that_does_not_let_us_in_is_told_by_how(
    start: Start, *, tls: bool, status: int, headers: dict[str, str], words: str
) -> None:
    server = start(tls=tls)
    server.spoil = at("login", lambda handler: handler.reply(status, headers=headers))

    assert words in str(refusal(server))
    assert not server.service.asked


@pytest.mark.parametrize("said", [b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 two hundred\r\n\r\n"])
def test_what_speaks_no_http_is_told(start: Start, said: bytes) -> None:
    server = start()
    server.spoil = at("login", lambda handler: handler.wfile.write(said))

    assert "says what is no HTTP" in str(refusal(server))


def test_a_wrong_password_is_refused_and_told_where_it_came_from(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WIN_PW", "wrong-horse")

    error = refusal(start())

    assert "login refused" in str(error)
    assert "$WIN_PW" in error.hint
    assert "wrong-horse" not in f"{error}{error.hint}"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (5, "does not allow that (0x00000005): no\\x1b[31m"),
        (0x8033803B, "has no PowerShell for us (0x8033803B)"),
        (0x80338002, "has no PowerShell for us (0x80338002)"),
        (7, "says no (0x00000007)"),
    ],
)
def test_a_fault_is_told_by_its_number_with_its_words_escaped(start: Start, code: int, words: str) -> None:
    server = start()
    server.spoil = at(
        "Create", lambda handler: handler.say(fault(code, "no\x1b[31m".replace("\x1b", "\u009b")), 500)
    )

    assert words.replace("\\x1b", "\\x9b") in str(refusal(server))
    assert "Delete" not in server.service.asked


@pytest.mark.parametrize(
    ("until", "name", "words"),
    [
        (-DAY / 2, "", "has expired"),
        (DAY, "win2019.example", "is for another name"),
        (DAY, "127.0.0.9", "is for another name"),
    ],
)
def test_a_certificate_that_does_not_count_is_told_by_why(
    authority: Authority, until: timedelta, name: str, words: str
) -> None:
    address = loopback()
    file = authority.certified(name or address, until=until)
    with WinrmServer(address, file) as server:
        assert words in str(refusal(server))
        assert not server.service.asked


def test_a_certificate_of_tomorrow_does_not_count_today(authority: Authority) -> None:
    address = loopback()
    with WinrmServer(address, authority.certified(address, since=DAY, until=2 * DAY)) as server:
        assert "is not yet valid" in str(refusal(server))


def test_a_strangers_certificate_is_not_trusted(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(Authority(tmp_path, "another").file))
    error = refusal(start())

    assert "is not trusted" in str(error)
    assert "REQUESTS_CA_BUNDLE" in error.hint


def test_without_a_bundle_the_systems_authorities_count_alone(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    server = start(says("ok"))
    assert "is not trusted" in str(refusal(server))

    monkeypatch.setenv(
        "SSL_CERT_FILE", str(server.certificate and server.certificate.parent / "A test's authority.pem")
    )
    assert ask(server).out == "ok\n"


@pytest.mark.usefixtures("authority")
def test_a_certificate_that_certifies_itself_can_be_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = loopback()
    both, shown = alone(tmp_path, address)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(shown))
    with WinrmServer(address, both, says("ok")) as server:
        assert ask(server).out == "ok\n"


def test_a_bundle_that_is_not_there_is_told(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")

    assert "REQUESTS_CA_BUNDLE names /nowhere/ca.pem" in str(refusal(start()))


def test_what_speaks_no_tls_is_told(start: Start) -> None:
    server = start(tls=False)
    plain = to(server.address)
    with socketserver.TCPServer((server.address, 5986), socketserver.BaseRequestHandler) as other:
        threading.Thread(target=other.handle_request, daemon=True).start()
        with WinrmGuest(plain) as guest, pytest.raises(HostError, match="does not speak TLS"):
            guest.run(SCRIPT, timeout=5)


@pytest.mark.usefixtures("authority")
def test_a_guest_that_is_not_reached_is_told_with_how_to_set_it_up() -> None:
    nobody = to(loopback())
    with (
        WinrmGuest(nobody) as guest,
        pytest.raises(NotHeardError, match="is not reached at port 5986: Connection refused") as caught,
    ):
        guest.run(SCRIPT, timeout=5)

    assert "docs/" in caught.value.hint


@pytest.mark.usefixtures("authority")
def test_an_address_that_nobody_knows_is_told() -> None:
    nobody = to("no-such-guest.invalid")
    with WinrmGuest(nobody) as guest, pytest.raises(HostError, match="nobody knows its address"):
        guest.run(SCRIPT, timeout=5)


@pytest.mark.parametrize("value", [None, ""])
def test_without_a_password_nobody_is_asked(
    start: Start, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv("WIN_PW")
    if value is not None:
        monkeypatch.setenv("WIN_PW", value)
    server = start()

    error = refusal(server)

    assert "WIN_PW is not set in the environment" in str(error)
    assert "export WIN_PW" in error.hint
    assert not server.connections
