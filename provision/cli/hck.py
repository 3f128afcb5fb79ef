"""Commands on machines for the HCK test: hck disarm, export autohck."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from provision.cli.labs import by_host, chosen, errors_of, on_hosts, worst
from provision.errors import HostError, RequestError
from provision.labfile import read_lab

if TYPE_CHECKING:
    from provision.cli.output import Output


@click.group()
def hck() -> None:
    """What only machines for the HCK test have (`rsc: hck`); `explain hck` is the run-book."""


@hck.command(short_help="Make ordinary machines of the DUTs.")
@click.argument("lab", type=click.Path())
@click.option("--restart", is_flag=True, help="Pull the plug of what runs and start it without the flags.")
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
@click.pass_obj
def disarm(output: Output, lab: str, *, restart: bool, as_json: bool) -> int:
    """Take QEMU's HCK engine from every machine of the lab that has it; `up` gives it back.

    The machine is then an ordinary one, also by its mark. What runs keeps its flags until a power cycle: shut it
    down and start it, or say --restart. A QEMU without libvirt has no definition, and needs --restart.
    """
    from provision.hck.disarm import disarm as disarm_machines
    from provision.ordinary import is_armed

    read = read_lab(lab)
    names = [name for name, machine in read.machines.items() if is_armed(machine)]
    if not names:
        raise RequestError("no machine of this lab file has `rsc: hck`")
    hosts = by_host(read, names)
    outcomes = on_hosts(
        output,
        read,
        list(hosts),
        "hck disarm",
        lambda site, say: disarm_machines(site, hosts[site.host], say, restart=restart),
    )
    plans = [outcome.value for outcome in outcomes if outcome.value]
    notes = [note for plan in plans for note in plan.notes]
    if as_json:
        changed = [step.what for plan in plans for step in plan.steps]
        output.json(
            {"schema": "rscvm/hck-disarm/1", "changed": changed, "notes": notes, **errors_of(outcomes)}
        )
        return worst(outcomes)
    for note in notes:
        output.line(note)
    if not notes and not any(plan.steps for plan in plans):
        output.say("nothing to change: no machine has its HCK flags")
    return worst(outcomes)


@click.command(short_help="The same test NIC for AutoHCK.")
@click.argument("lab", type=click.Path())
@click.argument("machine")
@click.option(
    "-o", "directory", type=click.Path(file_okay=False), help="Write the files below this directory."
)
@click.option("--json", "_as_json", is_flag=True, help="Nothing else is printed anyway.")
@click.pass_obj
def autohck(output: Output, lab: str, machine: str, *, directory: str | None, _as_json: bool) -> int:
    """AutoHCK's device and override files, with which its DUT has the test NIC of MACHINE.

    Without -o one JSON document with the files' contents by their paths in AutoHCK's checkout. What is left to do
    by hand is said in the override.
    """
    import json

    from provision.hck.autohck import VERSION, autohck_files

    read = read_lab(lab)
    [name] = chosen(read, [machine])
    files = autohck_files(read, name)
    if directory:
        for path, text in files.items():
            _write(Path(directory) / path, text)
            output.say(f"wrote {Path(directory) / path}")
    else:
        contents = {path: json.loads(text) for path, text in files.items()}
        output.json({"schema": "rscvm/autohck/1", "for": VERSION, "files": contents})
    return 0


def _write(path: Path, text: str) -> None:
    """Write a new file; one that is there and says something else is somebody's.

    :raise HostError: when it is, or when it cannot be written.
    """
    try:
        if path.exists() and path.read_text("utf-8") != text:
            raise HostError(
                f"{path} is there and says something else", hint="write elsewhere, and merge what differs"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    except OSError as error:
        raise HostError(f"cannot write {path}: {error.strerror}") from error
