"""What was asked with what became of it, as data: a question is the same one when it is asked again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from provision.runtime.errors import (
    CommandError,
    DeadlineError,
    HostError,
    LostError,
    RefusedError,
    RequestError,
    RscvmError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from provision.runtime.command import Result, Run
    from provision.runtime.guest_channel import GuestWay
    from provision.runtime.places import Listener

Ask = Literal[
    "run",
    "domain",
    "domains",
    "runs",
    "version",
    "emulator",
    "capabilities",
    "hypervisor",
    "monitor",
    "qmp",
    "guest",
    "system",
    "script",
]


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked of one host; asked again it is the same question."""

    host: str
    ask: Ask
    words: tuple[str, ...] = ()
    """A command's argv; domains' names; of a monitor its road (`domain` or `socket`), where to, and QMP's command; of a guest
    the way into it, and a script's name."""
    text: str = ""
    """What a command read; a QMP command's arguments as JSON."""


_KINDS: Mapping[str, type[RscvmError]] = {
    kind.__name__: kind
    for kind in (DeadlineError, LostError, RefusedError, CommandError, HostError, RequestError)
}
"""What edges raise; others are kept as the nearest of these."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as it was: its kind, its words, its hint, and of a refusal QMP's class."""

    kind: str
    message: str
    hint: str = ""
    refused: str = ""

    def error(self, known: Sequence[Result] = ()) -> RscvmError:
        """The error again; one of a lost host tells how the commands before ended."""
        kind = _KINDS.get(self.kind, HostError)
        if issubclass(kind, RefusedError):
            return RefusedError(self.message, self.refused)
        if issubclass(kind, LostError):
            return kind(self.message, hint=self.hint, known=tuple(known))
        return kind(self.message, hint=self.hint)


def failure_of(error: RscvmError) -> Failure:
    """What is kept of an error."""
    kind = next((each.__name__ for each in type(error).__mro__ if each.__name__ in _KINDS), "HostError")
    return Failure(kind, str(error), error.hint, error.kind if isinstance(error, RefusedError) else "")


@dataclass(frozen=True, slots=True)
class Row:
    """A question and what became of it."""

    question: Question
    answer: object = None
    """A `Result`, a tuple of `Domain`, a text, names with texts, or what a monitor returned."""
    failure: Failure | None = None


def asked(host: str, run: Run) -> Question:
    """A command as a question."""
    return Question(host, "run", run.argv, run.stdin)


def asked_qmp(
    host: str, place: tuple[str, str], command: str, arguments: Mapping[str, object] | None
) -> Question:
    """A QMP command as a question."""
    return Question(host, "qmp", (*place, command), json.dumps(dict(arguments or {}), sort_keys=True))


def at_socket(socket: str, listener: Listener) -> tuple[str, str]:
    """How a monitor's socket is told from others: several may have listened at one path, each for its own process."""
    return "socket", socket if listener.pid is None else f"{socket} of process {listener.pid}"


def into(way: GuestWay) -> str:
    """How a way into a guest is told from others of its host."""
    return f"{way.kind} of {way.named}"
