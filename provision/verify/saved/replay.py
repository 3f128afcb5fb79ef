"""Edges that answer from what was recorded, and the versions of the tools that had answered."""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager, suppress
from threading import Lock
from typing import TYPE_CHECKING, NoReturn

from provision.host.read.devices import QUEUEING
from provision.host.read.processes import LISTENING, QEMUS, is_about_processes
from provision.runtime.command import UNRECORDED, Result, Run, shell
from provision.runtime.errors import HostError, RscvmError
from provision.runtime.places import ANYBODY
from provision.runtime.protocols import Domain
from provision.runtime.safe_text import short
from provision.verify.collect.sampling import OF_0_1, is_sampling
from provision.verify.saved.rows import Question, Row, asked, asked_qmp, at_socket, into

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from provision.runtime.guest_channel import Channel, GuestWay, Script, System
    from provision.runtime.places import Listener
    from provision.runtime.protocols import (
        LibvirtReader,
        Monitor,
        MonitorQuestion,
        Network,
        ReadingEdges,
        Runner,
        SocketMonitor,
    )

_PROCESSES_OF_0_1 = shell(
    r"""
cat /proc/1/cmdline >/dev/null && command -v base64 >/dev/null || { echo "others' processes cannot be seen" >&2; exit 1; }
for c in $(grep -lzxF -e -pidfile /proc/[0-9]*/cmdline 2>/dev/null); do
    p=${c#/proc/}
    words=$(base64 -w0 2>/dev/null <"$c") && [ -n "$words" ] && printf '%s\t%s\n' "${p%/cmdline}" "$words"
done
true"""
)
"""What 0.1.0 asked of processes; its answers are still read."""

TOOLS: Mapping[str, Run] = {
    "ethtool": Run(("ethtool", "--version")),
    "ip": Run(("ip", "-V")),
    "kernel": Run(("uname", "-r")),
}
"""Whose words the answers are in; asked in one batch, and only where evidence is saved."""


def tool_versions(edges: ReadingEdges, rows: Sequence[Row]) -> dict[str, dict[str, str]]:
    """The versions of what answered on each host; a tool that does not tell its version is left out."""
    found: dict[str, dict[str, str]] = {row.question.host: {} for row in rows}
    for host, tools in found.items():
        ways = {row.question.ask for row in rows if row.question.host == host}
        if "run" in ways:
            with suppress(RscvmError):
                answers = edges.host(host).run_all(list(TOOLS.values()))
                tools.update({tool: a.out.strip() for tool, a in zip(TOOLS, answers, strict=True) if a.ok})
        if "hypervisor" in ways:
            with suppress(RscvmError):
                tools["libvirt"] = edges.libvirt(host).version()
    for row in rows:
        match row.question.words, row.answer:
            case (_, str(name), "query-version"), {"qemu": {"major": major, "minor": minor, "micro": micro}}:
                found[row.question.host][f"QEMU of {name}"] = f"{major}.{minor}.{micro}"
    return found


class Replay:
    """Edges made of rows: a question asked again gets the next answer, and the last one from then on."""

    def __init__(self, rows: Iterable[Row], version: str) -> None:
        """Take what was kept, by rscvm of that version."""
        self._answers: dict[Question, deque[Row]] = {}
        self._version = version
        self._lock = Lock()
        for row in rows:
            self._answers.setdefault(row.question, deque()).append(row)

    def answer(self, question: Question, known: Sequence[Result] = ()) -> object:
        """The recorded answer.

        :raise RscvmError: the recorded error, or a `HostError` where the evidence has no answer.
        """
        rows = self._answers.get(question)
        if not rows:
            self.refuse(_words(question))
        with self._lock:  # domains are asked side by side
            row = rows.popleft() if len(rows) > 1 else rows[0]
        if row.failure is not None:
            raise row.failure.error(known)
        return row.answer

    def has(self, question: Question) -> bool:
        """Whether that was asked."""
        return question in self._answers

    def sampled(self, host: str) -> Question | None:
        """How 0.1.0 sampled the frames on a host's TAPs; None where it did not."""
        found = (each for each in self._answers if (each.host, each.words[:3]) == (host, OF_0_1))
        return next(found, None)

    def refuse(self, what: str) -> NoReturn:
        """Say that the evidence does not tell."""
        raise HostError(
            f"the evidence does not have it: {what}",
            hint=f"it was saved by rscvm {self._version}; `rscvm check --save` there again, with the same options",
        )

    def host(self, name: str) -> Runner:
        """The host that ran commands."""
        return _ReplayedRunner(self, name)

    def libvirt(self, host: str) -> LibvirtReader:
        """The host's libvirt, as it answered."""
        self.answer(Question(host, "hypervisor"))
        return _ReplayedLibvirt(self, host)

    @contextmanager
    def monitor(self, host: str, socket: str, listener: Listener = ANYBODY) -> Iterator[SocketMonitor]:
        """Who listened at a path or port on the host; 0.1.0 did not note which process that was."""
        place = at_socket(socket, listener)
        if not self.has(Question(host, "monitor", place)):  # 0.1.0 asked whoever listened there
            place = ("socket", socket)
        peer = self.answer(Question(host, "monitor", place))
        yield _ReplayedSocket(self, host, place, peer if isinstance(peer, int) else None)

    @contextmanager
    def guest(self, host: str, way: GuestWay) -> Iterator[Channel]:
        """A guest of the host's, as it answered."""
        self.answer(Question(host, "guest", (into(way),)))
        yield _ReplayedGuest(self, host, into(way))


