"""`rscvm status`: what is there, and what has drifted."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from provision.cli.fleet import errors_of, on_hosts, worst
from provision.cli.options import JSON, LAB, MACHINES
from provision.cli.output import Output
from provision.cli.selection import all_hosts, by_host, chosen
from provision.cli.steps import diff_lines, step_row
from provision.lab.file import read_lab

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.host.plan.steps import Drift
    from provision.verbs.status import HostStatus, MachineStatus


@click.command(short_help="What is there, and what has drifted.")
@LAB
@MACHINES
@JSON
@click.pass_obj
def status(output: Output, lab: str, machines: Sequence[str], *, as_json: bool) -> int:
    """What is there of each machine, what is not, and what runs otherwise than the lab file has it."""
    from provision.verbs.status import host_status

    read = read_lab(lab)
    hosts = by_host(read, chosen(read, machines)) if machines else all_hosts(read)
    outcomes = on_hosts(
        output, read, list(hosts), "status", lambda session, _: host_status(session, hosts[session.host])
    )
    found = [outcome.value for outcome in outcomes if outcome.value]
    if as_json:
        machine_rows = [_machine_row(row) for status in found for row in status.machines]
        rows = [
            {
                "host": s.host,
                "steps": [step_row(step) for step in s.steps],
                "refused": list(s.refused),
                "notes": list(s.notes),
            }
            for s in found
        ]
        document = {"schema": "rscvm/status/1", "hosts": rows, "machines": machine_rows}
        output.json({**document, **errors_of(outcomes)})
        return worst(outcomes)
    for status in found:
        if status.steps or status.refused or status.notes:
            output.line(f"{status.host}  the host itself")
            _show_status(output, status, "apply")
        for row in status.machines:
            output.line(f"{row.machine}  {row.backend} on {row.host}  {row.state}")
            _show_status(output, row, "up", row.drift, whole=row.state != "absent")
    return worst(outcomes)


def _show_status(
    output: Output,
    of: HostStatus | MachineStatus,
    verb: str,
    drifts: Sequence[Drift] = (),
    *,
    whole: bool = True,
) -> None:
    """What would be refused, what would be done, and what differs and is left alone; diffs where something is there."""
    for sentence in of.refused:
        output.line(f"  `{verb}` would refuse: {sentence}")
    for step in of.steps:
        output.line(f"  `{verb}` would {step.what}: {step.why}")
        output.show(diff_lines(step.diff if whole else ()))
    for drift in drifts:
        output.line(f"  differs: {drift.what}")
        output.show(diff_lines(drift.diff))
    for note in of.notes:
        output.line(f"  note: {note}")


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
