"""A domain's QMP through libvirt, and deadlines for libvirt's calls, which have none."""

from __future__ import annotations

import json
import queue
import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar, cast

from provision.runtime.errors import HostError, RefusedError
from provision.runtime.interrupt import look

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_T = TypeVar("_T")

_LOOK = 0.2
"""Seconds between looks for an interruption."""


def binding() -> Any:
    """libvirt-python, quiet: it would otherwise print every error on stderr beside raising it."""
    import libvirt  # noqa: PLC0415 - takes longer to load than --help takes to print

    libvirt.registerErrorHandler(lambda _context, _error: None, None)
    return libvirt


def within(seconds: float, call: Callable[[], _T]) -> _T:
    """The call's result; libvirt's calls have no limit of their own, and in this thread no Ctrl-C would end them.

    :raise KeyboardInterrupt: when one arrives meanwhile; its thread is left to itself then, too.
    :raise TimeoutError: when it takes longer; its thread is left to itself, and ends with the process.
    """
    worker = getattr(_own, "worker", None) or _Worker()
    _own.worker = None  # another one's turn, should this one not come back
    worker.calls.put(call)
    end = time.monotonic() + seconds
    while True:
        try:
            result, error = worker.done.get(timeout=max(0.0, min(_LOOK, end - time.monotonic())))
            break
        except queue.Empty:
            look()
            if time.monotonic() >= end:
                raise TimeoutError from None
    _own.worker = worker
    if error is not None:
        raise error
    return cast("_T", result)


_own = threading.local()
"""Each thread's own worker, while it has none that hangs."""


class _Worker:
    """A thread that makes one call after another, for as long as anybody may hand it one."""

    def __init__(self) -> None:
        self.calls: queue.SimpleQueue[Callable[[], Any] | None] = queue.SimpleQueue()
        self.done: queue.SimpleQueue[tuple[Any, Exception | None]] = queue.SimpleQueue()
        threading.Thread(target=_work, args=(self.calls, self.done), daemon=True).start()

    def __del__(self) -> None:
        self.calls.put(None)


def _work(
    calls: queue.SimpleQueue[Callable[[], Any] | None], done: queue.SimpleQueue[tuple[Any, Exception | None]]
) -> None:
    while (call := calls.get()) is not None:
        try:
            done.put((call(), None))
        except Exception as error:  # noqa: BLE001 - handed to the caller, who knows them
            done.put((None, error))
        del call  # what it holds is the caller's again


class LibvirtMonitor:
    """A domain's QMP through libvirt; one that did not answer once is not asked again."""

    def __init__(self, domain: Any, dropped: Callable[[], None], timeout: float = 5) -> None:
        """`dropped` is told that a call is left hanging on the connection."""
        self._domain = domain
        self._dropped = dropped
        self._timeout = timeout
        self._silent = ""
        self._looked = False

    def execute(self, command: str, arguments: Mapping[str, object] | None = None) -> object:
        """Return the command's `return` value.

        :raise RefusedError: when QEMU answers with an error.
        :raise HostError: when libvirt cannot ask it.
        """
        libvirt = binding()
        if self._silent:
            raise HostError(self._silent)
        try:
            self._see_that_it_is_free()
            answer = json.loads(within(self._timeout, lambda: self._ask(command, dict(arguments or {}))))
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

    def _see_that_it_is_free(self) -> None:
        """See, once, that no command hangs there from before: another one would keep another of libvirtd's workers.

        :raise HostError: when one does.
        """
        if self._looked:
            return
        self._looked = True
        state, _, since = within(self._timeout, self._domain.controlInfo)
        if state == binding().VIR_DOMAIN_CONTROL_OCCUPIED and since >= self._timeout * 1000:
            self._silent = (
                f"{self._domain.name()}'s monitor has not answered somebody for {since / 1000:.0f} s"
            )
            raise HostError(self._silent)

    def _ask(self, command: str, arguments: Mapping[str, object]) -> str:
        import libvirt_qemu  # noqa: PLC0415 - as libvirt itself

        question = json.dumps({"execute": command, "arguments": arguments})
        return str(libvirt_qemu.qemuMonitorCommand(self._domain, question, 0))
