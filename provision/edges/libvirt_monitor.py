"""A domain's monitor through libvirt-python, and how libvirt's calls are given an end."""

from __future__ import annotations

import json
import queue
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar, cast

from provision.errors import HostError, RefusedError
from provision.interrupt import look

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_T = TypeVar("_T")

_LOOK = 0.2
"""Seconds between looks for an interruption."""
_NUDGE = 0.5
"""Seconds without an answer, after which libvirt's client is woken."""


def binding() -> Any:
    """libvirt-python, quiet: it would otherwise print every error on stderr beside raising it."""
    import libvirt  # noqa: PLC0415 - takes longer to load than --help takes to print

    libvirt.registerErrorHandler(lambda _context, _error: None, None)
    return libvirt


def within(seconds: float, call: Callable[[], _T], nudge: Callable[[], object] | None = None) -> _T:
    """The call's result; libvirt's calls have no limit of their own, and in this thread no Ctrl-C would end them.

    While it is waited for, `nudge` is called now and then, in a thread of its own.

    :raise KeyboardInterrupt: when one arrives meanwhile; its thread is left to itself then, too.
    :raise TimeoutError: when it takes longer; its thread is left to itself, and ends with the process.
    """
    done: queue.SimpleQueue[tuple[_T | None, Exception | None]] = queue.SimpleQueue()

    def work() -> None:
        try:
            done.put((call(), None))
        except Exception as error:  # noqa: BLE001 - handed to the caller, who knows them
            done.put((None, error))

    threading.Thread(target=work, daemon=True).start()
    now = time.monotonic()
    end, nudged = now + seconds, now
    while True:
        try:
            result, error = done.get(timeout=max(0.0, min(_LOOK, end - time.monotonic())))
            break
        except queue.Empty:
            look()
            now = time.monotonic()
            if now >= end:
                raise TimeoutError from None
            if nudge is not None and now >= nudged + _NUDGE:
                nudged = now
                threading.Thread(target=nudge, daemon=True).start()
    if error is not None:
        raise error
    return cast("_T", result)


class LibvirtMonitor:
    """A domain's QMP through libvirt; one that did not answer once is not asked again."""

    def __init__(self, domain: Any, dropped: Callable[[], None], timeout: float = 10) -> None:
        """`dropped` is told that a call is left hanging on the connection."""
        self._domain = domain
        self._dropped = dropped
        self._timeout = timeout
        self._silent = ""

    def execute(self, command: str, arguments: Mapping[str, object] | None = None) -> object:
        """Return the command's `return` value.

        :raise RefusedError: when QEMU answers with an error.
        :raise HostError: when libvirt cannot ask it.
        """
        libvirt = binding()
        if self._silent:
            raise HostError(self._silent)
        try:
            said = within(self._timeout, lambda: self._ask(command, dict(arguments or {})), self._wake)
            answer = json.loads(said)
        except TimeoutError as error:
            self._dropped()
            self._silent = (
                f"{self._domain.name()}'s monitor did not answer {command} within {self._timeout:g} s"
            )
            raise HostError(self._silent) from error
        except libvirt.libvirtError as error:
            raise HostError(f"libvirt could not ask {self._domain.name()} {command}: {error}") from error
        if "error" in answer:
            kind = answer["error"].get("class", "")
            raise RefusedError(f"QEMU refused {command}: {answer['error'].get('desc', '')}", kind)
        return answer.get("return")

    def _wake(self) -> None:
        """See that libvirt's client sends what it was handed.

        Of the threads that call libvirt over one connection one does the work of all. An older client (9.0) may miss
        that it was handed a call just before it began to wait; then that call lies until an answer to another comes,
        which a hung monitor never gives. Whatever is called next wakes it.
        """
        with suppress(binding().libvirtError):
            self._domain.connect().getLibVersion()

    def _ask(self, command: str, arguments: Mapping[str, object]) -> str:
        import libvirt_qemu  # noqa: PLC0415 - as libvirt itself

        question = json.dumps({"execute": command, "arguments": arguments})
        return str(libvirt_qemu.qemuMonitorCommand(self._domain, question, 0))
