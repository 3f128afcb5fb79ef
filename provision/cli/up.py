"""`rscvm up`: make and start machines, wait for their drivers, check every NIC."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from provision.cli.fleet import errors_of, on_hosts, worst
from provision.cli.judged import judged
from provision.cli.options import JSON, LAB, MACHINES
from provision.cli.output import Output
from provision.cli.selection import by_host, chosen
from provision.lab.file import read_lab

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.host.apply.session import HostSession
    from provision.host.plan.steps import Plan
    from provision.runtime.command import Say
    from provision.runtime.parallel import Outcome
    from provision.verify.judge.verdict import NicVerdict


@click.command(short_help="Make and start machines, check every NIC.")
@LAB
@MACHINES
@click.option(
    "--wait",
    type=click.IntRange(min=0),
    default=180,
    show_default=True,
    metavar="SECONDS",
    help="How long the guests' drivers are waited for.",
)
@click.option(
    "--redefine",
    is_flag=True,
    help="Define domains that are off as new ones would be: `plan` says what that changes; NICs stay where they are.",
)
@click.option("--no-check", is_flag=True, help="Neither wait for the guests' drivers nor check.")
@JSON
@click.pass_obj
def up(
    output: Output,
    lab: str,
    machines: Sequence[str],
    *,
    wait: int,
    redefine: bool,
    no_check: bool,
    as_json: bool,
) -> int:
    """Make and start machines, wait for their drivers, and check every NIC.

    What is missing is made, declared NICs and bridges are set as by `apply`, what is ours and was
    changed is put right, and a machine that `hck disarm` made ordinary is armed again (one that runs
    has its plug pulled). Everything else stays as it is; a second `up` changes nothing. When a step
    fails, the steps before it are taken back on that host; Ctrl-C takes back what this `up` did, also
    while it waits (--no-check does not wait).
    """
    from provision.runtime.deadline import Deadline
    from provision.verbs.fix.command_line import with_commands
    from provision.verbs.up import bring_up

    read = read_lab(lab)
    hosts = by_host(read, chosen(read, machines))

    def work(session: HostSession, say: Say) -> tuple[Plan, list[NicVerdict]]:
        awaited = None if no_check else Deadline(wait)
        return bring_up(session, hosts[session.host], say, awaited, redefine=redefine)

    outcomes = on_hosts(output, read, list(hosts), "up", work)
    done = [outcome.value for outcome in outcomes if outcome.value]
    verdicts = [verdict for _, verdicts in done for verdict in verdicts]
    status = judged(output, with_commands(verdicts, (lab,)), as_json=as_json, more=_changes(outcomes))
    if done and not verdicts and not no_check:
        from provision.cli.nothing import Nothing, without_nic

        Nothing(without_nic([name for names in hosts.values() for name in names])).say()
    return worst(outcomes, 0 if no_check else status)


def _changes(outcomes: Sequence[Outcome[tuple[Plan, list[NicVerdict]]]]) -> dict[str, object]:
    """What was changed on which hosts, and what was said of it, for `--json`."""
    plans = [outcome.value[0] for outcome in outcomes if outcome.value]
    return {
        "schema": "rscvm/up/1",
        "changed": [what for plan in plans for what in plan.whats],
        "notes": [note for plan in plans for note in plan.notes],
        **errors_of(outcomes),
    }
