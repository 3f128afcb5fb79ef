"""`rscvm status`: what is there, and what has drifted."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from provision.cli.fleet import errors_of, on_hosts, worst
from provision.cli.options import JSON, LAB
from provision.cli.output import Output
from provision.cli.selection import all_hosts
from provision.cli.steps import AS_ROOT, diff_lines, step_row
from provision.lab.file import read_lab

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.host.plan.steps import Drift
    from provision.verbs.status import HostStatus, MachineStatus


@click.command(short_help="What is there, and what has drifted.")
@LAB
@click.option("--exit-code", is_flag=True, help="Exit 1 if anything is otherwise than the lab file has it.")
@JSON
@click.pass_obj
def status(output: Output, lab: str, *, exit_code: bool, as_json: bool) -> int:
    """What is there of each machine, what is not, and what runs otherwise than the lab file has it.

    Of a machine that is off or not there a line says what `up` would do; `plan` shows it as a diff. Exit status 3
    where a libvirt does not answer, 4 where only root may look.
    """
    from provision.verbs.status import host_status

    read = read_lab(lab)
    hosts = all_hosts(read)
    outcomes = on_hosts(
        output, read, list(hosts), "status", lambda session, _: host_status(session, hosts[session.host])
    )
    found = [outcome.value for outcome in outcomes if outcome.value]
    ended = worst(outcomes, *(_ended(status, exit_code=exit_code) for status in found))
    if as_json:
        machines = [_machine_row(row) for status in found for row in status.machines]
        rows = [
            {
                "host": s.host,
                "steps": [step_row(step) for step in s.steps],
                "refused": list(s.refused),
                "notes": list(s.notes),
                "needs": list(s.needs),
            }
            for s in found
        ]
        document = {"schema": "rscvm/status/1", "hosts": rows, "machines": machines}
        output.json({**document, **errors_of(outcomes)})
        return ended
    for status in found:
        _show_host(output, status)
    if any(status.needs for status in found):
        output.say(AS_ROOT)
    return ended


def _ended(status: HostStatus, *, exit_code: bool) -> int:
    """The exit status by what was seen of one host."""
    if status.silent:
        return 3
    if exit_code and status.differs:
        return 1
    return 4 if any(row.unseen for row in status.machines) else 0


def _show_host(output: Output, status: HostStatus) -> None:
    """What there is on one host, then what could not be seen there, and what may not be done."""
    if status.steps or status.refused or status.notes:
        output.line(f"{status.host}  the host itself")
        _show_status(output, status, "apply")
    for row in status.machines:
        _show_machine(output, row)
    for sentence in dict.fromkeys(row.unseen for row in status.machines if row.unseen):
        output.line(f"{status.host}  not seen: {sentence}")
    for sentence in status.needs:
        output.line(f"{status.host}  `up` would refuse: {sentence}")


def _show_machine(output: Output, row: MachineStatus) -> None:
    """One line where a machine is whole, or all of it would be made or it only started; `plan` has those steps."""
    head = f"{row.machine}  {row.backend} on {row.host}  {row.state}"
    plain = row.state == "absent" or (row.state == "off" and len(row.steps) <= 1)
    if not plain or row.refused or row.drift or row.unseen:
        output.line(head)
        _show_status(output, row, "up", row.drift)
    elif len(row.steps) == 1:
        output.line(f"{head}: `up` would {row.steps[0].what}")
    else:
        output.line(f"{head}: `up` would make it, in {len(row.steps)} steps that `plan` shows")


def _show_status(
    output: Output, of: HostStatus | MachineStatus, verb: str, drifts: Sequence[Drift] = ()
) -> None:
    """What would be refused, what would be done, and what differs and is left alone."""
    for sentence in of.refused:
        output.line(f"  `{verb}` would refuse: {sentence}")
    for step in of.steps:
        output.line(f"  `{verb}` would {step.what}: {step.why}")
        output.show(diff_lines(step.diff))
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
        "unseen": row.unseen or None,
    }
