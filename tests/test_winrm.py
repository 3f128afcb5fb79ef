"""A guest asked by WinRM, against a stand-in that speaks the protocol; no Windows was seen."""

from __future__ import annotations

import base64
import json
import logging
import os
import signal
import socket
import socketserver
import struct
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path

import pytest
from psrpcore import ServerPipeline
from psrpcore.types import ErrorCategoryInfo, ErrorRecord, NETException, PSInvocationState

from provision.edges.guest.winrm import WinrmGuest
from provision.edges.guest.winrm_stream import NotHeardError
from provision.runtime.command import Result
from provision.runtime.errors import DeadlineError, HostError, LostError
from provision.runtime.guest_channel import GuestWay, Script
from tests.winrm_certificates import DAY, Authority, alone
from tests.winrm_server import PLAIN, Handler, Spoil, WinrmServer, loopback, never, says
from tests.winrm_soap import Answer, envelope, fault

PASSWORD = "Correct-Horse_1"
SCRIPT = Script("powershell", "rsc", "Get-NetAdapterRsc | ConvertTo-Json -Compress # ä “quoted” \U0001f600")

Start = Callable[..., WinrmServer]


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """Whom we trust, and nobody else; the password is in the environment, and known to the server."""
    made = Authority(tmp_path)
    users = tmp_path / "users"
    users.write_text(f":Administrator:{PASSWORD}\n")
    monkeypatch.setenv("NTLM_USER_FILE", str(users))
    monkeypatch.setenv("WIN_PW", PASSWORD)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(made.file))
    return made


@pytest.fixture
def start(authority: Authority) -> Iterator[Start]:
    """A server, which must not have to complain of us at the end."""
    with ExitStack() as stack:
        servers: list[WinrmServer] = []

        def started(answer: Answer = never, *, tls: bool = True) -> WinrmServer:
            address = loopback()
            server = WinrmServer(address, authority.certified(address) if tls else None, answer)
            servers.append(stack.enter_context(server))
            return server

        yield started
        assert not [complaint for server in servers for complaint in server.complaints]


def way(server: WinrmServer, **more: object) -> GuestWay:
    tls = server.certificate is not None
    return GuestWay(
        "winrm",
        "windows",
        address=server.address,
        user="Administrator",
        password_env="WIN_PW",
        tls=tls,
        **more,
    )


def ask(server: WinrmServer, script: Script = SCRIPT, timeout: float = 10) -> Result:
    with WinrmGuest(way(server)) as guest:
        return guest.run(script, timeout=timeout)


@pytest.mark.parametrize("tls", [True, False])
def test_a_script_is_run_and_its_output_returned(start: Start, tls: bool) -> None:
    said = json.dumps(
        [{"Name": "Ethernet ä \U0001f600", "IPv4FailureReason": "NoFailure"}], ensure_ascii=False
    )
    server = start(says(said), tls=tls)

    result = ask(server)

    assert (result.status, result.out, result.err) == (0, f"{said}\n", "")
    assert server.service.scripts == [SCRIPT.text]
    assert not server.service.shells


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


def test_what_it_takes_is_windows(start: Start) -> None:
    with WinrmGuest(way(start())) as guest:
        assert guest.system() == "windows"


def test_many_lines_and_long_ones_come_whole(start: Start) -> None:
    lines = [f"{number}:{'ü' * 50_000}" for number in range(10)]

    assert ask(start(says(*lines))).out.splitlines() == lines


def test_a_long_script_is_sent_in_pieces_and_arrives_whole(start: Start) -> None:
    server = start(says("ok"))
    long = Script("powershell", "rsc", "# ä\n" * 200_000)

    assert ask(server, long).out == "ok\n"
    assert server.service.scripts == [long.text]
    assert "Send" in server.service.asked


def test_errors_of_a_script_are_told_and_alone_do_not_fail_it(start: Start) -> None:
    def answer(pipeline: ServerPipeline, _script: str) -> None:
        pipeline.write_error(NETException(Message="Access is denied."))
        pipeline.write_progress("Preparing modules", 1, "for first use")
        pipeline.write_warning("\x1b[31mnobody reads this")
        pipeline.write_verbose("nor this")
        pipeline.write_output("{}")
        pipeline.complete()

    result = ask(start(answer))

    assert (result.status, result.out) == (0, "{}\n")
    assert "Access is denied." in result.err


