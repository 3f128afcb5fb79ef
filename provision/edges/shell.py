"""Runs commands on a host through one shell that is kept open, in batches, each answer in its frame.

Local and remote hosts differ in how the shell's streams are opened, and in nothing else. A batch is read whole by
the shell before any of it runs, so that one that was cut off on its way does nothing.
"""

from __future__ import annotations

import re
import secrets
import shlex
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from provision.edges.traced import traced
from provision.runtime.command import HELD, Result, Run
from provision.runtime.deadline import within_limit
from provision.runtime.errors import DeadlineError, HostError, LostError
from provision.runtime.interrupt import look, shield
from provision.runtime.safe_text import short

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from provision.runtime.command import Argv, Say

_MOST = 64 << 20
"""Bytes that a batch may answer, all its commands on both streams together; a host of 1,000 machines has 50 MiB."""
_MOST_FIRST = 1 << 16
"""Bytes that a program says before it holds what it is for."""
_LOOK = 0.2
"""Seconds between looks for an interruption."""
_PATIENCE = 10.0
"""Seconds within which a shell starts, and ends once its input has ended."""


class Stream(Protocol):
    """The standard streams of a program that runs on a host."""

    def send(self, data: bytes, until: str = "", seconds: float = 0) -> None:
        """Write to its input.

        :param until: the words with which what it says to that ends, for who would otherwise have to ask again and again.
        :param seconds: within which that is, for who cannot end it later.
        :raise OSError: when it is gone.
        """
        ...

    def receive(self, seconds: float) -> tuple[bytes, bytes] | None:
        """What it has put out and complained since, perhaps nothing; None once both have ended.

        :raise OSError: when nobody knows whether it has.
        """
        ...

    def end(self, seconds: float) -> int:
        """End its input and wait for it; one that does not end in time is killed. Return its exit status."""
        ...

    def kill(self) -> None:
        """End it, and what it has started."""
        ...


def _words(argv: Argv) -> str:
    """A command as the shell reads it; a script for `sh` runs in a fork of this one, which is a `sh` that has started."""
    match argv:
        case ("sh", "-c", script, "sh", *arguments):
            return f"(set -- {shlex.join(arguments)}\n{script}\n)"
        case _:
            return shlex.join(argv)


def written_batch(runs: Sequence[Run], mark: str, *, until_failure: bool) -> bytes:
    """A batch as the shell reads it; each answer is followed by a line of mark and exit status on both streams.

    Its end says so, be it before its last command, because somebody killed it, or after.
    """
    frame = f"printf '\\n{mark} %s\\n' \"$1\" && printf '\\n{mark} %s\\n' \"$1\" >&2"
    lines = [f"__frame() {{ {frame}; }}", "(", "__frame begin || exit"]
    for run in runs:
        words = _words(run.argv)
        fed = f"printf %s {shlex.quote(run.stdin)} | {words}" if run.stdin else f"{words} </dev/null"
        lines.append(f"{fed}\ns=$?; __frame $s || exit")
        if until_failure:
            lines.append("[ $s = 0 ] || exit")
    return "\n".join((*lines, ")", "__frame end", "")).encode("utf-8", "surrogateescape")


def _status(word: str) -> int:
    """:raise ValueError: when it is no exit status, so that it is no shell of ours that answers."""
    if not re.fullmatch("[0-9]{1,3}", word):
        raise ValueError(f"its shell told no exit status, but {short(word, 40)!r}")
    return int(word)


class _Frames:
    """One output of a shell, taken apart at its marks."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._seen = 0

    def add(self, data: bytes) -> None:
        """More of it."""
        self._bytes += data

    def next(self, mark: bytes) -> tuple[bytes, str] | None:
        """What came before the next mark, and the mark's word; None while it has not come."""
        found = self._bytes.find(b"\n" + mark + b" ", self._seen)
        end = self._bytes.find(b"\n", found + 1) if found >= 0 else -1
        if end < 0:
            self._seen = max(0, found if found >= 0 else len(self._bytes) - len(mark) - 2)
            return None
        before, word = (
            bytes(self._bytes[:found]),
            self._bytes[found + len(mark) + 2 : end].decode("ascii", "replace"),
        )
        del self._bytes[: end + 1]
        self._seen = 0
        return before, word


