"""Edges that record every question with its raw answer.

`Recorder` stands before any edges, passes everything on and keeps what comes back; `replay` gives
the same answers again, elsewhere. So `check` runs the same code on a machine and on its evidence.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

from provision.runtime.command import Result, Run
from provision.runtime.errors import (
    HostError,
    RscvmError,
)
from provision.runtime.places import ANYBODY
from provision.verify.saved.rows import Question, Row, asked, asked_qmp, at_socket, failure_of, into

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from provision.runtime.guest_channel import Channel, GuestWay, Script, System
    from provision.runtime.places import Listener
    from provision.runtime.protocols import (
        Domain,
        LibvirtReader,
        Monitor,
        MonitorQuestion,
        Network,
        ReadingEdges,
        Runner,
        SocketMonitor,
    )

T = TypeVar("T")


class Recorder:
    """Edges that keep what was asked of other ones; several threads may use it, each for hosts of its own."""

    def __init__(self, edges: ReadingEdges) -> None:
        self._edges = edges
        self._rows: list[Row] = []
        self._greeted: set[tuple[str, ...]] = set()

    @property
    def rows(self) -> tuple[Row, ...]:
        """What was asked until now."""
        return tuple(self._rows)

    def note(self, question: Question, answer: object) -> None:
        """Keep an answer."""
        self._rows.append(Row(question, answer))

    def note_failure(self, question: Question, error: RscvmError) -> None:
        """Keep an error."""
        self._rows.append(Row(question, failure=failure_of(error)))

    def kept(self, question: Question, ask: Callable[[], T]) -> T:
        """What is answered, noted; an error is noted, too."""
        try:
            answer = ask()
        except RscvmError as error:
            self.note_failure(question, error)
            raise
        self.note(question, answer)
        return answer

    def opened(self, question: Question, way: Callable[[], T]) -> T:
        """A way out; only whether it was open can be noted."""
        try:
            found = way()
        except RscvmError as error:
            self.note_failure(question, error)
            raise
        self.note(question, None)
        return found

    def host(self, name: str) -> Runner:
        """The host that runs commands."""
        return _RecordedRunner(self, self._edges.host(name), name)

    def libvirt(self, host: str) -> LibvirtReader:
        """The host's libvirt."""
        found = self.opened(Question(host, "hypervisor"), lambda: self._edges.libvirt(host))
        return _RecordedLibvirt(self, found, host)

    @contextmanager
    def monitor(self, host: str, socket: str, listener: Listener = ANYBODY) -> Iterator[RecordedSocket]:
        """Who listens at a path or port on the host, noted with the process that it is."""
        place = at_socket(socket, listener)
        with ExitStack() as stack:
            try:
                monitor = stack.enter_context(self._edges.monitor(host, socket, listener))
            except RscvmError as error:
                self.note_failure(Question(host, "monitor", place), error)
                raise
            self.note(Question(host, "monitor", place), monitor.peer)
            yield RecordedSocket(self, monitor, host, place)

    @contextmanager
    def guest(self, host: str, way: GuestWay) -> Iterator[Channel]:
        """A guest of the host's, by one way into it; of what it was told the name of our script is noted."""
        with ExitStack() as stack:
            asked = Question(host, "guest", (into(way),))
            channel = self.opened(asked, lambda: stack.enter_context(self._edges.guest(host, way)))
            yield _RecordedGuest(self, channel, host, into(way))

    def greets(self, host: str, place: tuple[str, str]) -> bool:
        """Whether it is the first time that this QEMU answers."""
        first = (host, *place) not in self._greeted
        self._greeted.add((host, *place))
        return first


class _RecordedGuest:
    def __init__(self, recorder: Recorder, channel: Channel, host: str, way: str) -> None:
        self._recorder = recorder
        self._channel = channel
        self._host = host
        self._way = way

    def system(self) -> System:
        return self._recorder.kept(Question(self._host, "system", (self._way,)), self._channel.system)

    def run(self, script: Script, *, timeout: float) -> Result:
        question = Question(self._host, "script", (self._way, script.name))
        return self._recorder.kept(question, lambda: self._channel.run(script, timeout=timeout))


