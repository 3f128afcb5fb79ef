"""`rscvm export`: the lab file's JSON Schema, and AutoHCK's files."""

from __future__ import annotations

import click

from provision.cli.output import Output
from provision.cli.selection import chosen
from provision.edges.files.write import write_all
from provision.lab.file import read_lab


@click.group()
def export() -> None:
    """Documents for other tools."""


@export.command()
@click.option("--json", "_as_json", is_flag=True, help="Nothing else is printed anyway.")
@click.pass_obj
def schema(output: Output, *, _as_json: bool) -> int:
    """The lab file's JSON Schema, for editors (YAML language server) and other checkers."""
    from provision.lab.schema import lab_schema

    output.json(lab_schema())
    return 0


@click.command(short_help="The same test NIC for AutoHCK.")
@click.argument("lab", type=click.Path())
@click.argument("machine")
@click.option(
    "-o", "directory", type=click.Path(file_okay=False), help="Write the files below this directory."
)
@click.option("--functest", is_flag=True, help="Test cases of RSC for AutoHCK's functest engine instead.")
@click.option("--json", "as_json", is_flag=True, help="The JSON document also with -o.")
@click.pass_obj
def autohck(
    output: Output, lab: str, machine: str, *, directory: str | None, functest: bool, as_json: bool
) -> int:
    """AutoHCK's device and override files, with which its DUT has the test NIC of MACHINE.

    With --functest: a suite for its functest engine, for NICs with `rsc: true` and with `rsc: hck`: RSC is on, is
    switched off and on, survives reboots, and NetKVM's counter of coalesced frames grows with it.

    Without -o one JSON document with the files' contents by their paths in AutoHCK's checkout. With it nothing is
    written where a file is there and says something else. What is left to do by hand is said in the override, or in
    the suite.
    """
    import json

    from provision.render.autohck import VERSION, autohck_files
    from provision.render.functest import FUNCTEST_RUN, FUNCTEST_VERSION, functest_files

    read = read_lab(lab)
    [name] = chosen(read, [machine])
    files, version = (
        (functest_files(read, name), FUNCTEST_VERSION) if functest else (autohck_files(read, name), VERSION)
    )
    if directory:
        for path in write_all(directory, files):
            output.say(f"wrote {path}")
        if functest:
            output.say(f"next, in AutoHCK's checkout: {FUNCTEST_RUN}")
    if as_json or not directory:
        contents = {
            path: json.loads(text) if path.endswith(".json") else text for path, text in files.items()
        }
        output.json({"schema": "rscvm/autohck/1", "for": version, "files": contents})
    return 0