def test_a_script_that_an_error_ends_has_status_1(start: Start) -> None:
    def answer(pipeline: ServerPipeline, _script: str) -> None:
        error = ErrorRecord(
            NETException(Message="no such cmdlet"), ErrorCategoryInfo(), FullyQualifiedErrorId="x"
        )
        pipeline._change_state(PSInvocationState.Failed, error)

    result = ask(start(answer))

    assert result.status == 1
    assert "no such cmdlet" in result.err


def test_a_script_that_ends_late_is_waited_for(start: Start) -> None:
    server = start()

    def answer(pipeline: ServerPipeline, _script: str) -> None:
        def later() -> None:
            with server.service.changed:
                pipeline.write_output("late")
                pipeline.complete()
                server.service.changed.notify_all()

        threading.Timer(0.5, later).start()

    server.service.answer = answer

    assert ask(server).out == "late\n"


@pytest.mark.parametrize("tls", [True, False])
def test_a_script_that_does_not_end_is_stopped_and_its_session_deleted(start: Start, tls: bool) -> None:
    server = start(never, tls=tls)

    error = refusal(server, DeadlineError, timeout=1)

    assert "rsc did not end within 1 s in winrm Administrator@" in str(error)
    assert server.service.asked[-2:] == ["Signal", "Delete"]
    assert not server.service.shells


def test_an_interruption_ends_the_script_in_the_guest(start: Start) -> None:
    server = start(never)

    def interrupt() -> None:
        while not server.service.scripts or server.service.asked[-1] != "Receive":
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        ask(server, timeout=30)

    assert server.service.asked[-2:] == ["Signal", "Delete"]
    assert not server.service.shells


def test_a_guest_that_is_lost_ends_the_session_by_itself(start: Start) -> None:
    server = start(says("ok"))

    ask(server)

    assert server.service.idle == ["PT120S"]


def test_output_without_end_is_refused_and_ended(start: Start) -> None:
    server = start(lambda pipeline, _: pipeline.write_output("x" * (5 << 20)))

    assert "more than 4194304 bytes" in str(refusal(server))
    assert not server.service.shells


@pytest.mark.parametrize("what", [{"a": 1}, ["a"]])
def test_objects_in_place_of_texts_are_refused(start: Start, what: object) -> None:
    def answer(pipeline: ServerPipeline, _script: str) -> None:
        pipeline.write_output(what)
        pipeline.complete()

    assert "puts out texts" in str(refusal(start(answer)))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "cannot be read"),
        (b"<html>", "cannot be read"),
        (b"\xff\xfe<\x00", "cannot be read"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "it has a DTD"),
        (b"<a/>" * 3, "cannot be read"),
        (b"<a>" + b"<b>" * 300_000, "cannot be read"),
        (b"<a/>", "does not answer as PowerShell does"),
        (b" " * (2 << 20), "answers with more than 1048576 bytes"),
    ],
)
@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("action", ["Create", "Receive"])
def test_hostile_documents_are_refused(
    start: Start, action: str, status: int, body: bytes, words: str
) -> None:
    server = start()
    server.spoil = at(action, lambda handler: handler.say(body, status))

    error = refusal(server)

    assert words in str(error) or (status == 500 and "says no" in str(error))
    assert len(str(error)) < 1000


def stream(handler: Handler, data: bytes) -> None:
    words = base64.b64encode(data).decode()
    body = f"<rsp:ReceiveResponse><rsp:Stream Name='stdout'>{words}</rsp:Stream></rsp:ReceiveResponse>"
    handler.say(envelope("x", handler.message, body))


def fragment(data: bytes, *, number: int = 1, part: int = 0, place: int = 3) -> bytes:
    return struct.pack(">QQBI", number, part, place, len(data)) + data


def message(kind: int, text: bytes) -> bytes:
    return struct.pack("<II", 1, kind) + bytes(32) + text


