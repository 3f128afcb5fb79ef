"""How a command line ended that came to nothing: what is said of it, and its exit status."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

import click

from provision.cli.output import complain
from provision.runtime.errors import RscvmError, UnforeseenError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.cli.output import Output


@dataclass(frozen=True, slots=True)
class Ended:
    """What happened, what to do, and the exit status for it."""

    message: str
    hint: str
    status: int
    verbatim: bool = False
    """Whether the message stands without our name before it."""

    def tell(self, output: Output, arguments: Sequence[str]) -> None:
        """Say it on stderr, and where JSON was asked for and none has been printed, as a document as well."""
        complain(self.message, hint=self.hint, verbatim=self.verbatim)
        if not output.printed.any and "--json" in takewhile(lambda word: word != "--", arguments):
            document = {"message": self.message, "hint": self.hint, "exit": self.status}
            with suppress(OSError):  # nobody reads
                output.json({"schema": "rscvm/error/1", **document})


INTERRUPTED = Ended("interrupted", "", 130)


def interrupted(error: BaseException | None) -> Ended:
    """That, and what could not be taken back, if that is what caused it; click makes an error of its own of it."""
    while error is not None:
        if isinstance(error, RscvmError):
            return Ended(f"interrupted: {error}", error.hint, INTERRUPTED.status)
        error = error.__cause__
    return INTERRUPTED


_HELP = getattr(click.exceptions, "NoArgsIsHelpError", ())
"""Where no command is named, click makes an error of the help since 8.2."""


def ended_by(error: Exception) -> Ended:
    """What an error comes to."""
    if isinstance(error, _HELP):
        return Ended(str(error), "", 2, verbatim=True)
    match error:
        case click.ClickException():
            where = getattr(error, "ctx", None)
            return Ended(error.format_message(), f"{where.command_path if where else 'rscvm'} --help", 2)
        case RscvmError():
            return Ended(str(error), error.hint, error.status, error.verbatim)
        case OSError():
            file = f": {error.filename}" if error.filename else ""
            return Ended(f"{error.strerror or error}{file}", "", 3)
    return ended_by(UnforeseenError(error))
