"""`rscvm hck disarm`: make ordinary machines of those for the HCK test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from provision.cli.fleet import errors_of, on_hosts, worst
from provision.cli.options import LAB, MACHINES
from provision.cli.selection import by_host, chosen
from provision.lab.file import read_lab
from provision.runtime.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.cli.output import Output


@click.command(short_help="Make ordinary machines of the DUTs.")
@LAB
@MACHINES
@click.option("--restart", is_flag=True, help="Pull the plug of what runs and start it without the flags.")
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
@click.pass_obj
def disarm(output: Output, lab: str, machines: Sequence[str], *, restart: bool, as_json: bool) -> int:
    """Take QEMU's HCK engine from every machine of the lab that has it, or from these; `up` gives it back.

    The machine is then an ordinary one, also by its mark. What runs keeps its flags until a power cycle: shut it
    down and start it, or say --restart. A QEMU without libvirt has no definition, and needs --restart.
    """
    from provision.host.plan.hck_flags import is_armed
    from provision.verbs.hck.disarm import disarm as disarm_machines

    read = read_lab(lab)
    armed = [name for name, machine in read.machines.items() if is_armed(machine)]
    if not armed:
        raise RequestError("no machine of this lab file has `rsc: hck`")
    names = [name for name in chosen(read, machines) if name in armed]
    without = [name for name in machines if name in read.machines and name not in armed]
    if without or not names:
        words = f"no NIC of {', '.join(without or machines)} has `rsc: hck`"
        raise RequestError(words, hint=f"these machines have one: {', '.join(armed)}")
    hosts = by_host(read, names)
    outcomes = on_hosts(
        output,
        read,
        list(hosts),
        "hck disarm",
        lambda session, say: disarm_machines(session, hosts[session.host], say, restart=restart),
    )
    plans = [outcome.value for outcome in outcomes if outcome.value]
    notes = [note for plan in plans for note in plan.notes]
    if as_json:
        changed = [what for plan in plans for what in plan.whats]
        output.json(
            {"schema": "rscvm/hck-disarm/1", "changed": changed, "notes": notes, **errors_of(outcomes)}
        )
        return worst(outcomes)
    for note in notes:
        output.line(note)
    if not notes and not any(plan.steps for plan in plans):
        output.say("nothing to change: no machine has its HCK flags")
    return worst(outcomes)
