"""`rscvm apply`: set the hosts' own NICs and bridges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from provision.cli.fleet import errors_of, on_hosts, worst
from provision.cli.output import Output
from provision.cli.selection import chosen_hosts
from provision.lab.file import read_lab

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.host.apply.session import HostSession
    from provision.host.plan.steps import Plan
    from provision.runtime.command import Say


def _done(made: Plan) -> str:
    """What became of a host, which is not as the lab file has it where there is something to note."""
    changed = f"{len(made.steps)} changed, read back" if made.steps else "nothing changed"
    return f"{changed}, but {'; '.join(made.notes)}" if made.notes else f"as the lab file has it; {changed}"


@click.command(short_help="Set the hosts' own NICs and bridges.")
@click.argument("lab", type=click.Path())
@click.argument("hosts", nargs=-1, metavar="[HOST]...")
@click.option("--dry-run", is_flag=True, help="Say what would be done, as `plan` does, and do nothing.")
@click.option("--json", "as_json", is_flag=True, help="What was done as JSON.")
@click.pass_obj
def apply(output: Output, lab: str, hosts: Sequence[str], *, dry_run: bool, as_json: bool) -> int:
    """Set what the lab file declares of its hosts: physical NICs, bridges, TAPs that the host switched off.

    Each host's settings are made all or none: they are read, set, and read back, and what was found is
    put back where one fails or does not take. Should the host be cut off meanwhile, it puts that back
    itself. RSC cannot be switched on at a TAP: its guest has the last word.
    """
    read = read_lab(lab)
    asked = chosen_hosts(read, hosts)

    def work(session: HostSession, say: Say) -> Plan:
        from provision.verbs.apply import planned_settings, set_up

        return planned_settings(session, dry=True) if dry_run else set_up(session, say)

    outcomes = on_hosts(output, read, asked, "apply", work)
    plans = {outcome.host: outcome.value for outcome in outcomes if outcome.value is not None}
    if as_json:
        from provision.cli.steps import step_row

        rows = [
            {"host": host, "steps": [step_row(step) for step in made.steps], "notes": list(made.notes)}
            for host, made in plans.items()
        ]
        output.json({"schema": "rscvm/apply/1", "done": not dry_run, "hosts": rows, **errors_of(outcomes)})
        return worst(outcomes)
    from provision.cli.steps import plan_lines

    for host, made in plans.items():
        if dry_run:
            output.line(f"{host}:")
            output.show(plan_lines(made))
        else:
            output.line(f"{host}: {_done(made)}")
    return worst(outcomes)