BOMB = b'<!DOCTYPE a [<!ENTITY b "cccccccccccccccccccc"><!ENTITY d "&b;&b;&b;&b;&b;&b;">]><S>&d;</S>'
NEST = b"<Obj RefId='0'><MS>" * 200 + b"</MS></Obj>" * 200


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"x", "middle of a fragment's header"),
        (fragment(b"abc")[:-1], "middle of a fragment"),
        (fragment(b"abc", part=7, place=2), "fragment 7 comes where 0 should"),
        (fragment(b"abc", place=2), "comes where"),
        (fragment(b"short"), "no header"),
        (fragment(message(0x41004, b"\xff")), "UnicodeDecodeError"),
        (fragment(message(0x41004, b"no document")), "no XML"),
        (fragment(message(0x41004, BOMB)), "DTD"),
        (fragment(message(0x41005, NEST)), "nests too deeply"),
        (fragment(message(0x41005, b"<a>" + b"<b/>" * 6000 + b"</a>")), "too many elements"),
        (fragment(message(0x21005, b"<Obj RefId='0'/>")), "Mandatory"),
        (
            fragment(b"", place=1) + b"".join(fragment(b"", part=n, place=0) for n in range(1, 11_000)),
            "10000 pieces",
        ),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
def test_hostile_fragments_are_refused(start: Start, data: bytes, words: str) -> None:
    server = start()
    server.spoil = at("Receive", lambda handler: stream(handler, data))

    error = refusal(server)

    assert words in str(error)
    assert not server.service.shells


def test_messages_that_nobody_needs_are_not_even_read(start: Start) -> None:
    server = start(says("ok"))
    unread = b"".join(fragment(message(kind, BOMB), number=kind) for kind in (0x41010, 0x21100, 0x99999))
    server.spoil = at("Receive", lambda handler: stream(handler, unread), times=1)

    assert ask(server).out == "ok\n"


def test_a_guest_that_hangs_up_is_asked_again_what_it_may_be_asked_again(start: Start) -> None:
    """The guest's adapter may be restarted by the very script."""
    server = start(says("ok"))
    server.spoil = at("Receive", lambda handler: handler.connection.shutdown(socket.SHUT_RDWR), times=2)

    assert ask(server).out == "ok\n"
    assert server.connections == 3


@pytest.mark.parametrize("action", ["login", "Create", "Command"])
def test_a_guest_that_hangs_up_is_told(start: Start, action: str) -> None:
    server = start()
    server.spoil = at(action, lambda handler: handler.connection.shutdown(socket.SHUT_RDWR))
    kind = LostError if action == "Command" else HostError

    with pytest.raises(kind, match="hung up in the middle"):
        ask(server)

    assert not server.service.shells


@pytest.mark.parametrize("action", ["login", "Create", "Command", "Receive", "Delete"])
def test_a_guest_that_falls_silent_is_waited_for_until_the_deadline(start: Start, action: str) -> None:
    server = start(says("ok"))
    server.spoil = at(action, Handler.hang, times=1)

    if action == "Delete":
        assert ask(server).out == "ok\n"
    else:
        refusal(server, DeadlineError, timeout=1)
        assert not server.service.shells


def test_a_guest_that_says_a_byte_at_a_time_has_no_more_time(start: Start) -> None:
    def drip(handler: Handler) -> None:
        with suppress(OSError):
            while not handler.server.over.wait(0.05):
                handler.wfile.write(b"H")

    server = start()
    server.spoil = at("Create", drip)

    refusal(server, DeadlineError, timeout=1)


def test_an_answer_that_is_cut_is_no_answer(start: Start) -> None:
    def cut(handler: Handler) -> None:
        handler.reply(200, b"<a", {"Content-Length": "500"})
        handler.connection.shutdown(socket.SHUT_RDWR)

    server = start()
    server.spoil = at("Create", cut)

    assert "hung up in the middle" in str(refusal(server, NotHeardError))


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
    start: Start, tls: bool, status: int, headers: dict[str, str], words: str
) -> None:
    server = start(tls=tls)
    server.spoil = at("login", lambda handler: handler.reply(status, headers=headers))

    assert words in str(refusal(server))
    assert not server.service.asked


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


