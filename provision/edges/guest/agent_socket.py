"""A guest agent at the socket at which QEMU listens for it: lines of JSON, one question at a time."""

from __future__ import annotations

import json
import secrets
import select
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Self

from provision.edges.guest.agent_words import INSTALL, LONGEST_ANSWER, returned
from provision.runtime.deadline import Deadline, within_limit
from provision.runtime.errors import DeadlineError, HostError, RefusedError, SilentError, UnreadableError
from provision.runtime.interrupt import look

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from provision.edges.sockets import Line
    from provision.runtime.places import Listener

_MARK = b"\xff"
"""Stands in no JSON: what the agent had heard before is forgotten, and what it had said (guest-sync-delimited)."""
_SYNC = 5.0
"""Seconds within which an agent answers that it is there; libvirt gives it as many."""
_LOOK = 0.2
"""Seconds between looks for an interruption."""
_PIECE = 1 << 16


class AgentSocket:
    """A guest agent behind QEMU's socket; a context manager, because QEMU serves one client at a time."""

    def __init__(self, place: str, listener: Listener, way: AbstractContextManager[Line]) -> None:
        """`way` leads there, be it here or on another host; the place is for a reader."""
        self._place, self._pid, self._way = place, listener.pid, way
        self._open = ExitStack()
        self._socket: socket.socket | None = None
        self._heard = bytearray()
        self._in_step = False
        """Whether what comes next is the answer to what is asked next."""

    def __enter__(self) -> Self:
        """Connect, and say nothing yet.

        :raise HostError: when nobody listens there, or another process than has to.
        """
        with ExitStack() as stack:
            line = stack.enter_context(self._way)
            if line.peer is not None and self._pid not in (None, line.peer):
                raise HostError(f"process {line.peer} listens at {self._place}, and not process {self._pid}")
            self._socket = line.socket
            line.socket.setblocking(False)
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Hang up."""
        self._socket = None
        self._open.close()

    def ask(self, command: str, arguments: Mapping[str, object], seconds: float) -> object:
        """Return the command's `return` value.

        :raise RefusedError: when the agent answers with an error.
        :raise DeadlineError: when it does not answer in time.
        :raise HostError: when nobody is there, or says what no agent would.
        """
        deadline = Deadline(within_limit(seconds))
        if not self._in_step:
            self._synchronise(Deadline(min(_SYNC, deadline.remaining)))
        self._in_step = False  # until the answer is there
        try:
            self._send(_line(command, arguments), deadline)
            answer = self._next_line(deadline)
        except TimeoutError as error:
            raise DeadlineError(
                f"the guest agent at {self._place} did not answer {command} within {deadline.seconds:.3g} s",
                whole=False,
            ) from error
        self._in_step = True
        return returned(answer, command)

    def _synchronise(self, deadline: Deadline) -> None:
        """Read on until what comes is an answer to us: what came before was said to another, or to us and too late.

        :raise DeadlineError: when no such answer comes.
        """
        number = secrets.randbits(48)
        heard = False
        try:
            self._send(_MARK + _line("guest-sync-delimited", {"id": number}), deadline)
            while True:
                while _MARK not in self._heard:
                    heard |= bool(self._heard)
                    self._heard.clear()
                    self._receive(deadline)
                del self._heard[: self._heard.index(_MARK) + 1]
                if _is_answer(self._next_line(deadline), number):
                    self._in_step = True
                    return
                heard = True
        except TimeoutError as error:
            what = "says nothing that was asked of it" if heard else "does not answer"
            kind = DeadlineError if heard else SilentError
            raise kind(
                f"the guest agent at {self._place} {what} within {deadline.seconds:.3g} s",
                hint="" if heard else f"{INSTALL} (if so it hangs, or another client is connected there)",
                whole=False,
            ) from error

    def _next_line(self, deadline: Deadline) -> bytes:
        """What comes up to the end of a line.

        :raise HostError: when that is too long.
        :raise TimeoutError: when it does not come in time.
        """
        looked = 0
        while (end := self._heard.find(b"\n", looked)) < 0:
            looked = len(self._heard)
            if looked > LONGEST_ANSWER:
                self._heard.clear()
                raise HostError(f"the guest agent at {self._place} says more than {LONGEST_ANSWER >> 20} MiB")
            self._receive(deadline)
        line = bytes(self._heard[:end])
        del self._heard[: end + 1]
        return line

    def _receive(self, deadline: Deadline) -> None:
        """Hear some more.

        :raise TimeoutError: when nothing comes in time.
        :raise HostError: when QEMU hangs up.
        """
        end = self._ready(select.POLLIN, deadline)
        try:
            data = end.recv(_PIECE)
        except BlockingIOError:
            return
        except OSError as error:
            raise HostError(f"the socket at {self._place} broke: {error.strerror}") from error
        if not data:
            raise HostError(f"QEMU hung up at {self._place}", hint="was the guest stopped?")
        self._heard += data

    def _send(self, data: bytes, deadline: Deadline) -> None:
        """Say it.

        :raise TimeoutError: when nobody reads it in time.
        :raise HostError: when QEMU hangs up.
        """
        while data:
            end = self._ready(select.POLLOUT, deadline)
            try:
                data = data[end.send(data) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise HostError(f"the socket at {self._place} broke: {error.strerror}") from error

    def _ready(self, event: int, deadline: Deadline) -> socket.socket:
        if self._socket is None:
            raise HostError(f"the guest agent at {self._place} is not connected")
        poll = select.poll()
        poll.register(self._socket, event)
        while not deadline.expired:  # also where somebody talks without end
            look()
            if poll.poll(min(_LOOK, deadline.remaining) * 1000):
                return self._socket
        raise TimeoutError


def _line(command: str, arguments: Mapping[str, object]) -> bytes:
    return json.dumps({"execute": command, "arguments": dict(arguments)}).encode() + b"\n"


def _is_answer(text: bytes, number: int) -> bool:
    with suppress(RefusedError, SilentError, UnreadableError):  # another's
        return returned(text, "guest-sync-delimited") == number
    return False
