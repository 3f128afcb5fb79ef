"""Asks a domain's QEMU by `virsh qemu-monitor-command` on its host."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from provision.edges.ahead import MOST_AHEAD, AskedAhead
from provision.edges.qmp_answer import return_value
from provision.runtime.command import Run
from provision.runtime.errors import DeadlineError, HostError
from provision.runtime.safe_text import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from provision.runtime.command import Result
    from provision.runtime.protocols import MonitorQuestion

SECONDS = 20
"""For one question: a QEMU's monitor that somebody else has, or that hangs, never answers."""
_LATE = 124
"""The exit status of `timeout` when it has ended what it ran."""
_WORDS = 300


class VirshMonitor:
    """A domain's QEMU, asked by `virsh qemu-monitor-command`; one that did not answer once is not asked again."""

    def __init__(
        self,
        ask: Callable[[Sequence[Run]], list[Result]],
        run: Run,
        name: str,
        left_hanging: Callable[[], None],
    ) -> None:
        """`left_hanging` is told that a question has not been answered, which keeps one of libvirtd's workers."""
        self._ask, self._run, self._name = ask, run, name
        self._left_hanging = left_hanging
        self._silent = ""
        self._ahead = AskedAhead()

    def ahead(self, questions: Sequence[MonitorQuestion]) -> None:
        """Ask the first, and where it was answered the others in one batch; `execute` tells what came of it."""
        questions = questions[:MOST_AHEAD]
        if self._silent or not questions:
            return
        first, *others = (self._asking(*question) for question in questions)
        try:
            answers = self._ask([first])
            if answers[0].status != _LATE and others:
                answers += self._ask(others)
        except HostError as error:
            self._ahead.keep(questions, [error] * len(questions))
        else:
            self._ahead.keep(questions[: len(answers)], answers)

    def _asking(self, command: str, arguments: Mapping[str, object] | None) -> Run:
        asked = json.dumps({"execute": command, "arguments": dict(arguments or {})})
        return Run((*self._run.argv, asked))

    def execute(self, command: str, arguments: Mapping[str, object] | None = None) -> object:
        """Return the command's `return` value.

        :raise RefusedError: when QEMU answers with an error.
        :raise UnreadableError: when it answers what is no QMP.
        :raise HostError: when it does not answer.
        """
        if self._silent:
            raise DeadlineError(self._silent)
        asking = self._asking(command, arguments)
        answer = cast("Result", self._ahead.answer(command, arguments, lambda: self._ask([asking])[0]))
        if answer.status == _LATE:
            self._left_hanging()
            self._silent = f"{self._name}'s monitor did not answer {command} within {SECONDS} s"
            raise DeadlineError(self._silent)
        if not answer.ok:
            raise HostError(
                f"libvirt did not ask {self._name}'s monitor: {quoted(answer.err)[:_WORDS] or answer.status}"
            )
        return return_value(answer.out, "QEMU", command)
