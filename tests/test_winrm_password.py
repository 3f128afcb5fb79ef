"""Guests that quote the password of their WinRM: nobody comes to read it."""

from __future__ import annotations

import traceback
from functools import partial
from pathlib import Path

import pytest
from psrpcore import ServerPipeline
from psrpcore.types import NETException

from provision.edges.guest.unspoken import cause, unspoken
from provision.runtime.errors import HostError
from provision.runtime.masked import MARK
from tests.winrm_guests import (  # the fixtures by other names than their tests' arguments have
    PASSWORD,
    VARIABLE,
    Start,
    a_start,  # noqa: F401
    an_authority,  # noqa: F401
    ask,
    at,
    refusal,
)
from tests.winrm_server import Handler
from tests.winrm_soap import fault

ODD = "Correct\tHorse\\1"


def told(error: HostError) -> str:
    """All that a reader may come to see of it."""
    return f"{''.join(traceback.format_exception(error))}{error.hint}"


def test_words_that_quote_the_password_are_masked(start: Start) -> None:
    def answer(pipeline: ServerPipeline, _script: str) -> None:
        pipeline.write_error(NETException(Message=f"it is {PASSWORD}"))
        pipeline.complete()

    server = start(answer)
    assert ask(server).err == "it is ***\n"

    tags = f"<{PASSWORD}></b>"
    for said in (
        fault(7, f"it is {PASSWORD}"),
        f"<a>{PASSWORD}</a>".encode(),
        PASSWORD.encode(),
        tags.encode(),
    ):
        for status in (200, 500):
            server.spoil = at("Create", partial(Handler.say, document=said, status=status))
            assert PASSWORD not in told(refusal(server))


def test_a_password_is_masked_also_where_nobody_is_let_in_yet(start: Start) -> None:
    server = start()
    for act in (
        lambda handler: handler.wfile.write(f"HTTP/1.1 {'0' * 170}{PASSWORD}\r\n\r\n".encode()),
        lambda handler: handler.reply(401, headers={"WWW-Authenticate": f"is-it-{PASSWORD}"}),
    ):
        server.spoil = at("login", act)
        error = refusal(server)
        assert MARK in str(error)
        assert PASSWORD[:5].lower() not in told(error).lower()


@pytest.mark.parametrize("before", [295, 595])
def test_a_password_is_masked_also_where_words_are_cut(start: Start, before: int) -> None:
    server = start()
    server.spoil = at("Create", lambda handler: handler.say(fault(7, f"{'x' * before}{PASSWORD}"), 500))

    assert PASSWORD[:5] not in told(refusal(server))


def test_a_password_is_masked_also_where_words_are_escaped(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "users").write_text(f":Administrator:{ODD}\n")
    monkeypatch.setenv(VARIABLE, ODD)
    server = start()
    server.spoil = at("Create", lambda handler: handler.say(fault(7, f"it is {ODD}"), 500))

    assert "it is ***" in str(error := refusal(server))
    assert "Horse" not in told(error)


def test_a_password_is_masked_also_as_an_error_of_pythons_quotes_it() -> None:
    """As those of a number that is none do."""
    with pytest.raises(ValueError, match="invalid literal") as caught:
        int(ODD)

    assert unspoken(str(caught.value), ODD) == "invalid literal for int() with base 10: '***'"
    assert cause(caught.value, ODD) is None
    assert cause(caught.value, "another") is caught.value
