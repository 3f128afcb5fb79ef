"""`rscvm validate`: every fault of a lab file."""

from __future__ import annotations

import click

from provision.cli.output import Output
from provision.lab.file import read_lab
from provision.runtime.errors import LabFileError


@click.command(short_help="Every fault of a lab file.")
@click.argument("lab", type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="The faults as JSON.")
@click.pass_obj
def validate(output: Output, lab: str, *, as_json: bool) -> int:
    """Every fault of a lab file, each with its place.

    Looks at the file alone: no host, no libvirt and no image is touched.
    """
    from provision.lab.queue_notes import queue_notes

    try:
        read = read_lab(lab)
    except LabFileError as error:
        if as_json:
            rows = [
                {"line": f.line, "column": f.column, "path": f.path, "message": f.message}
                for f in error.faults
            ]
            output.json({"schema": "rscvm/validate/1", "file": lab, "faults": rows, "notes": []})
            return error.status
        raise
    notes = [*queue_notes(read, read.machines)]
    for note in notes:
        output.say(note)
    if as_json:
        output.json({"schema": "rscvm/validate/1", "file": lab, "faults": [], "notes": notes})
    else:
        machines = len(read.machines)
        output.line(f"{lab}: good, {machines} machine{'s' if machines != 1 else ''}")
    return 0
