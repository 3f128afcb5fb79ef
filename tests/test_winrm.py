"""A guest asked by WinRM, against a stand-in that speaks the protocol; no Windows was seen."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path

import pytest
from psrpcore import ServerPipeline
from psrpcore.types import ErrorCategoryInfo, ErrorRecord, NETException, PSInvocationState

from provision.edges.guest.winrm import WinrmGuest
from provision.edges.wiring import RealEdges
from provision.runtime.errors import DeadlineError, HostError
from provision.runtime.guest_channel import Script
from provision.runtime.interrupt import _arrived, begin, workers
from tests.winrm_guests import (  # the fixtures by other names than their tests' arguments have
    PASSWORD,
    SCRIPT,
    Start,
    a_start,  # noqa: F401
    an_authority,  # noqa: F401
    ask,
    refusal,
    to,
    way,
)
from tests.winrm_server import never, says

OURS = ("provision.edges.guest.winrm", "provision.edges.guest.psrp")
"""What loads pypsrp; it has been loaded by now."""


@pytest.mark.parametrize("tls", [True, False])
def test_a_script_is_run_and_its_output_returned(start: Start, *, tls: bool) -> None:
    said = json.dumps(
        [{"Name": "Ethernet ä \U0001f600", "IPv4FailureReason": "NoFailure"}], ensure_ascii=False
    )
    server = start(says(said), tls=tls)

    result = ask(server)

    assert (result.status, result.out, result.err) == (0, f"{said}\n", "")
    assert server.service.scripts == [SCRIPT.text]
    assert not server.service.shells


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
def test_a_script_that_does_not_end_is_stopped_and_its_session_deleted(start: Start, *, tls: bool) -> None:
    server = start(never, tls=tls)

    error = refusal(server, DeadlineError, timeout=4)

    assert "rsc did not end within 2 s in winrm Administrator@" in str(error)
    assert server.service.asked[-2:] == ["Signal", "Delete"]
    assert not server.service.shells


@pytest.mark.usefixtures("interruptible")
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


def test_whoever_asks_in_a_thread_of_its_own_is_interrupted_too(start: Start) -> None:
    """Signals reach the main thread alone, which waits for the others."""
    server = start(never)

    def asked() -> None:
        begin()
        ask(server, timeout=30)

    def interrupted() -> None:
        with ThreadPoolExecutor(1) as pool, workers():
            ended.append(pool.submit(asked))
            while not server.service.scripts or server.service.asked[-1] != "Receive":
                time.sleep(0.01)
            _arrived(signal.SIGINT, None)
            left.extend(wait(ended, 20).not_done)

    ended: list[Future[None]] = []
    left: list[Future[None]] = []
    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert isinstance(ended[0].exception(0), KeyboardInterrupt)
    assert not left
    assert server.service.asked[-2:] == ["Signal", "Delete"]


def test_an_account_of_a_domain_logs_in_by_its_whole_name(start: Start, tmp_path: Path) -> None:
    (tmp_path / "users").write_text(f"CORP:ops:{PASSWORD}\n")
    server = start(says("ok"))
    with WinrmGuest(replace(way(server), user="CORP\\ops")) as guest:
        assert guest.run(SCRIPT, timeout=10).out == "ok\n"
    with (
        WinrmGuest(replace(way(server), user="ops")) as guest,
        pytest.raises(HostError, match="login refused"),
    ):
        guest.run(SCRIPT, timeout=10)


def test_a_guest_that_is_lost_ends_the_session_by_itself(start: Start) -> None:
    server = start(says("ok"))

    ask(server)

    assert server.service.idle == ["PT120S"]


def test_no_proxy_of_the_environments_is_gone_by(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    assert ask(start(says("ok"))).out == "ok\n"


@pytest.mark.parametrize("library", ["pypsrp", "spnego"])
def test_where_pypsrp_is_missing_it_is_told_how_to_have_it(
    monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    for name in [name for name in sys.modules if name.startswith((*OURS, f"{library}."))]:
        monkeypatch.delitem(sys.modules, name)

    with pytest.raises(HostError, match=library) as caught:
        RealEdges({}).guest("local", to("192.0.2.1"))

    assert caught.value.hint == "pip install 'rscvm[winrm]'"


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
