"""The manual page, made of what the commands say of themselves."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

_ESCAPES = str.maketrans(
    {"\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", '"': r"\(dq", "^": r"\(ha", "~": r"\(ti"}
)
"""What roff would print as another character, so that it could not be copied, or take for its own."""


def man_page(group: click.Group, version: str) -> str:
    """The page rscvm(1) as roff, for man and mandoc."""
    context = click.Context(group, info_name="rscvm", **group.context_settings)
    what, *more = _paragraphs(group)
    lines = [
        f'.TH RSCVM 1 "" "rscvm {_roff(version)}" "User Commands"',
        *(".SH NAME", f"rscvm \\- {_roff(what.removesuffix('.'))}"),
        *(".SH SYNOPSIS", _roff(_usage(context))),
        *(".SH DESCRIPTION", *_body(more)),
        *(".SH OPTIONS", *_options(context)),
        ".SH COMMANDS",
    ]
    for command in _commands(context):
        lines += [f'.SS "{_roff(_usage(command))}"', *_body(_paragraphs(command.command)), *_options(command)]
    return "\n".join((*lines, ".SH SEE ALSO", ".BR virsh (1),", ".BR ethtool (8)")) + "\n"


def _commands(context: click.Context) -> Iterator[click.Context]:
    """Every command that does something, in the order of --help."""
    group = context.command
    if not isinstance(group, click.Group):
        yield context
        return
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is not None:
            yield from _commands(click.Context(command, parent=context, info_name=name))


def _usage(context: click.Context) -> str:
    return " ".join((context.command_path, *context.command.collect_usage_pieces(context)))


def _paragraphs(command: click.Command) -> list[str]:
    return inspect.cleandoc(command.help or "").split("\n\n")


def _body(paragraphs: list[str]) -> Iterator[str]:
    """Paragraphs as they are; where click is told by \\b to keep lines, each stays one."""  # noqa: D301 - the two characters
    for number, text in enumerate(paragraphs):
        between = [".PP"] if number else []
        if text.startswith("\b"):
            yield from (*between, ".nf", *map(_roff, text.splitlines()[1:]), ".fi")
        else:
            yield from (*between, *map(_roff, text.splitlines()))


def _options(context: click.Context) -> Iterator[str]:
    for parameter in context.command.get_params(context):
        record = parameter.get_help_record(context)
        if record and isinstance(parameter, click.Option):
            yield from (".TP", rf"\fB{_roff(record[0])}\fR", _roff(record[1]))


def _roff(text: str) -> str:
    """One line of text as roff prints it, what stands in backquotes in bold."""
    line = re.sub(r"\\\(ga(.+?)\\\(ga", r"\\fB\1\\fR", text.translate(_ESCAPES))
    return rf"\&{line}" if line.startswith(".") else line
