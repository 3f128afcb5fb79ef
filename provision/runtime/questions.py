"""Questions to a host: a command with its parser, many in one round trip, each with its own answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from provision.runtime.command import Result, Run
    from provision.runtime.protocols import Runner

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Question(Generic[T]):
    """A command, and what its result comes to; no two questions are the same one."""

    run: Run
    parse: Callable[[Result], T]
    """:raise HostError: when the result cannot be read, or the command had to succeed and did not."""


class Answers:
    """What a host said to each question."""

    def __init__(self, results: Mapping[Question[Any], Result]) -> None:
        """Take the results by their questions."""
        self._results = results

    def __getitem__(self, question: Question[T]) -> T:
        """The answer to a question that was asked.

        :raise HostError: as its parser does.
        """
        return question.parse(self._results[question])

    def get(self, question: Question[T], otherwise: T) -> T:
        """The answer to a question, or something else where nobody asked it."""
        return self[question] if question in self._results else otherwise


def ask(runner: Runner, questions: Iterable[Question[Any]]) -> Answers:
    """Ask all questions in one round trip, each whatever became of the one before.

    :raise HostError: when the host does not answer.
    """
    asked = list(questions)
    results = runner.run_all([question.run for question in asked]) if asked else []
    return Answers(dict(zip(asked, results, strict=True)))