def _words(question: Question) -> str:
    words = " ".join(word for part in question.words for word in part.split())
    return f"{question.ask} {short(words, 100)} on {question.host}"


class _ReplayedRunner:
    def __init__(self, replay: Replay, host: str) -> None:
        self._replay = replay
        self.name = host

    def run(self, argv: Sequence[str], *, stdin: str = "", timeout: float = 60) -> Result:
        (result,) = self.run_all([Run(tuple(argv), stdin)], timeout=timeout)
        return result

    def run_all(
        self,
        runs: Sequence[Run],
        *,
        timeout: float = 60,  # noqa: ARG002 - what was answered was answered in time
        until_failure: bool = False,
    ) -> list[Result]:
        results: list[Result] = []
        for run in runs:
            unrecorded = Result(self.name, run.argv, UNRECORDED, "", "")
            result = self._replay.answer(self._as_recorded(run), results) if self._has(run) else unrecorded
            if not isinstance(result, Result):
                self._replay.refuse(_words(asked(self.name, run)))
            results.append(result)
            if until_failure and not result.ok:
                break
        return results

    def _has(self, run: Run) -> bool:
        """0.1.0 asked neither for QEMUs and what they hold nor for queueing; what else is not there is an error."""
        later = run in (QEMUS.run, LISTENING.run, QUEUEING.run) or is_sampling(run)
        return not later or self._replay.has(self._as_recorded(run))

    def _as_recorded(self, run: Run) -> Question:
        question, old = asked(self.name, run), asked(self.name, _PROCESSES_OF_0_1)
        if is_sampling(run) and (sampled := self._replay.sampled(self.name)) is not None:
            return sampled
        return old if is_about_processes(run) and self._replay.has(old) else question

    def hold(self, argv: Sequence[str]) -> AbstractContextManager[Result]:
        self._replay.refuse(f"{argv[0]} on {self.name}")


class _ReplayedGuest:
    def __init__(self, replay: Replay, host: str, way: str) -> None:
        self._replay = replay
        self._host = host
        self._way = way

    def system(self) -> System:
        found = self._replay.answer(Question(self._host, "system", (self._way,)))
        return "windows" if found == "windows" else "linux"

    def run(self, script: Script, *, timeout: float) -> Result:  # noqa: ARG002 - what was answered was answered in time
        question = Question(self._host, "script", (self._way, script.name))
        found = self._replay.answer(question)
        if not isinstance(found, Result):
            self._replay.refuse(_words(question))
        return found


class _ReplayedMonitor:
    def __init__(self, replay: Replay, host: str, place: tuple[str, str]) -> None:
        self._replay = replay
        self._host = host
        self._place = place

    def ahead(self, questions: Sequence[MonitorQuestion]) -> None:
        """All is here."""

    def execute(self, command: str, arguments: Mapping[str, object] | None = None) -> object:
        return self._replay.answer(asked_qmp(self._host, self._place, command, arguments))


class _ReplayedSocket(_ReplayedMonitor):
    def __init__(self, replay: Replay, host: str, place: tuple[str, str], peer: int | None) -> None:
        super().__init__(replay, host, place)
        self.peer = peer


class _ReplayedLibvirt:
    def __init__(self, replay: Replay, host: str) -> None:
        self._replay = replay
        self._host = host

    def domain(self, name: str) -> Domain | None:
        return next(iter(self._domains(Question(self._host, "domain", (name,)))), None)

    def domains(self, names: Sequence[str]) -> list[Domain]:
        return self._domains(Question(self._host, "domains", tuple(names)))

    def _domains(self, question: Question) -> list[Domain]:
        found = self._replay.answer(question)
        return [each for each in found if isinstance(each, Domain)] if isinstance(found, tuple) else []

    def runs(self) -> Mapping[str, str]:
        found = self._replay.answer(Question(self._host, "runs"))
        return {str(name): str(run) for name, run in found.items()} if isinstance(found, dict) else {}

    def emulator(self, kind: str, machine: str) -> str:
        return str(self._replay.answer(Question(self._host, "emulator", (kind, machine))))

    def network(self, name: str) -> Network | None:  # noqa: ARG002 - of plans evidence keeps nothing
        return None

    def capabilities(self, kind: str, machine: str) -> tuple[str, str]:
        found = self._replay.answer(Question(self._host, "capabilities", (kind, machine)))
        domains, host = found if isinstance(found, list | tuple) and len(found) == 2 else ("", "")
        return str(domains), str(host)

    def version(self) -> str:
        return str(self._replay.answer(Question(self._host, "version")))

    def monitor(self, name: str) -> Monitor:
        place = ("domain", name)
        self._replay.answer(Question(self._host, "monitor", place))
        return _ReplayedMonitor(self._replay, self._host, place)
