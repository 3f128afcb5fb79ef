"""A program on a host that is talked with by lines while it runs; its input is its life line."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from provision.edges.traced import traced
from provision.runtime.errors import LostError
from provision.runtime.interrupt import look, shield

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from provision.edges.shell import Stream
    from provision.runtime.command import Argv, Say

_LONGEST = 4096
"""Bytes of a line, and of what is kept of its complaints."""
_LOOK = 0.2
"""Seconds between looks for an interruption."""
_PATIENCE = 10.0
"""Seconds within which it ends once its input has ended."""


class FollowedProgram:
    """One that runs."""

    def __init__(self, host: str, stream: Stream) -> None:
        self._host, self._stream = host, stream
        self._rest = b""
        self._complaint = b""

    @property
    def complaint(self) -> str:
        """The last that it has said on its standard error."""
        return self._complaint.decode("utf-8", "replace").strip()

    def say(self, line: str) -> None:
        """Hand it a line.

        :raise LostError: when it has ended, or its host is gone.
        """
        try:
            with shield():  # half a line would take the next one for its rest
                self._stream.send(f"{line}\n".encode("utf-8", "surrogateescape"), seconds=_PATIENCE)
        except OSError as error:
            raise LostError(f"{self._host} is gone: {error}", names_host=True) from error

    def lines(self, seconds: float) -> list[str] | None:
        """The whole lines that it has said since, perhaps none; None once it has ended.

        :raise LostError: when its host is gone, or it says lines without end.
        """
        try:
            more = self._stream.receive(min(seconds, _LOOK))
        except OSError as error:
            raise LostError(f"{self._host} is gone: {error}", names_host=True) from error
        look()
        if more is None:
            return None
        self._complaint = (self._complaint + more[1])[-_LONGEST:]
        *whole, self._rest = (self._rest + more[0]).split(b"\n")
        if max(map(len, (*whole, self._rest))) > _LONGEST:
            raise LostError(f"{self._host}: a line of more than {_LONGEST} bytes", names_host=True)
        return [line.decode("utf-8", "replace") for line in whole]


@contextmanager
def followed(
    host: str, start: Callable[[Argv], Stream], argv: Argv, trace: Say | None = None
) -> Iterator[FollowedProgram]:
    """Start a program, and end its input with the block: it then has a moment to end by itself, and is killed."""
    if trace is not None:
        trace(traced(argv))
    with ExitStack() as open_:
        with shield():  # an interruption comes when there is something that can be ended
            stream = start(argv)
            open_.callback(_end, stream)
        yield FollowedProgram(host, stream)


def _end(stream: Stream) -> None:
    with shield():
        stream.end(_PATIENCE)