class _Shell:
    """One shell and the frames that it answers in."""

    def __init__(self, host: str, stream: Stream) -> None:
        self.host, self.stream = host, stream
        self._token = secrets.token_hex(16)
        self._batches = 0
        self._room = _MOST
        self._out, self._err = _Frames(), _Frames()

    def said_first(self, patience: float) -> tuple[bytes, bytes]:
        """What it says before it reads anything: that it holds what it is for, or all that it has to say.

        :raise LostError: when the host is gone, or says neither in time; it has been ended then.
        """
        out = err = b""
        deadline = time.monotonic() + patience
        while out != HELD.encode() + b"\n" and (left := deadline - time.monotonic()) > 0:
            try:
                more = self.stream.receive(min(left, _LOOK))
                look()
            except OSError as error:
                self.stream.kill()
                raise LostError(f"{self.host} is gone: {error}") from error
            if more is None:
                return out, err
            out, err = out + more[0], err + more[1]
            if len(out) + len(err) > _MOST_FIRST:
                break
        if out != HELD.encode() + b"\n":
            self.stream.kill()
            raise DeadlineError(f"{self.host} said nothing of its lock within {patience:g} s")
        return out, err

    def answers(self, runs: Sequence[Run], timeout: float, *, until_failure: bool) -> list[Result]:
        """How each command ended, of those that ran.

        :raise DeadlineError: when they take longer; the shell and what it runs have been ended.
        :raise LostError: when the shell is gone, or says too much; both tell how the commands before ended.
        """
        self._batches += 1
        mark = f"{self._token}.{self._batches}"  # what an interrupted batch still says is of another
        known: list[Result] = []
        seconds = within_limit(timeout)
        deadline = time.monotonic() + seconds
        self._room = _MOST
        try:
            with shield():  # half a batch would take the next one for its rest
                self.stream.send(
                    written_batch(runs, mark, until_failure=until_failure), f"{mark} end", seconds
                )
            while len(known) < len(runs) and not (until_failure and known and not known[-1].ok):
                out, err, word = self._frame(mark.encode(), deadline)
                if word == "end":
                    raise LostError(
                        f"{self.host}: somebody has killed what ran our commands",
                        known=tuple(known),
                        names_host=True,
                    )
                if word != "begin":
                    said = (text.decode("utf-8", "replace") for text in (out, err))
                    known.append(Result(self.host, runs[len(known)].argv, _status(word), *said))
        except (TimeoutError, BufferError) as error:
            self.stream.kill()
            which = runs[len(known)].argv[0] if len(known) < len(runs) else "the shell"
            if isinstance(error, BufferError):
                raise LostError(f"{which} on {self.host}: {error}", known=tuple(known)) from error
            raise DeadlineError(
                f"{which} on {self.host} did not end within {seconds:.3g} s", known=tuple(known)
            ) from error
        except (OSError, EOFError, ValueError) as error:
            raise LostError(f"{self.host} is gone: {error}", known=tuple(known), names_host=True) from error
        return known

    def _frame(self, mark: bytes, deadline: float) -> tuple[bytes, bytes, str]:
        out = err = None
        while True:
            out, err = out or self._out.next(mark), err or self._err.next(mark)
            if out and err:
                return out[0], err[0], out[1]
            if (left := deadline - time.monotonic()) <= 0:
                raise TimeoutError
            more = self.stream.receive(min(left, _LOOK))
            look()
            if more is None:
                raise EOFError("its shell has ended")
            self._room -= len(more[0]) + len(more[1])
            if self._room < 0:
                raise BufferError(f"it and what came before it put out more than {_MOST >> 20} MiB")
            self._out.add(more[0])
            self._err.add(more[1])


class ShellHost:
    """Runs commands on one host, one batch at a time."""

    def __init__(
        self,
        name: str,
        start: Callable[[Argv], Stream],
        trace: Say | None = None,
        patience: float = _PATIENCE,
    ) -> None:
        """`patience`: seconds within which a shell starts to hold something, or says that it cannot."""
        self.name = name
        self._patience = patience
        self._start = start
        self._trace = trace
        self._shell: _Shell | None = None

    def close(self) -> None:
        """End the shell."""
        if self._shell is not None:
            self._shell.stream.end(_PATIENCE)
            self._shell = None

    def run(self, argv: Sequence[str], *, stdin: str = "", timeout: float = 60) -> Result:
        """Run one command; a missing program gives status 127.

        :raise DeadlineError: when it does not end in time; it has been ended then.
        :raise LostError: when the host is gone, and nobody knows how it ended.
        """
        (result,) = self.run_all([Run(tuple(argv), stdin)], timeout=timeout)
        return result

    def run_all(
        self, runs: Sequence[Run], *, timeout: float = 60, until_failure: bool = False
    ) -> list[Result]:
        """Run commands in one round trip: each whatever became of the one before, or none after the first that fails.

        :raise DeadlineError: when they do not end in time; the one that ran has been ended then.
        :raise LostError: when the host is gone; as the other, it tells how those before ended.
        """
        if not runs:
            return []
        if self._trace is not None:
            for run in runs:
                self._trace(traced(run.argv))
        within_limit(timeout)
        if self._shell is None:
            self._shell = _Shell(self.name, self._start(("sh",)))
        try:
            return self._shell.answers(runs, timeout, until_failure=until_failure)
        except HostError:
            self._shell.stream.kill()
            self._shell = None  # the next batch gets a new one
            raise

    @contextmanager
    def hold(self, argv: Sequence[str]) -> Iterator[Result]:
        """Run the block's commands through a program that says a line when it is ready, and then becomes a shell.

        What it holds is let go when the block's last command has ended, also when we are killed.
        """
        words = tuple(argv)
        shell = _Shell(self.name, self._start(words))
        out, err = shell.said_first(self._patience)
        if out != HELD.encode() + b"\n":
            status = shell.stream.end(_PATIENCE)
            yield Result(
                self.name, words, status, out.decode("utf-8", "replace"), err.decode("utf-8", "replace")
            )
            return
        outer, self._shell = self._shell, shell
        try:
            yield Result(self.name, words, 0, HELD, "")
        finally:
            self.close()
            self._shell = outer
