"""A shell that each batch gets anew, and batches of several threads that go together."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from provision.runtime.errors import HostError
from provision.runtime.safe_text import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.edges.relayed.pump import Connection
    from provision.runtime.command import Result, Run
    from provision.runtime.protocols import Runner

_BATCH = """
timeout --kill-after=5 "$1" sh
"""
SCRIPTS = {"batch": _BATCH}
"""Every constant script above, for the linter."""
_LATE = (124, 137)
"""Exit statuses of `timeout` when it has ended something."""


class BatchStream:
    """The streams of a shell that lives for what it is sent, and for no longer."""

    def __init__(self, host: str, connection: Connection) -> None:
        self._host, self._connection = host, connection
        self._sent, self._seconds = b"", 0.0
        self._late = False

    def send(self, data: bytes, until: str = "", seconds: float = 0) -> None:  # noqa: ARG002 - it ends by itself
        """Run this when it is next asked what it says, for so many seconds at most."""
        self._sent, self._seconds = self._sent + data, seconds

    def receive(self, seconds: float) -> tuple[bytes, bytes] | None:  # noqa: ARG002 - as above
        """What it has said, all at once.

        :raise TimeoutError: when it had to be ended.
        :raise OSError: when the host cannot be reached.
        :raise HostError: when there is no shell for us.
        """
        if self._late:
            raise TimeoutError
        if not self._sent:
            return None
        sent, self._sent = self._sent, b""
        done = self._connection.execute(_BATCH, (str(math.ceil(self._seconds)),), sent)
        self._late = done.status in _LATE
        if not (done.out or self._late):
            why = quoted(done.err.decode("utf-8", "replace")) or f"its shell ends with {done.status}"
            raise HostError(f"{self._host} does not let us run commands: {why}")
        return done.out, done.err

    def end(self, seconds: float) -> int:  # noqa: ARG002 - nothing runs
        """Nothing runs."""
        return 0

    def kill(self) -> None:
        """Nothing runs."""


@dataclass(eq=False, slots=True)
class _Asked:
    runs: Sequence[Run]
    results: list[Result] = field(default_factory=list)
    error: HostError | None = None


class JoinedBatches:
    """A host that several threads ask: what they ask while a batch is under way goes there together, with the next one."""

    def __init__(self, host: Runner) -> None:
        self.name = host.name
        self._host = host
        self._under_way, self._list = threading.Lock(), threading.Lock()
        self._waiting: list[_Asked] = []

    def ask(self, runs: Sequence[Run], seconds: float) -> list[Result]:
        """How each of these commands ended; each takes so many seconds at most.

        :raise HostError: when nobody knows.
        """
        mine = _Asked(runs)
        with self._list:
            self._waiting.append(mine)
        with self._under_way:
            with self._list:
                together = self._waiting if mine in self._waiting else []
                if together:
                    self._waiting = []
            if together:
                self._run(together, seconds)
        if mine.error is not None:
            raise mine.error
        return mine.results

    def _run(self, together: Sequence[_Asked], seconds: float) -> None:
        runs = [run for asked in together for run in asked.runs]
        try:
            results = iter(self._host.run_all(runs, timeout=seconds * len(runs)))
        except BaseException as error:
            for asked in together:
                asked.error = error if isinstance(error, HostError) else HostError(f"{self.name}: {error}")
            if isinstance(error, HostError):
                return
            raise
        for asked in together:
            asked.results = [next(results) for _ in asked.runs]
