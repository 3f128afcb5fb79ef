"""`rscvm down`: remove exactly what `up` made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from provision.cli.fleet import errors_of, on_hosts, worst
from provision.cli.options import JSON, LAB, MACHINES
from provision.cli.output import Output
from provision.cli.selection import all_hosts, by_host, without_hosts
from provision.lab.file import read_lab

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.host.apply.session import HostSession
    from provision.host.plan.steps import Plan
    from provision.runtime.command import Say


@click.command(short_help="Remove exactly what `up` made.")
@LAB
@MACHINES
@click.option(
    "--keep-disks", is_flag=True, help="Leave overlays, firmware variables and TPM state for the next `up`."
)
@JSON
@click.pass_obj
def down(output: Output, lab: str, machines: Sequence[str], *, keep_disks: bool, as_json: bool) -> int:
    """Stop machines and remove exactly what `up` made for them; base images never.

    Without MACHINE also what `up` made for machines that the lab file no longer has.
    """
    from provision.verbs.down import take_down

    read = read_lab(lab)
    machines = without_hosts(read, machines)
    known = [name for name in machines if name in read.machines]
    hosts = all_hosts(read) if len(known) < len(machines) or not machines else by_host(read, known)

    def work(session: HostSession, say: Say) -> Plan:
        here = [name for name in machines if name not in known or name in hosts[session.host]]
        return take_down(session, here if machines else None, say, keep_disks=keep_disks)

    outcomes = on_hosts(output, read, list(hosts), "down", work)
    plans = [outcome.value for outcome in outcomes if outcome.value]
    notes = [note for plan in plans for note in plan.notes]
    for note in notes:
        output.say(note)
    if not any(plan.steps for plan in plans):
        output.say("nothing to remove: nothing of it is there")
    if as_json:
        whats = [what for plan in plans for what in plan.whats]
        output.json({"schema": "rscvm/down/1", "changed": whats, "notes": notes, **errors_of(outcomes)})
    return worst(outcomes)
