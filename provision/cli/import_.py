"""`rscvm import`: an existing domain as a lab file."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provision.cli.output import Output
from provision.cli.targets import reached
from provision.edges.files.write import is_there, write_new
from provision.runtime.errors import RequestError

if TYPE_CHECKING:
    from provision.verbs.importer.import_domain import Imported


@click.command("import", short_help="An existing domain as a lab file.")
@click.argument("domain")
@click.option(
    "--connect",
    "uri",
    default="qemu:///system",
    show_default=True,
    metavar="URI",
    help="The libvirt that has it, as virsh takes it.",
)
@click.option(
    "-o", "file", type=click.Path(dir_okay=False), help="Into this file, which must not be there yet."
)
@click.option("--json", "as_json", is_flag=True, help="The lab file and the notes in one JSON document.")
@click.pass_obj
def import_(output: Output, domain: str, *, uri: str, file: str | None, as_json: bool) -> int:
    """An existing domain as a lab file that renders back to an equivalent domain. Changes nothing.

    It is read from the domain's definition, of a domain without one from what runs. What a lab file
    cannot say of it, or says otherwise, is listed at the file's end and on stderr.
    """
    from provision.edges.uri import reach
    from provision.verbs.importer.import_domain import import_domain

    if file is not None:
        _usable(file)
    target = reach(uri).daemon
    with reached(output, uri, "") as (host, edges):
        found = edges.libvirt(host).domain(domain)
    if found is None:
        raise RequestError(f"no domain {domain} at {uri}", hint=f"virsh --connect {uri} list --all")
    imported = import_domain(found, target)
    if file is not None:
        write_new(file, imported.text)
        output.say(f"wrote {file}")
    _tell(output, imported, file, as_json=as_json)
    return 0


def _tell(output: Output, imported: Imported, file: str | None, *, as_json: bool) -> None:
    for note in imported.notes:
        output.say(f"note: {note.words()}")
    if as_json:
        notes = [asdict(note) for note in imported.notes]
        output.json(
            {"schema": "rscvm/import/1", "machine": imported.machine, "file": file, "text": imported.text, "notes": notes}
        )  # fmt: skip
    elif file is None:
        output.text(imported.text)
    else:
        output.line(f"{file}: {imported.machine}, {len(imported.notes)} things otherwise than in the domain")


def _usable(file: str) -> None:
    """See that a lab file can have this name, before anything is asked.

    :raise RequestError: when it cannot, or when there is such a file already.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", Path(file).stem):
        raise RequestError(
            f"{file}: a lab file's name names the lab: 1 to 63 of letters, digits, `.`, `_` and `-`"
        )
    if Path(file).exists() or Path(file).is_symlink():
        raise is_there(file)
