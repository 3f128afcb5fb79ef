"""A stand-in for QEMU's socket with a guest agent behind it; it answers as qemu-ga does, unless it is told otherwise.

What it is asked to run it runs, as this machine's programs. A test of real agents is tests/real/test_guest_agent.py.
"""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from provision.edges.guest.agent_channel import AgentGuest
from provision.edges.guest.agent_socket import AgentSocket
from provision.edges.sockets import connected
from provision.runtime.guest_channel import Script, System
from provision.runtime.places import ANYBODY, Listener

COMMANDS = ("guest-sync-delimited", "guest-info", "guest-get-osinfo", "guest-exec", "guest-exec-status")

Says = Callable[[Mapping[str, Any]], object]
"""What it answers to a command's arguments: the `return` value, bytes as they go over the line, or None for nothing."""


def info(*forbidden: str, lacking: str = "", version: str = "7.2.22") -> dict[str, Any]:
    """What guest-info tells (qapi-schema of qemu-ga: GuestAgentInfo)."""
    rows = [
        {"name": name, "enabled": name not in forbidden, "success-response": True}
        for name in COMMANDS
        if name != lacking
    ]
    return {"version": version, "supported_commands": rows}


def refusal(words: str, kind: str = "GenericError") -> bytes:
    """An error, as it goes over the line."""
    return json.dumps({"error": {"class": kind, "desc": words}}).encode() + b"\n"


class _Program:
    """A program that an agent has started."""

    def __init__(self, asked: Mapping[str, Any]) -> None:
        self._open = ExitStack()
        self._said = [self._file(), self._file()]
        self._fed = self._file()
        self._fed.write(base64.b64decode(asked.get("input-data", "")))
        self._fed.seek(0)
        argv = [asked["path"], *asked.get("arg", [])]
        self.process = subprocess.Popen(argv, stdin=self._fed, stdout=self._said[0], stderr=self._said[1])

    def _file(self) -> IO[bytes]:
        return self._open.enter_context(tempfile.TemporaryFile())

    def end(self) -> None:
        """Kill it, and forget what it said."""
        self.process.kill()
        self.process.wait()
        self._open.close()

    def status(self) -> dict[str, Any]:
        """What guest-exec-status tells of it."""
        if (code := self.process.poll()) is None:
            return {"exited": False}
        ended: dict[str, Any] = {"exitcode": code} if code >= 0 else {"signal": -code}
        for stream, name in zip(self._said, ("out-data", "err-data"), strict=True):
            stream.seek(0)
            if data := stream.read():
                ended[name] = base64.b64encode(data).decode()
        self._open.close()
        return {"exited": True, **ended}


class StandIn:
    """An agent behind a socket."""

    def __init__(self, says: Mapping[str, Says], before: bytes = b"") -> None:
        """`before` is what comes over the line before anything was asked."""
        self._says, self._before = says, before
        self.programs: dict[int, _Program] = {}
        self.asked: list[tuple[str, Mapping[str, Any]]] = []

    def serve(self, listener: socket.socket) -> None:
        """Answer one client after another, as QEMU does, until the listener is shut down."""
        with suppress(OSError):
            while True:
                line, _ = listener.accept()
                with line, suppress(OSError):
                    line.sendall(self._before)
                    for asked in line.makefile("rb"):
                        self._answer(line, asked)

    def _answer(self, line: socket.socket, asked: bytes) -> None:
        question = json.loads(asked.lstrip(b"\xff"))
        command, arguments = question["execute"], question.get("arguments", {})
        self.asked.append((command, arguments))
        own = self._says.get(command) or getattr(self, f"_{command.removeprefix('guest-').replace('-', '_')}")
        said = own(arguments)
        if isinstance(said, bytes):
            line.sendall(said)
        elif isinstance(said, Iterator):
            for piece in said:
                line.sendall(piece)
        elif said is not None:
            mark = b"\xff" if command == "guest-sync-delimited" else b""
            line.sendall(mark + json.dumps({"return": said}).encode() + b"\n")

    def _sync_delimited(self, asked: Mapping[str, Any]) -> object:
        return asked["id"]

    def _info(self, _: Mapping[str, Any]) -> object:
        return info()

    def _get_osinfo(self, _: Mapping[str, Any]) -> object:
        return {"id": "debian", "kernel-release": "6.1.0-49-amd64"}

    def _exec(self, asked: Mapping[str, Any]) -> object:
        started = _Program(asked)
        self.programs[started.process.pid] = started
        return {"pid": started.process.pid}

    def _exec_status(self, asked: Mapping[str, Any]) -> object:
        if (program := self.programs.get(asked["pid"])) is None:
            return refusal("PID 1 does not exist")
        status = program.status()
        if status["exited"]:
            del self.programs[asked["pid"]]
        return status

    def commands(self) -> list[str]:
        """What it was asked, without synchronisation."""
        return [name for name, _ in self.asked if name != "guest-sync-delimited"]


@contextmanager
def agent_at(path: Path, says: Mapping[str, Says] | None = None, before: bytes = b"") -> Iterator[StandIn]:
    """An agent that listens at a path."""
    there = StandIn(says or {}, before)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        serving = threading.Thread(target=there.serve, args=(listener,), daemon=True)
        serving.start()
        try:
            yield there
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            serving.join(10)
            for program in there.programs.values():
                program.end()


@contextmanager
def asking(path: Path, system: System | None = None, listener: Listener = ANYBODY) -> Iterator[AgentGuest]:
    """The guest behind a socket, as our edges reach it."""
    with AgentSocket(str(path), listener, connected(str(path), listener.uid, 5)) as agent:
        yield AgentGuest("vm", agent, system)


@contextmanager
def guest_with(
    path: Path, says: Mapping[str, Says] | None = None, before: bytes = b""
) -> Iterator[tuple[AgentGuest, StandIn]]:
    """A guest, and the agent behind it."""
    with agent_at(path, says, before) as there, asking(path) as guest:
        yield guest, there


def sh(text: str, name: str = "words") -> Script:
    """A script for sh."""
    return Script("sh", name, text)


def pieces(data: Iterable[bytes]) -> Says:
    """An answer that comes in pieces, each as it is."""
    return lambda _: iter(data)