def test_words_that_quote_the_password_are_masked(start: Start) -> None:
    def answer(pipeline: ServerPipeline, _script: str) -> None:
        pipeline.write_error(NETException(Message=f"it is {PASSWORD}"))
        pipeline.complete()

    server = start(answer)
    assert ask(server).err == "it is ***\n"

    for document in (fault(7, f"it is {PASSWORD}"), f"<a>{PASSWORD}</a>".encode(), PASSWORD.encode()):
        server.spoil = at("Create", lambda handler, said=document: handler.say(said, 500))
        error = refusal(server)
        told = "".join(traceback.format_exception(error))
        assert PASSWORD not in f"{told}{error.hint}"


def test_nothing_is_logged_or_warned_of(
    start: Start, capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    """A handler of the test's own: pytest's hears also what goes no further."""
    heard: list[str] = []
    ear = logging.Handler(logging.DEBUG)
    ear.emit = lambda record: heard.append(record.name)  # type: ignore[method-assign]
    root = logging.getLogger()
    root.addHandler(ear)
    before = root.level
    root.setLevel(logging.DEBUG)
    try:
        server = start(says("ok"))
        ask(server)
        server.spoil = at("Create", lambda handler: handler.say(b"no document", 500))
        refusal(server)
    finally:
        root.setLevel(before)
        root.removeHandler(ear)

    assert not [name for name in heard if not name.startswith("psrpcore")]
    assert not recwarn
    assert capfd.readouterr() == ("", "")


def test_over_http_an_answer_in_the_clear_is_nobodys(start: Start) -> None:
    server = start(tls=False)
    server.spoil = at("Create", lambda handler: handler.reply(200, b"<a/>", {"Content-Type": PLAIN}))

    assert "it is not encrypted" in str(refusal(server))


def test_over_http_a_fault_in_the_clear_is_told_without_its_words(start: Start) -> None:
    server = start(tls=False)
    server.spoil = at(
        "Create", lambda handler: handler.reply(500, fault(5, "anybody's words"), {"Content-Type": PLAIN})
    )

    assert "anybody's words" not in str(refusal(server))


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


def test_a_certificate_that_certifies_itself_can_be_named(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
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
    plain = GuestWay("winrm", address=server.address, user="Administrator", password_env="WIN_PW")
    with socketserver.TCPServer((server.address, 5986), socketserver.BaseRequestHandler) as other:
        threading.Thread(target=other.handle_request, daemon=True).start()
        with WinrmGuest(plain) as guest, pytest.raises(HostError, match="does not speak TLS"):
            guest.run(SCRIPT, timeout=5)


def test_a_guest_that_is_not_reached_is_told_with_how_to_set_it_up(authority: Authority) -> None:
    nobody = GuestWay("winrm", address=loopback(), user="Administrator", password_env="WIN_PW")
    with (
        WinrmGuest(nobody) as guest,
        pytest.raises(NotHeardError, match="is not reached at port 5986: Connection refused") as caught,
    ):
        guest.run(SCRIPT, timeout=5)

    assert "docs/" in caught.value.hint


def test_an_address_that_nobody_knows_is_told(authority: Authority) -> None:
    nobody = GuestWay("winrm", address="no-such-guest.invalid", user="Administrator", password_env="WIN_PW")
    with WinrmGuest(nobody) as guest, pytest.raises(HostError, match="nobody knows its address"):
        guest.run(SCRIPT, timeout=5)


def test_no_proxy_of_the_environments_is_gone_by(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    assert ask(start(says("ok"))).out == "ok\n"


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


@pytest.mark.parametrize("library", ["pypsrp", "spnego"])
def test_where_pypsrp_is_missing_it_is_told_how_to_have_it(
    start: Start, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)

    error = refusal(start())

    assert library in str(error)
    assert error.hint == "pip install 'rscvm[winrm]'"


def test_only_powershell_is_run(start: Start) -> None:
    server = start()
    with WinrmGuest(way(server)) as guest, pytest.raises(HostError, match="runs PowerShell alone"):
        guest.run(Script("sh", "linux", "ethtool -k eth0"), timeout=5)

    assert not server.connections


def test_many_guests_are_asked_side_by_side(start: Start) -> None:
    servers = [start(says(f"{number}")) for number in range(8)]

    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda server: ask(server).out, servers))

    assert said == [f"{number}\n" for number in range(8)]
