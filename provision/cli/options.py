"""Arguments and options that several commands share, and those that go on both sides of a command."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from provision.cli.output import Output
from provision.runtime.errors import RequestError

LAB = click.argument("lab", type=click.Path())
MACHINES = click.argument("machines", nargs=-1, metavar="[MACHINE | HOST]...")
JSON = click.option("--json", "as_json", is_flag=True, help="The result as JSON.")

STDOUT = "-"
"""What a FILE or DIR is called that is standard output."""


def _speak(context: click.Context, option: click.Parameter, value: Any) -> None:
    """Let the run speak so from here on."""
    output = context.ensure_object(Output)
    if value:
        context.obj = replace(output, **{str(option.name): value})


def voice(*, hidden: bool) -> list[click.Parameter]:
    """How a run speaks: told before its command, where it is explained, or after it."""

    def option(*names: str, **more: Any) -> click.Option:
        return click.Option([*names], expose_value=False, callback=_speak, hidden=hidden, **more)

    return [
        option("--quiet", "-q", is_flag=True, help="No progress on stderr."),
        option(
            "--verbose",
            "-v",
            is_flag=True,
            help="Show every command that is run; scripts whole with RSCVM_DEBUG=1.",
        ),
        option(
            "--color",
            type=click.Choice(["auto", "always", "never"]),
            help="Colours on stdout; auto, as by default: on a terminal, unless NO_COLOR is set.",
        ),
    ]


def one_to_stdout(*, as_json: bool, **files: str | None) -> bool:
    """Whether one of the documents that these options ask for goes to stdout (`-`): no other result does then.

    :raise RequestError: when two would.
    """
    there = [f"--{name} -" for name, file in files.items() if file == STDOUT]
    if len(there) + as_json > 1:
        raise RequestError(f"{' and '.join([*there, *['--json'] * as_json])}: one of them can have stdout")
    return bool(there)


def not_stdout(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    """A FILE or DIR; none for `-`: without it the same goes to stdout."""
    return None if value == STDOUT else value
