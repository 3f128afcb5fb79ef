"""`rscvm plan`: what `up` and `apply` would change."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from provision.cli.fleet import errors_of, on_hosts, worst
from provision.cli.options import JSON, LAB, MACHINES
from provision.cli.output import Output
from provision.cli.selection import by_host, chosen, without_hosts
from provision.cli.steps import plan_lines, step_row
from provision.lab.file import read_lab

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.host.apply.session import HostSession
    from provision.host.plan.steps import Plan
    from provision.runtime.command import Say


@click.command(short_help="What `up` and `apply` would change, as a diff.")
@LAB
@MACHINES
@click.option("--exit-code", is_flag=True, help="Exit 1 if anything would change.")
@click.option("--redefine", is_flag=True, help="What `up --redefine` would change.")
@JSON
@click.pass_obj
def plan(
    output: Output, lab: str, machines: Sequence[str], *, exit_code: bool, redefine: bool, as_json: bool
) -> int:
    """What `up` and `apply` would change, each step with its reason and as a diff. Changes nothing.

    What a host lacks is said as `up` would say it, with exit status 3. Without MACHINE, or with HOST,
    also hosts that only have settings are looked at.
    """
    from provision.verbs.plan import planned

    read = read_lab(lab)
    settled = [name for name, host in read.hosts.items() if host.nics or host.bridges]
    meant = [name for name in without_hosts(read, machines) if name in read.machines or name not in settled]
    hosts = by_host(read, chosen(read, meant)) if meant or not machines else {}
    hosts |= {name: hosts.get(name, []) for name in settled if not machines or name in machines}

    def work(session: HostSession, _: Say) -> Plan:
        return planned(session, hosts[session.host], redefine=redefine)

    outcomes = on_hosts(output, read, list(hosts), "plan", work)
    plans = {outcome.host: outcome.value for outcome in outcomes if outcome.value}
    if as_json:
        rows = [
            {
                "host": host,
                "steps": [step_row(step) for step in made.steps],
                "notes": list(made.notes),
                "drift": [asdict(drift) for drift in made.drift],
            }
            for host, made in plans.items()
        ]
        output.json({"schema": "rscvm/plan/1", "hosts": rows, **errors_of(outcomes)})
    else:
        for host, made in plans.items():
            if len(hosts) > 1:
                output.line(f"{host}:")
            output.show(plan_lines(made))
    changes = any(made.steps or made.drift for made in plans.values())
    return worst(outcomes, int(exit_code and changes))
