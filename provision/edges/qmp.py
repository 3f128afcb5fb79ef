"""QMP over a socket, one question at a time, through qemu.qmp."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING, Self, TypeVar

from provision.edges.ahead import MOST_AHEAD, AskedAhead
from provision.edges.sockets import connected
from provision.runtime.deadline import within_limit
from provision.runtime.errors import HostError, RefusedError, UnreadableError
from provision.runtime.interrupt import look
from provision.runtime.safe_text import short

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Coroutine, Mapping, Sequence
    from contextlib import AbstractContextManager

    from qemu.qmp import QMPClient

    from provision.edges.sockets import Line
    from provision.runtime.places import Listener
    from provision.runtime.protocols import MonitorQuestion

_T = TypeVar("_T")
_GREETING = 5.0
"""Seconds within which a QEMU greets whom it serves; while somebody else is its client it greets nobody."""
_WORDS = 300
"""Characters of what a monitor says that are handed on in an error."""
_LONGEST_ANSWER = 4 << 20
"""Bytes of an answer; a QEMU that tells all its 10,000 devices has 1 MB."""
_LONGEST = 30.0
"""Seconds for which a monitor is asked anything: whoever answers each question late would keep us for ever."""


class QmpSocket:
    """A QEMU's monitor socket; a context manager, because QEMU serves one client at a time."""

    def __init__(
        self,
        place: str,
        listener: Listener,
        way: AbstractContextManager[Line] | None = None,
        *,
        timeout: float = 10,
    ) -> None:
        """Connect to a path or a port here, or by a way that leads to one elsewhere; the place is for a reader then."""
        self._place = place
        self._pid = listener.pid
        self._way = way or connected(place, listener.uid, timeout)
        self._timeout = timeout
        self._open = ExitStack()
        self._socket: socket.socket | None = None
        self._client: QMPClient | None = None
        self._ahead = AskedAhead()
        self._begun = time.monotonic()
        self.peer: int | None = None
        """The process that listens there, as its kernel tells it; None where it does not."""

    def __enter__(self) -> Self:
        """Connect, and say nothing yet.

        :raise HostError: when nobody listens there, or another process than has to.
        """
        with ExitStack() as stack:
            line = stack.enter_context(self._way)
            self._socket, self.peer = line.socket, line.peer
            if self.peer is not None and self._pid not in (None, self.peer):
                raise HostError(f"process {self.peer} listens at {self._place}, and not process {self._pid}")
            self._loop = stack.enter_context(asyncio.Runner())
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Hang up; a QEMU that is gone by now is no error."""
        with self._open:
            if self._client is not None:
                with suppress(Exception):  # whatever it has sent meanwhile
                    self._wait(self._client.disconnect)

    def ahead(self, questions: Sequence[MonitorQuestion]) -> None:
        """Ask all of these at once; `execute` tells what came of it."""
        questions = questions[:MOST_AHEAD]
        if not questions:
            return
        look()
        try:
            client = self._client or self._greeted()
            answers = self._wait(lambda: _all_of(client, questions))
        except HostError as error:
            self._ahead.keep(questions, [error] * len(questions))
        except Exception as error:  # noqa: BLE001 - as of one that is asked alone
            silent = self._silent(f"{questions[0][0]} was not answered", error, self._timeout)
            self._ahead.keep(questions, [silent] * len(questions))
        else:
            self._ahead.keep(questions, answers)

    def execute(self, command: str, arguments: Mapping[str, object] | None = None) -> object:
        """Return the command's `return` value.

        :raise RefusedError: when QEMU answers with an error.
        :raise HostError: when it does not answer.
        """
        from qemu.qmp import ExecuteError  # noqa: PLC0415

        if time.monotonic() - self._begun > _LONGEST:
            raise HostError(
                f"its monitor at {self._place} takes more than {_LONGEST:g} s for all that is asked"
            )
        look()
        client = self._client or self._greeted()
        try:
            return self._ahead.answer(
                command,
                arguments,
                lambda: self._wait(lambda: client.execute(command, dict(arguments or {}))),
            )
        except HostError:
            raise
        except ExecuteError as error:
            raise RefusedError(
                f"QEMU refused {command}: {short(str(error), _WORDS)}", error.error_class
            ) from error
        except Exception as error:
            raise self._silent(f"{command} was not answered", error, self._timeout) from error

    def _greeted(self) -> QMPClient:
        """The client, once QEMU has greeted it.

        :raise HostError: when it does not, or speaks no QMP.
        """
        from qemu.qmp import ConnectError, QMPClient  # noqa: PLC0415 - only where a monitor is asked

        if self._socket is None:
            raise HostError(f"the monitor at {self._place} is not connected")
        client = QMPClient("rscvm")
        client.logger.disabled = True
        client.events.event_filter = lambda _: False  # nobody reads them, and they would pile up
        client.readbuflen = _LONGEST_ANSWER
        try:
            self._wait(partial(client.connect, self._socket), within=_GREETING)
        except Exception as error:
            if isinstance(error, ConnectError) and not isinstance(error.exc, (OSError, EOFError)):
                asked = (
                    f"QMP at {self._place}: is that a monitor for people (HMP), or a guest agent's socket?"
                )
                raise UnreadableError(asked, short(str(error), _WORDS), hint="") from error
            raise self._silent("no monitor answers", error, _GREETING) from error
        self._client = client
        return client

    def _silent(self, what: str, error: Exception, seconds: float) -> HostError:
        why = short(str(error) or type(error).__name__, _WORDS)
        if isinstance(error, TimeoutError):
            why = f"nothing within {seconds:g} s (is QEMU stopped, or is another client connected?)"
        return HostError(f"{what} at {self._place}: {why}")

    def _wait(self, ask: Callable[[], Coroutine[object, object, _T]], *, within: float | None = None) -> _T:
        seconds = within_limit(within or self._timeout)
        return self._loop.run(asyncio.wait_for(ask(), seconds))


async def _all_of(client: QMPClient, questions: Sequence[MonitorQuestion]) -> list[object]:
    """What comes of each, an error for those that end in one."""
    asked = (client.execute(command, dict(arguments)) for command, arguments in questions)
    return await asyncio.gather(*asked, return_exceptions=True)
