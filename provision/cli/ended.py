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


def ended_by(error: Exception, command: tuple[str, click.Command]) -> Ended:
    """What an error comes to; the command that was named tells where click's own errors do not."""
    if isinstance(error, _HELP):
        return Ended(str(error), "", 2, verbatim=True)
    match error:
        case click.ClickException():
            # click writes a choice a line, after a tab
            return Ended(" ".join(error.format_message().split()), _usage(error, *command), 2)
        case RscvmError():
            return Ended(str(error), error.hint, error.status, error.verbatim)
        case OSError():
            file = f": {error.filename}" if error.filename else ""
            return Ended(f"{error.strerror or error}{file}", "", 3)
    return ended_by(UnforeseenError(error), command)


def _usage(error: click.ClickException, named: str, command: click.Command) -> str:
    """Where the right use is told, or how an option is given that stands before its command."""
    where: click.Context | None = getattr(error, "ctx", None)
    option = error.option_name if isinstance(error, click.NoSuchOption) else ""
    if where and where.command is not command and any(option in each.opts for each in command.params):
        return f"{option} goes after the command: `{named} {option}`"
    return f"{where.command_path if where else named} --help"


def named_by(arguments: Sequence[str], command: click.Command, name: str) -> tuple[str, click.Command]:
    """The command that a command line names, and its words."""
    for word in arguments:
        if isinstance(command, click.Group) and word in command.commands:
            name, command = f"{name} {word}", command.commands[word]
    return name, command
