"""What a command prints: results on stdout, progress and errors on stderr, nothing that steers a terminal."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING, Any, TextIO

import click

from provision.runtime.safe_text import cell, escaped, json_text, short

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console
    from rich.text import Text


_LINES = 200
_COLUMNS = 4000
"""Of a message; a command that accepts a host's key has 1,000."""


def _printable(text: str, *, margin: str = "  ") -> str:
    """The text as it may be shown: what comes from outside steers no terminal, and starts no line that looks like ours.

    :param margin: what every line but the first begins with.
    """
    first, *more = text.split("\n", _LINES)
    kept = [
        short(first, _COLUMNS),
        *(margin + short(line.removeprefix(margin), _COLUMNS) for line in more[: _LINES - 1]),
    ]
    return "\n".join(kept if len(more) < _LINES else [*kept, f"{margin}…"])


def _columns(stream: TextIO) -> int | None:
    """The columns of the terminal that a stream goes to; None where it goes to none.

    COLUMNS alone says nothing: whoever uses readline, as Python's prompt does, hands it to all that it starts.
    """
    return shutil.get_terminal_size().columns if stream.isatty() else None


def _fitted(text: str) -> str:
    """The text wrapped to the terminal that errors go to."""
    width = _columns(sys.stderr)
    if width is None or len(text) <= width:
        return text
    from rich.text import Text

    from provision.runtime.wrapped import wrapped

    return "\n".join(part.plain for line in text.split("\n") for part in wrapped(Text(line), width))


_WIPE = "\r\x1b[K"
"""The cursor to its line's beginning, and the line away: ECMA-48's EL."""
_RENEWED = Event()
"""Set while a line stands on the terminal that is to be renewed, and gives way to any other."""


def renew(line: str) -> None:
    """Show a line of progress on the terminal in the place of the one before; empty: none."""
    with suppress(OSError):
        columns = os.get_terminal_size(sys.stderr.fileno()).columns or 80
        click.echo(f"{_wiped()}{cell(line, columns - 1)}", err=True, nl=False)
        if line:
            _RENEWED.set()


def _wiped() -> str:
    """What makes room for another line."""
    was = _RENEWED.is_set()
    _RENEWED.clear()
    return _WIPE if was else ""


def complain(message: str, *, hint: str = "", verbatim: bool = False) -> None:
    """Say what happened and what to do, on stderr."""
    with suppress(OSError):  # nobody listens
        said = _printable(message, margin="") if verbatim else _fitted(_printable(f"rscvm: {message}"))
        click.echo(f"{_wiped()}{said}", err=True)
        if hint:
            click.echo(_fitted(_printable(f"hint: {hint}")), err=True)


@dataclass(slots=True)
class Printed:
    """Whether anything of a result has been printed: an error is then no document beside it."""

    any: bool = False


@dataclass(frozen=True, slots=True)
class Output:
    """How this run speaks."""

    quiet: bool = False
    verbose: bool = False
    color: str = "auto"
    printed: Printed = field(default_factory=Printed)

    def say(self, line: str) -> None:
        """Progress."""
        if not self.quiet:
            with suppress(OSError):  # whoever read it has gone; the work goes on
                click.echo(f"{_wiped()}{_fitted(_printable(line))}", err=True)

    def json(self, document: Any) -> None:
        """A result for a program."""
        self.printed.any = True
        click.echo(json_text(document, indent=2))

    def text(self, text: str) -> None:
        """A document, as it is."""
        self.printed.any = True
        click.echo(text, nl=not text.endswith("\n"))

    def prose(self, text: str) -> None:
        """Lines for a person; on a terminal each is wrapped to that, what goes on as far in as it begins."""
        self._lines([(line, True) for line in text.splitlines()])

    def document(self, text: str) -> None:
        """A document for a person; on a terminal its paragraphs are wrapped to that, and code stays as it is."""
        from provision.runtime.wrapped import paragraphs

        told = paragraphs(text) if self.width is not None else ((line, False) for line in text.splitlines())
        self._lines(told)

    def _lines(self, lines: Iterable[tuple[str, bool]]) -> None:
        """Lines, each with whether it may be wrapped."""
        from rich.text import Text

        from provision.runtime.wrapped import wrapped

        for line, prose in lines:
            parts = wrapped(Text(line), self.width if prose else None, hang=0)
            click.echo("\n".join(part.plain for part in parts))

    def line(self, line: str) -> None:
        """One line of a result."""
        self.prose(escaped(line))

    @property
    def width(self) -> int | None:
        """The terminal's columns, where results go to one."""
        return _columns(sys.stdout)

    def console(self, *, screen: bool = False) -> Console:
        """Where results for a person go; a screen takes control codes also where colours are not wanted."""
        from rich.console import Console

        return Console(
            force_terminal=screen or {"auto": None, "always": True, "never": False}[self.color],
            no_color={"auto": None, "always": False, "never": True}[self.color],
            color_system=None if self.color == "never" else "auto",
            highlight=False,
        )

    def show(self, lines: Iterable[Text]) -> None:
        """A result for a person."""
        from provision.runtime.wrapped import wrapped

        console, width = self.console(), self.width
        for line in lines:
            line.plain = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line.plain)
            for part in wrapped(line, width):
                console.print(part, soft_wrap=True)
