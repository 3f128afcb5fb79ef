"""Guests that say by WinRM what they like, or nothing."""

from __future__ import annotations

import base64
import logging
import socket
import struct
from contextlib import suppress

import pytest
from psrpcore import ServerPipeline

from provision.edges.guest.winrm_stream import NotHeardError
from provision.runtime.errors import DeadlineError, HostError, LostError
from tests.winrm_guests import (  # the fixtures by other names than their tests' arguments have
    Start,
    a_start,  # noqa: F401
    an_authority,  # noqa: F401
    ask,
    at,
    refusal,
)
from tests.winrm_server import PLAIN, Handler, says
from tests.winrm_soap import envelope, fault

BOMB = b'<!DOCTYPE a [<!ENTITY b "cccccccccccccccccccc"><!ENTITY d "&b;&b;&b;&b;&b;&b;">]><S>&d;</S>'


NEST = b"<Obj RefId='0'><MS>" * 200 + b"</MS></Obj>" * 200


def stream(handler: Handler, data: bytes) -> None:
    words = base64.b64encode(data).decode()
    body = f"<rsp:ReceiveResponse><rsp:Stream Name='stdout'>{words}</rsp:Stream></rsp:ReceiveResponse>"
    handler.say(envelope("x", handler.message, body))


def fragment(data: bytes, *, number: int = 1, part: int = 0, place: int = 3) -> bytes:
    return struct.pack(">QQBI", number, part, place, len(data)) + data


def message(kind: int, text: bytes) -> bytes:
    return struct.pack("<II", 1, kind) + bytes(32) + text


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


def test_errors_that_take_long_to_read_have_no_more_time(start: Start) -> None:
    within = b"".join(b"<Obj N='a' RefId='%d'><MS>" % each for each in range(1, 14))
    record = (
        b"<Obj RefId='0'><MS>%b%b%b<B N='SerializeExtendedInfo'>false</B><S N='FullyQualifiedErrorId'>x</S>"
        b"<I32 N='ErrorCategory_Category'>0</I32></MS></Obj>"
    ) % (within.replace(b"'a'", b"'TargetObject'", 1), b"<S N='x'>a</S>" * 2400, b"</MS></Obj>" * 13)
    many = b"".join(fragment(message(0x41005, record), number=each) for each in range(1, 18))
    many += fragment(message(0x41005, b"what is not even come to"), number=18)
    server = start()

    def spoil(handler: Handler, action: str) -> bool:
        if action != "Receive" or not server.service.scripts:
            return False
        stream(handler, many)
        return True

    server.spoil = spoil

    refusal(server, DeadlineError, timeout=1)


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
        refusal(server, DeadlineError, timeout=2)
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


def test_nothing_is_logged_or_warned_of(
    start: Start, capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    """A handler of the test's own: pytest's hears also what goes no further."""
    heard: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(record.name)

    ear = Ear(logging.DEBUG)
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


@pytest.mark.parametrize("length", [b"-1", b"fffffffffffffff"])
def test_before_the_login_too_an_answer_is_bounded_whatever_length_its_chunks_tell(
    start: Start, length: bytes
) -> None:
    """Python 3.11's http.client reads to the end where a chunk has -1 bytes."""
    sent: list[int] = []

    def endless(handler: Handler, _: str) -> bool:
        handler.wfile.write(b"HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\n%b\r\n" % length)
        with suppress(OSError):
            while len(sent) < 32:
                handler.wfile.write(bytes(1 << 20))
                sent.append(1)
        return True

    server = start(tls=False)
    server.spoil = endless

    assert "answers with more than 1048576 bytes" in str(refusal(server))
    assert len(sent) < 16