class _RecordedRunner:
    def __init__(self, recorder: Recorder, runner: Runner, host: str) -> None:
        self._recorder = recorder
        self._runner = runner
        self._host = host

    @property
    def name(self) -> str:
        return self._runner.name

    def run(self, argv: Sequence[str], *, stdin: str = "", timeout: float = 60) -> Result:
        (result,) = self.run_all([Run(tuple(argv), stdin)], timeout=timeout)
        return result

    def run_all(
        self, runs: Sequence[Run], *, timeout: float = 60, until_failure: bool = False
    ) -> list[Result]:
        """Of a batch that was cut short what had ended is noted, and the error at the command that came next."""
        try:
            results = self._runner.run_all(runs, timeout=timeout, until_failure=until_failure)
        except RscvmError as error:
            known = [result for result in getattr(error, "known", ()) if isinstance(result, Result)]
            known = known[: len(runs) - 1]
            self._note(runs, known)
            self._recorder.note_failure(asked(self._host, runs[len(known)]), error)
            raise
        self._note(runs, results)
        return results

    def _note(self, runs: Sequence[Run], results: Sequence[Result]) -> None:
        for run, result in zip(runs, results, strict=False):
            self._recorder.note(asked(self._host, run), result)

    def hold(self, argv: Sequence[str]) -> AbstractContextManager[Result]:
        return self._runner.hold(argv)


class RecordedMonitor:
    """A QEMU's monitor whose answers are noted; when it first answers, it is asked for QEMU's version."""

    def __init__(self, recorder: Recorder, monitor: Monitor, host: str, place: tuple[str, str]) -> None:
        self._recorder = recorder
        self._monitor = monitor
        self._host = host
        self._place = place

    def ahead(self, questions: Sequence[MonitorQuestion]) -> None:
        """As the monitor does; noted is what is wanted of it."""
        self._monitor.ahead(questions)

    def execute(self, command: str, arguments: Mapping[str, object] | None = None) -> object:
        """Return the command's `return` value, as the monitor does."""
        answer = self._ask(command, arguments)
        if self._recorder.greets(self._host, self._place):
            with suppress(HostError):  # noted, and not what was asked for
                self._ask("query-version", None)
        return answer

    def _ask(self, command: str, arguments: Mapping[str, object] | None) -> object:
        question = asked_qmp(self._host, self._place, command, arguments)
        return self._recorder.kept(question, lambda: self._monitor.execute(command, arguments))


class RecordedSocket(RecordedMonitor):
    """The same of one that is reached by its socket."""

    def __init__(self, recorder: Recorder, monitor: SocketMonitor, host: str, place: tuple[str, str]) -> None:
        super().__init__(recorder, monitor, host, place)
        self.peer = monitor.peer


class _RecordedLibvirt:
    def __init__(self, recorder: Recorder, libvirt: LibvirtReader, host: str) -> None:
        self._recorder = recorder
        self._libvirt = libvirt
        self._host = host

    def domain(self, name: str) -> Domain | None:
        def found() -> tuple[Domain, ...]:
            domain = self._libvirt.domain(name)
            return (domain,) if domain is not None else ()

        return next(iter(self._recorder.kept(Question(self._host, "domain", (name,)), found)), None)

    def domains(self, names: Sequence[str]) -> list[Domain]:
        question = Question(self._host, "domains", tuple(names))
        return list(self._recorder.kept(question, lambda: tuple(self._libvirt.domains(names))))

    def runs(self) -> Mapping[str, str]:
        return self._recorder.kept(Question(self._host, "runs"), lambda: dict(self._libvirt.runs()))

    def emulator(self, kind: str, machine: str) -> str:
        question = Question(self._host, "emulator", (kind, machine))
        return self._recorder.kept(question, lambda: self._libvirt.emulator(kind, machine))

    def network(self, name: str) -> Network | None:
        return self._libvirt.network(name)  # for plans alone, of which evidence keeps nothing

    def capabilities(self, kind: str, machine: str) -> tuple[str, str]:
        question = Question(self._host, "capabilities", (kind, machine))
        return self._recorder.kept(question, lambda: self._libvirt.capabilities(kind, machine))

    def version(self) -> str:
        return self._recorder.kept(Question(self._host, "version"), self._libvirt.version)

    def monitor(self, name: str) -> Monitor:
        place = ("domain", name)
        question = Question(self._host, "monitor", place)
        monitor = self._recorder.opened(question, lambda: self._libvirt.monitor(name))
        return RecordedMonitor(self._recorder, monitor, self._host, place)
