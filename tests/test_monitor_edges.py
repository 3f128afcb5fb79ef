"""QEMU's monitor at its socket: who is connected to, and what becomes of answers that are none."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from provision.edges.qmp import QmpSocket
from provision.runtime.errors import HostError, RefusedError
from provision.runtime.places import ANYBODY, Listener

GREETING = b'{"QMP": {"version": {"qemu": {"major": 7, "minor": 2, "micro": 0}}, "capabilities": []}}\r\n'


@contextmanager
def listening(path: Path, *answers: bytes) -> Iterator[list[int]]:
    """Somebody who listens, greets, and answers these one after another; counts whom it has let in."""
    let_in: list[int] = []
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def serve() -> None:
            with suppress(OSError):  # nobody has come, or they have hung up
                line, _ = server.accept()
                let_in.append(1)
                with line:
                    line.sendall(GREETING)
                    for answer in answers:
                        if not (asked := line.recv(1 << 16)):
                            return
                        line.sendall(answer.replace(b"ID", str(json.loads(asked).get("id", "")).encode()))
                    line.recv(1 << 16)

        threading.Thread(target=serve, daemon=True).start()
        yield let_in
        server.shutdown(socket.SHUT_RDWR)


OK = b'{"return": {}, "id": "ID"}\r\n'


@pytest.mark.parametrize(
    "answer",
    [
        b'{"return": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\r\n",
        b'{"return": \xff\xfe}\r\n',
        b'{"return": ' + b"9" * 10_000 + b"}\r\n",
        b'{"error": 7, "id": "ID"}\r\n',
        b'{"error": {"class": 7, "desc": []}, "id": "ID"}\r\n',
        json.dumps({"error": {"class": "GenericError", "desc": "a" * 200_000}, "id": "ID"}).encode()
        + b"\r\n",
        b"[1]\r\n",
    ],
)
def test_an_answer_that_is_none_is_an_error_in_a_line_and_no_more(tmp_path: Path, answer: bytes) -> None:
    path = tmp_path / "qmp"
    with (
        listening(path, OK, answer),
        QmpSocket(str(path), ANYBODY, timeout=2) as monitor,
        pytest.raises(HostError) as raised,
    ):
        monitor.execute("query-name")
    assert len(str(raised.value)) < 1000


def test_events_that_nobody_waits_for_are_not_kept(tmp_path: Path) -> None:
    event = b'{"event": "RTC_CHANGE", "data": {}, "timestamp": {"seconds": 1, "microseconds": 1}}\r\n'
    path = tmp_path / "qmp"
    with listening(path, OK, event * 1000 + OK), QmpSocket(str(path), ANYBODY) as monitor:
        assert monitor.execute("query-name") == {}
        assert monitor._client is not None
        assert monitor._client.events.empty()


def test_who_listens_is_known_before_a_word_is_said(tmp_path: Path) -> None:
    path = tmp_path / "qmp"
    with listening(path, OK, OK), QmpSocket(str(path), Listener(os.getpid())) as monitor:
        assert monitor.peer == os.getpid()
        assert monitor.execute("query-name") == {}
    with (
        listening(tmp_path / "other"),
        pytest.raises(HostError, match="and not process 1"),
        QmpSocket(str(tmp_path / "other"), Listener(1)),
    ):
        pass


@pytest.mark.real
@pytest.mark.parametrize(("owner", "mode"), [(65534, 0o755), (0, 0o777), (0, 0o775)])
def test_nobody_is_led_to_another_socket_by_a_directory_that_others_can_change(
    tmp_path: Path, owner: int, mode: int
) -> None:
    folder, private = tmp_path / "theirs", tmp_path / "private"
    folder.mkdir()
    (folder / "qmp").symlink_to(private)
    os.chown(folder, owner, owner)
    folder.chmod(mode)

    with listening(private) as let_in:
        with (
            pytest.raises(HostError, match="others than user 0 may change what is there"),
            QmpSocket(str(folder / "qmp"), Listener(uid=0)),
        ):
            pass
        assert let_in == []


def _questions(line: socket.socket) -> Iterator[dict[str, Any]]:
    text = ""
    while more := line.recv(1 << 16):
        text += more.decode()
        while text:
            row, end = json.JSONDecoder().raw_decode(text)
            yield row
            text = text[end:].lstrip()


@contextmanager
def answering(path: Path, *sizes: int, **answers: dict[str, Any] | None) -> Iterator[list[list[str]]]:
    """A monitor that answers each command by its name, once so many have come; tells which came together."""
    together: list[list[str]] = []
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def serve() -> None:
            with suppress(OSError, StopIteration):  # they have hung up
                line, _ = server.accept()
                with line:
                    line.sendall(GREETING)
                    said = _questions(line)
                    for size in (1, *sizes):
                        rows = [next(said) for _ in range(size)]
                        together.append([row["execute"] for row in rows])
                        for row in rows:
                            found = answers.get(row["execute"].replace("-", "_"), {"return": {}})
                            own = {"id": row["id"]} if "id" in row else {}
                            if found is not None:
                                line.sendall(json.dumps({**found, **own}).encode() + b"\r\n")
                    next(said, None)

        threading.Thread(target=serve, daemon=True).start()
        yield together
        server.shutdown(socket.SHUT_RDWR)


REFUSAL = {"error": {"class": "DeviceNotFound", "desc": "no such"}}


def test_what_is_asked_ahead_comes_in_one_round_trip_and_is_told_once(tmp_path: Path) -> None:
    path, name = tmp_path / "qmp", {"return": {"name": "vm"}}
    with (
        answering(path, 2, 1, 1, query_name=name, qom_get=REFUSAL) as came,
        QmpSocket(str(path), ANYBODY) as monitor,
    ):
        monitor.ahead([("query-name", {}), ("qom-get", {"path": "/a"})])
        with pytest.raises(RefusedError, match="no such") as refused:
            monitor.execute("qom-get", {"path": "/a"})
        assert monitor.execute("query-name") == {"name": "vm"}
        assert came[1:] == [["query-name", "qom-get"]]
        assert monitor.execute("query-name") == {"name": "vm"}
        with pytest.raises(RefusedError):
            monitor.execute("qom-get", {"path": "/b"})

    assert refused.value.kind == "DeviceNotFound"
    assert came[2:] == [["query-name"], ["qom-get"]]


def test_what_was_asked_ahead_and_is_not_wanted_is_forgotten_by_the_next(tmp_path: Path) -> None:
    path = tmp_path / "qmp"
    with answering(path, 1, 1, 1) as came, QmpSocket(str(path), ANYBODY) as monitor:
        monitor.ahead([("query-pci", {})])
        monitor.ahead([])
        monitor.ahead([("query-name", {})])
        monitor.execute("query-pci")

    assert came[1:] == [["query-pci"], ["query-name"], ["query-pci"]]


def test_a_monitor_that_does_not_answer_what_is_asked_ahead(tmp_path: Path) -> None:
    path = tmp_path / "qmp"
    with answering(path, 2, qom_get=None), QmpSocket(str(path), ANYBODY, timeout=1) as monitor:
        monitor.ahead([("qom-get", {"path": "/a"}), ("qom-get", {"path": "/b"})])
        for name in ("/a", "/b"):
            with pytest.raises(HostError, match="was not answered"):
                monitor.execute("qom-get", {"path": name})
