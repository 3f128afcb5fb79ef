"""Commands on a lab's machines: up, plan, down, status."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from provision.cli.check import judged
from provision.cli.labs import all_hosts, by_host, chosen, errors_of, on_hosts, worst
from provision.cli.output import Output
from provision.labfile import read_lab

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.text import Text

    from provision.command import Say
    from provision.site import Site
    from provision.status import MachineStatus
    from provision.steps import Drift, Plan, Step
    from provision.verify.judge import NicVerdict

_LAB = click.argument("lab", type=click.Path())
_MACHINES = click.argument("machines", nargs=-1, metavar="[MACHINE]...")
_JSON = click.option("--json", "as_json", is_flag=True, help="The result as JSON.")


@click.command(short_help="Make and start machines, check every NIC.")
@_LAB
@_MACHINES
@click.option(
    "--wait",
    type=click.IntRange(min=0),
    default=180,
    show_default=True,
    metavar="SECONDS",
    help="How long the guests' drivers are waited for.",
)
@click.option("--no-check", is_flag=True, help="Neither wait for the guests' drivers nor check.")
@_JSON
@click.pass_obj
def up(output: Output, lab: str, machines: Sequence[str], *, wait: int, no_check: bool, as_json: bool) -> int:
    """Make and start machines, wait for their drivers, and check every NIC.

    What is missing is made, declared NICs and bridges are set as by `apply`, what is ours and was
    changed is put right, and a machine that `hck disarm` made ordinary is armed again (one that runs
    has its plug pulled). Everything else stays as it is; a second `up` changes nothing. When a step
    fails, the steps before it are taken back on that host; Ctrl-C takes back what this `up` did, also
    while it waits (--no-check does not wait).
    """
    from provision.deadline import Deadline
    from provision.lifecycle import bring_up

    read = read_lab(lab)
    hosts = by_host(read, chosen(read, machines))

    def work(site: Site, say: Say) -> tuple[Plan, list[NicVerdict]]:
        return bring_up(site, hosts[site.host], say, None if no_check else Deadline(wait))

    outcomes = on_hosts(output, read, list(hosts), "up", work)
    done = [outcome.value for outcome in outcomes if outcome.value]
    changes = {
        "schema": "rscvm/up/1",
        "changed": [what for plan, _ in done for what in _whats(plan)],
        "notes": [note for plan, _ in done for note in plan.notes],
        **errors_of(outcomes),
    }
    verdicts = [verdict for _, verdicts in done for verdict in verdicts]
    return worst(outcomes, judged(output, verdicts, as_json=as_json, more=changes))


@click.command(short_help="What `up` and `apply` would change, as a diff.")
@_LAB
@_MACHINES
@click.option("--exit-code", is_flag=True, help="Exit 1 if anything would change.")
@_JSON
@click.pass_obj
def plan(output: Output, lab: str, machines: Sequence[str], *, exit_code: bool, as_json: bool) -> int:
    """What `up` and `apply` would change, each step with its reason and as a diff. Changes nothing.

    What a host lacks is said as `up` would say it, with exit status 3. Without MACHINE also hosts
    that only have settings are looked at.
    """
    from provision.lifecycle import planned

    read = read_lab(lab)
    hosts = by_host(read, chosen(read, machines))
    if not machines:
        hosts |= {name: hosts.get(name, []) for name, host in read.hosts.items() if host.nics or host.bridges}
    outcomes = on_hosts(output, read, list(hosts), "plan", lambda site, _: planned(site, hosts[site.host]))
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


def plan_lines(made: Plan) -> list[Text]:
    """A plan as a person reads it."""
    from rich.text import Text

    lines = [
        *(line for step in made.steps for line in _step_lines(step)),
        *(line for drift in made.drift for line in _drift_lines(drift)),
        *(Text(f"note: {note}") for note in made.notes),
    ]
    return lines if made.steps or made.drift else [Text("nothing to change"), *lines]


def step_row(step: Step) -> dict[str, object]:
    """A step as JSON has it."""
    return {"machine": step.machine, "what": step.what, "why": step.why, "diff": list(step.diff)}


def _step_lines(step: Step) -> list[Text]:
    from rich.text import Text

    return [Text.assemble((step.what, "bold"), f": {step.why}"), *diff_lines(step.diff)]


def _drift_lines(drift: Drift) -> list[Text]:
    from rich.text import Text

    what = "`up` mends that" if drift.mended else "`up` refuses until the machine has been taken down"
    head = Text.assemble((drift.what, "bold yellow"), f": {what}")
    return [head, *diff_lines(drift.diff)]


def diff_lines(diff: Sequence[str]) -> list[Text]:
    """A diff in a terminal's colours."""
    from rich.text import Text

    return [Text(f"  {line}", {"+": "green", "-": "red"}.get(line[:1], "")) for line in diff]


