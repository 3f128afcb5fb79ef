"""What a monitor was asked before its answer is wanted, in one round trip with others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from provision.runtime.protocols import MonitorQuestion


MOST_AHEAD = 32
"""Questions at once: each may be answered by 4 MiB, and who is asked for how many is not ours to say."""


class AskedAhead:
    """Answers by their questions, an error among them; each is given once, because the next time it may be another."""

    def __init__(self) -> None:
        self._kept: dict[str, object] = {}

    def keep(self, questions: Sequence[MonitorQuestion], answers: Sequence[object]) -> None:
        """What came of these."""
        self._kept = {_key(*question): answer for question, answer in zip(questions, answers, strict=True)}

    def answer(
        self, command: str, arguments: Mapping[str, object] | None, ask: Callable[[], object]
    ) -> object:
        """The answer that is there, or what asking comes to.

        :raise Exception: when that is the answer.
        """
        key = _key(command, arguments)
        if key not in self._kept:
            return ask()
        found = self._kept.pop(key)
        if isinstance(found, BaseException):
            raise found
        return found


def _key(command: str, arguments: Mapping[str, object] | None) -> str:
    return json.dumps([command, dict(arguments or {})], sort_keys=True)
