"""This machine, as a host that runs commands."""

from __future__ import annotations

import os
import shlex
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from provision.command import HELD, NOT_FOUND, Result
from provision.errors import DeadlineError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from provision.command import Say

_NOT_EXECUTABLE = 126
# Debian keeps ip and ethtool where an ordinary user's PATH does not look.
_SBIN = "/usr/local/sbin:/usr/sbin:/sbin"


def _environment() -> dict[str, str]:
    path = os.environ.get("PATH", "/usr/local/bin:/usr/bin:/bin")
    return {**os.environ, "PATH": f"{path}:{_SBIN}", "LC_ALL": "C.UTF-8"}


class LocalHost:
    """Runs commands here, under a pinned locale."""

    name = "local"

    def __init__(self, trace: Say | None = None) -> None:
        self._trace = trace

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60) -> Result:
        """Run one command; a missing program gives status 127, as a shell would.

        :raise DeadlineError: when it does not end in time; it has been ended then.
        """
        words = tuple(argv)
        if self._trace is not None:
            self._trace(f"+ {shlex.join(words)}")
        try:
            done = subprocess.run(
                words,
                input=stdin,
                capture_output=True,
                timeout=timeout,
                env=_environment(),
                check=False,
                start_new_session=True,  # the terminal's Ctrl-C is for us alone
            )
        except FileNotFoundError:
            return Result(self.name, words, NOT_FOUND, "", f"{words[0]}: not found")
        except OSError as error:  # not executable, out of memory, argument list too long
            return Result(self.name, words, _NOT_EXECUTABLE, "", str(error))
        except subprocess.TimeoutExpired as error:
            raise DeadlineError(f"{words[0]} on {self.name} did not end within {timeout:g} s") from error
        out, err = (stream.decode("utf-8", "replace") for stream in (done.stdout, done.stderr))
        return Result(self.name, words, done.returncode, out, err)

    def run_all(self, argvs: Sequence[Sequence[str]]) -> list[Result]:
        """Run commands one after another, each whatever became of the one before."""
        return [self.run(argv) for argv in argvs]

    @contextmanager
    def hold(self, argv: Sequence[str]) -> Iterator[Result]:
        """Keep a command running for the block: it says a line when it is at it, and ends when its input does.

        What it holds is let go also when we are killed, because then its input ends, too.
        """
        words = tuple(argv)
        with subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(),
            text=True,
            start_new_session=True,
        ) as running:
            said = running.stdout.readline() if running.stdout else ""
            if said == f"{HELD}\n":
                yield Result(self.name, words, 0, said, "")
            else:
                out, err = running.communicate(timeout=60)
                yield Result(self.name, words, running.returncode, said + out, err)
