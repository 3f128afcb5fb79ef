"""This machine, as a host that runs commands."""

from __future__ import annotations

import os
import shlex
import subprocess
from typing import TYPE_CHECKING

from provision.command import NOT_FOUND, Result
from provision.errors import DeadlineError

if TYPE_CHECKING:
    from collections.abc import Sequence

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
                words, input=stdin, capture_output=True, timeout=timeout, env=_environment(), check=False
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
