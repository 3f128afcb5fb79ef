"""`rscvm hck` and its subcommands."""

from __future__ import annotations

import click

from provision.cli.hck.cleanup import cleanup
from provision.cli.hck.disarm import disarm
from provision.cli.hck.enforce import enforce


@click.group(short_help="Machines for the HCK test (`rsc: hck`).")
def hck() -> None:
    """What only machines for the HCK test have (`rsc: hck`); `explain hck` is the run-book."""


for _command in (cleanup, disarm, enforce):
    hck.add_command(_command)
