"""`rscvm render`: domain XML, QEMU argv or a script."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provision.cli.output import Output
from provision.cli.selection import chosen
from provision.edges.files.write import write_text
from provision.lab.file import read_lab
from provision.runtime.safe_text import json_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.lab.spec import Lab

_SUFFIX = {"xml": "xml", "argv": "json", "script": "sh"}


@click.command(short_help="Domain XML, QEMU argv, or a script.")
@click.argument("lab", type=click.Path())
@click.argument("machine", required=False)
@click.option("--as", "form", type=click.Choice(["xml", "argv", "script"]), default="xml", show_default=True)
@click.option(
    "-o", "directory", type=click.Path(file_okay=False), help="One file for each machine in this directory."
)
@click.option("--json", "as_json", is_flag=True, help="The texts in one JSON document (argv is JSON anyway).")
@click.pass_obj
def render(
    output: Output, lab: str, machine: str | None, *, form: str, directory: str | None, as_json: bool
) -> int:
    """Libvirt domain XML, QEMU argv or a self-contained script of a machine, or of all.

    Touches nothing, and needs neither root nor libvirt nor QEMU. `auto` is taken for the usual host
    (KVM, vhost); a script finds out when it runs. What of Hyper-V is assumed of a host for Windows is said on stderr.
    """
    read = read_lab(lab)
    names = chosen(read, [machine] if machine else [])
    rendered = {name: _rendered(read, name, form) for name in names}
    notes = _notes(read, names, form)
    for note in notes:
        output.say(note)
    if directory:
        for name, text in rendered.items():
            path = Path(directory) / f"{name}.{_SUFFIX[form]}"
            write_text(path, text, within=directory, mode=0o777 if form == "script" else 0o666)
            output.say(f"wrote {path}")
    elif form == "argv":
        argvs = {name: json.loads(text) for name, text in rendered.items()}
        output.json(argvs[machine] if machine else argvs)
    elif as_json:
        output.json({"schema": "rscvm/render/1", "as": form, "machines": rendered, "notes": notes})
    else:
        output.text("".join(rendered.values()))
    return 0


def _notes(lab: Lab, names: Sequence[str], form: str) -> list[str]:
    """What was taken for granted of hosts that nobody has asked, and what a command line needs beside it."""
    from provision.render.machine import tpm_argv
    from provision.render.view import assumed, machine_view

    views = [machine_view(lab, name) for name in names]
    tpms = [view for view in views if view.spec.tpm and form == "argv"]
    return [
        *assumed(views),
        *(f"{view.name}: start its TPM first: {shlex.join(tpm_argv(view))}" for view in tpms),
    ]


def _rendered(lab: Lab, name: str, form: str) -> str:
    from provision.render.machine import domain_xml, qemu_argv
    from provision.render.view import machine_view

    if form == "xml":
        return domain_xml(machine_view(lab, name))
    if form == "script":
        from provision.verbs.script import machine_script

        return machine_script(lab, name)
    return json_text(qemu_argv(machine_view(lab, name)), indent=2) + "\n"
