"""QMP over a UNIX socket, one question at a time, through qemu.qmp."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self, TypeVar

from provision.runtime.errors import HostError, RefusedError

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Coroutine, Mapping

    from qemu.qmp import QMPClient

_T = TypeVar("_T")
_GREETING = 5.0
"""Seconds within which a QEMU greets whom it serves; while somebody else is its client it greets nobody."""


class QmpSocket:
    """A QEMU's monitor socket; a context manager, because QEMU serves one client at a time."""

    def __init__(
        self, path: str, *, connected: Callable[[], socket.socket] | None = None, timeout: float = 10
    ) -> None:
        """Connect to a path here, or by a function that leads to one elsewhere; the path then says where, for a reader."""
        self._path = path
        self._connected = connected
        self._timeout = timeout
        self._loop: asyncio.Runner | None = None
        self._client: QMPClient | None = None

    def __enter__(self) -> Self:
        """Connect.

        :raise HostError: when nothing answers at the socket.
        """
        from qemu.qmp import QMPClient, QMPError  # noqa: PLC0415 - only where a monitor is asked

        address = self._connected() if self._connected is not None else self._path
        self._loop = asyncio.Runner()
        self._client = QMPClient("rscvm")
        self._client.logger.disabled = True
        try:
            self._wait(self._client.connect(address), within=_GREETING)
        except (QMPError, OSError, TimeoutError, EOFError) as error:
            self._loop.close()
            raise self._silent("no monitor answers", error, within=_GREETING) from error
        return self

    def __exit__(self, *_: object) -> None:
        """Hang up; a QEMU that is gone by now is no error."""
        from qemu.qmp import QMPError  # noqa: PLC0415

        if self._client is not None and self._loop is not None:
            try:
                self._wait(self._client.disconnect())
            except (QMPError, OSError, TimeoutError, EOFError):
                pass
            finally:
                self._loop.close()

    def execute(self, command: str, arguments: Mapping[str, object] | None = None) -> object:
        """Return the command's `return` value.

        :raise RefusedError: when QEMU answers with an error.
        :raise HostError: when it does not answer.
        """
        from qemu.qmp import ExecuteError, QMPError  # noqa: PLC0415

        if self._client is None:
            raise HostError(f"the monitor at {self._path} is not connected")
        try:
            return self._wait(self._client.execute(command, dict(arguments or {})))
        except ExecuteError as error:
            raise RefusedError(f"QEMU refused {command}: {error}", error.error_class) from error
        except (QMPError, OSError, TimeoutError, EOFError) as error:
            raise self._silent(f"{command} was not answered", error) from error

    def _silent(self, what: str, error: Exception, *, within: float | None = None) -> HostError:
        why = str(error)
        if isinstance(error, TimeoutError):
            why = f"nothing within {within or self._timeout:g} s (is QEMU stopped, or is another client connected?)"
        return HostError(f"{what} at {self._path}: {why}")

    def _wait(self, answer: Coroutine[object, object, _T], *, within: float | None = None) -> _T:
        if self._loop is None:
            raise HostError(f"the monitor at {self._path} is not connected")
        return self._loop.run(asyncio.wait_for(answer, within or self._timeout))
