"""`rscvm plan`: what `up` and `apply` would change."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from provision.cli.fleet import errors_of, on_hosts, worst
from provision.cli.options import JSON, LAB, MACHINES
from provision.cli.output import Output
from provision.cli.selection import by_host, chosen
from provision.cli.steps import AS_ROOT, plan_lines, step_row
from provision.lab.file import read_lab

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.text import Text

    from provision.host.apply.session import HostSession
    from provision.runtime.command import Say
    from provision.verbs.plan import Outlook


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

    What a host lacks for it is said, with exit status 3; what only you may not do there does not change the status.
    What cannot be seen is said, too: 3 where libvirt does not answer, 4 where only root may look. Without MACHINE
    also hosts that only have settings are looked at.
    """
    from provision.verbs.plan import foreseen_plan

    read = read_lab(lab)
    hosts = by_host(read, chosen(read, machines))
    if not machines:
        hosts |= {name: hosts.get(name, []) for name, host in read.hosts.items() if host.nics or host.bridges}

    def work(session: HostSession, _: Say) -> Outlook:
        return foreseen_plan(session, hosts[session.host], redefine=redefine)

    outcomes = on_hosts(output, read, list(hosts), "plan", work)
    found = {outcome.host: outcome.value for outcome in outcomes if outcome.value}
    if as_json:
        rows = [_row(host, outlook) for host, outlook in found.items()]
        output.json({"schema": "rscvm/plan/1", "hosts": rows, **errors_of(outcomes)})
    else:
        for host, outlook in found.items():
            if len(hosts) > 1:
                output.line(f"{host}:")
            output.show(_lines(outlook))
        if any(outlook.needs for outlook in found.values()):
            output.say(AS_ROOT)
    statuses = {_status(outlook, exit_code=exit_code) for outlook in found.values()}
    return worst(outcomes, *statuses)


def _status(outlook: Outlook, *, exit_code: bool) -> int:
    """The exit status by what was seen of one host."""
    if outlook.silent:
        return 3
    if exit_code and (outlook.plan.steps or outlook.plan.drift):
        return 1
    return 4 if outlook.unseen else 0


_ABOUT = {
    "unseen": "not seen: ",
    "needs": "`up` would refuse: ",
}


def _lines(outlook: Outlook) -> list[Text]:
    from rich.text import Text

    plan = outlook.plan
    seen = [] if outlook.unseen and not (plan.steps or plan.drift or plan.notes) else plan_lines(plan)
    more = [
        Text.assemble((about, "bold yellow"), sentence)
        for name, about in _ABOUT.items()
        for sentence in getattr(outlook, name)
    ]
    return [*seen, *more]


def _row(host: str, outlook: Outlook) -> dict[str, object]:
    return {
        "host": host,
        "steps": [step_row(step) for step in outlook.plan.steps],
        "notes": list(outlook.plan.notes),
        "drift": [asdict(drift) for drift in outlook.plan.drift],
        **{name: list(getattr(outlook, name)) for name in _ABOUT},
    }
