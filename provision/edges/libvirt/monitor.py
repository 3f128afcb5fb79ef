"""A domain's QMP through libvirt, and deadlines for libvirt's calls, which have none."""

from __future__ import annotations

import json
import queue
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast

from provision.edges.qmp_answer import return_value
from provision.runtime.deadline import within_limit
from provision.runtime.errors import DeadlineError, HostError, RequestError, UnreadableError
from provision.runtime.interrupt import look
from provision.runtime.safe_text import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from provision.runtime.protocols import MonitorQuestion

_T = TypeVar("_T")

_LOOK = 0.2
"""Seconds between looks for an interruption."""
_TIMEOUT = 5.0
"""Seconds for one answer of a monitor."""
_MOST_HANGING = 12
"""Calls that we leave hanging: libvirtd has 20 workers (max_workers), and others want some, too."""
UNDECODED = (UnicodeDecodeError, SystemError)
"""What libvirt-python raises of a text that is not UTF-8; SystemError where it is an error's own."""


def binding() -> Any:
    """libvirt-python, quiet: it would otherwise print every error on stderr beside raising it."""
    import libvirt  # noqa: PLC0415 - takes longer to load than --help takes to print

    libvirt.registerErrorHandler(lambda _context, _error: None, None)
    return libvirt


def within(seconds: float, call: Callable[[], _T]) -> _T:
    """The call's result; libvirt's calls have no limit of their own, and in this thread no Ctrl-C would end them.

    :raise KeyboardInterrupt: when one arrives meanwhile; its thread is left to itself then, too.
    :raise TimeoutError: when it takes longer; its thread is left to itself, and ends with the process.
    :raise DeadlineError: when this thread's work has no time left.
    :raise UnreadableError: when libvirt's answer is not UTF-8.
    """
    seconds = within_limit(seconds)
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
    if isinstance(error, UnicodeEncodeError):
        raise RequestError("a name that is no text is no domain's") from error
    if isinstance(error, UNDECODED):
        raise UnreadableError("libvirt's answer, which is not UTF-8", str(error), hint="") from error
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


class Hanging:
    """Counts the calls that were left hanging at one daemon."""

    def __init__(self) -> None:
        self.calls = 0

    @contextmanager
    def counted(self, what: str) -> Iterator[None]:
        """Ask for something in the block, unless too many hang.

        :raise HostError: when they do; then nothing is asked.
        """
        if self.calls >= _MOST_HANGING:
            raise HostError(
                f"{what} was not asked: {self.calls} others hang, and each keeps one of libvirtd's workers"
            )
        try:
            yield
        except DeadlineError:
            self.calls += 1
            raise


class LibvirtMonitor:
    """A domain's QMP through libvirt; one that did not answer once is not asked again."""

    def __init__(self, name: str, domain: Any, dropped: Callable[[], None], longest: float) -> None:
        """`dropped` is told that a call is left hanging on the connection; `longest` is for all that is asked."""
        self._name = name
        self._domain = domain
        self._dropped = dropped
        self._longest = longest
        self._silent = ""
        self._looked = False
        self._begun = time.monotonic()

    def ahead(self, questions: Sequence[MonitorQuestion]) -> None:
        """Nothing would be saved: libvirt asks one after another."""

    def execute(self, command: str, arguments: Mapping[str, object] | None = None) -> object:
        """Return the command's `return` value.

        :raise RefusedError: when QEMU answers with an error.
        :raise UnreadableError: when it answers what is no QMP.
        :raise HostError: when libvirt cannot ask it.
        """
        libvirt = binding()
        if not self._silent and time.monotonic() - self._begun > self._longest:
            self._silent = f"{self._name}'s monitor takes more than {self._longest:g} s for all that is asked"
        if self._silent:
            raise HostError(self._silent)
        try:
            self._see_that_it_is_free()
            answer = within(_TIMEOUT, lambda: self._ask(command, dict(arguments or {})))
        except TimeoutError as error:
            self._dropped()
            self._silent = f"{self._name}'s monitor did not answer {command} within {_TIMEOUT:g} s"
            raise HostError(self._silent) from error
        except libvirt.libvirtError as error:
            raise HostError(f"libvirt could not ask {self._name} {command}: {quoted(str(error))}") from error
        return return_value(answer, "QEMU", command)

    def _see_that_it_is_free(self) -> None:
        """See, once, that no command hangs there from before: another one would keep another of libvirtd's workers.

        :raise HostError: when one does.
        """
        if self._looked:
            return
        self._looked = True
        state, _, since = within(_TIMEOUT, self._domain.controlInfo)
        if state == binding().VIR_DOMAIN_CONTROL_OCCUPIED and since >= _TIMEOUT * 1000:
            self._silent = f"{self._name}'s monitor has not answered somebody for {since / 1000:.0f} s"
            raise HostError(self._silent)

    def _ask(self, command: str, arguments: Mapping[str, object]) -> str:
        import libvirt_qemu  # noqa: PLC0415 - as libvirt itself

        question = json.dumps({"execute": command, "arguments": arguments})
        return str(libvirt_qemu.qemuMonitorCommand(self._domain, question, 0))
