"""Arguments and options that several commands share."""

from __future__ import annotations

import click

LAB = click.argument("lab", type=click.Path())
MACHINES = click.argument("machines", nargs=-1, metavar="[MACHINE]...")
JSON = click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