def _whats(plan: Plan) -> list[str]:
    return [step.what for step in plan.steps]


@click.command(short_help="Remove exactly what `up` made.")
@_LAB
@_MACHINES
@click.option("--keep-disks", is_flag=True, help="Leave overlays and firmware variables for the next `up`.")
@_JSON
@click.pass_obj
def down(output: Output, lab: str, machines: Sequence[str], *, keep_disks: bool, as_json: bool) -> int:
    """Stop machines and remove exactly what `up` made for them; base images never.

    Without MACHINE also what `up` made for machines that the lab file no longer has.
    """
    from provision.lifecycle import take_down

    read = read_lab(lab)
    known = [name for name in machines if name in read.machines]
    hosts = all_hosts(read) if len(known) < len(machines) or not machines else by_host(read, known)

    def work(site: Site, say: Say) -> Plan:
        here = [name for name in machines if name not in known or name in hosts[site.host]]
        return take_down(site, here if machines else None, say, keep_disks=keep_disks)

    outcomes = on_hosts(output, read, list(hosts), "down", work)
    plans = [outcome.value for outcome in outcomes if outcome.value]
    notes = [note for plan in plans for note in plan.notes]
    for note in notes:
        output.say(note)
    if not any(plan.steps for plan in plans):
        output.say("nothing to remove: nothing of it is there")
    if as_json:
        whats = [what for plan in plans for what in _whats(plan)]
        output.json({"schema": "rscvm/down/1", "changed": whats, "notes": notes, **errors_of(outcomes)})
    return worst(outcomes)


@click.command(short_help="What is there, and what has drifted.")
@_LAB
@_JSON
@click.pass_obj
def status(output: Output, lab: str, *, as_json: bool) -> int:
    """What is there of each machine, what is not, and what runs otherwise than the lab file has it."""
    from provision.status import host_status

    read = read_lab(lab)
    hosts = all_hosts(read)
    outcomes = on_hosts(
        output, read, list(hosts), "status", lambda site, _: host_status(site, hosts[site.host])
    )
    found = [outcome.value for outcome in outcomes if outcome.value]
    if as_json:
        machines = [_machine_row(row) for status in found for row in status.machines]
        rows = [
            {
                "host": s.host,
                "steps": [step_row(step) for step in s.steps],
                "refused": list(s.refused),
                "notes": list(s.notes),
            }
            for s in found
        ]
        document = {"schema": "rscvm/status/1", "hosts": rows, "machines": machines}
        output.json({**document, **errors_of(outcomes)})
        return worst(outcomes)
    for status in found:
        if status.steps or status.refused or status.notes:
            output.line(f"{status.host}  the host itself")
            _show_status(output, status.refused, status.steps, (), verb="apply")
            for note in status.notes:
                output.line(f"  note: {note}")
        for row in status.machines:
            output.line(f"{row.machine}  {row.backend} on {row.host}  {row.state}")
            _show_status(output, row.refused, row.steps, row.drift, whole=row.state != "absent")
            for note in row.notes:
                output.line(f"  note: {note}")
    return worst(outcomes)


def _show_status(
    output: Output,
    refused: Sequence[str],
    steps: Sequence[Step],
    drifts: Sequence[Drift],
    *,
    whole: bool = True,
    verb: str = "up",
) -> None:
    """What would be refused, what would be done, and what differs and is left alone; diffs where something is there."""
    for sentence in refused:
        output.line(f"  `{verb}` would refuse: {sentence}")
    for step in steps:
        output.line(f"  `{verb}` would {step.what}: {step.why}")
        output.show(diff_lines(step.diff if whole else ()))
    for drift in drifts:
        output.line(f"  differs: {drift.what}")
        output.show(diff_lines(drift.diff))


def _machine_row(row: MachineStatus) -> dict[str, object]:
    steps, drift = [step_row(step) for step in row.steps], [asdict(drift) for drift in row.drift]
    return {
        "host": row.host,
        "machine": row.machine,
        "backend": row.backend,
        "state": row.state,
        "steps": steps,
        "drift": drift,
        "refused": list(row.refused),
        "notes": list(row.notes),
    }
