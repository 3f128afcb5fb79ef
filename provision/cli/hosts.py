"""Commands on hosts: doctor, apply."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from provision.cli.labs import by_host, chosen_hosts, errors_of, on_hosts, worst
from provision.cli.output import Output
from provision.labfile import read_lab

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.text import Text

    from provision.command import Say
    from provision.doctor import HostFinding
    from provision.site import Site
    from provision.steps import Plan


_SIGNS = {"good": ("✓", "green"), "miss": ("✗", "red"), "note": ("·", "yellow")}


@click.command(short_help="Can this host carry RSC-ready VMs?")
@click.argument("hosts", nargs=-1, metavar="[HOST]...")
@click.option("-f", "lab", type=click.Path(), help="Also what this lab file's machines need.")
@click.option("--json", "as_json", is_flag=True, help="The findings as JSON.")
@click.pass_obj
def doctor(output: Output, hosts: Sequence[str], *, lab: str | None, as_json: bool) -> int:
    """Can these hosts carry RSC-ready VMs? Each miss with its fix; exit 3 with misses.

    Without HOST: this machine, or every host of the lab file. Runs a boot sector under KVM and under
    TCG: a /dev/kvm can exist and be slower than emulation.
    """
    from provision.doctor import examine
    from provision.spec import Lab

    read = read_lab(lab) if lab else None
    asked = chosen_hosts(read, hosts) or ["local"]
    machines = by_host(read, list(read.machines)) if read else {}
    output.say(f"examining {', '.join(asked)}; the accelerators take a few seconds")

    def work(site: Site, _: object) -> list[HostFinding]:
        return examine(site.edges, read, site.host, machines.get(site.host, []))

    outcomes = on_hosts(output, read or Lab(version=1, name="doctor"), asked, "doctor", work)
    found = {outcome.host: outcome.value for outcome in outcomes if outcome.value is not None}
    if as_json:
        rows = [
            {"host": host, "findings": [asdict(finding) for finding in findings]}
            for host, findings in found.items()
        ]
        output.json({"schema": "rscvm/doctor/1", "hosts": rows, **errors_of(outcomes)})
    else:
        for host, findings in found.items():
            if len(asked) > 1:
                output.line(f"{host}:")
            output.show(_rows(findings))
    missed = any(finding.state == "miss" for findings in found.values() for finding in findings)
    return worst(outcomes, 3 if missed else 0)


def _done(made: Plan) -> str:
    """What became of a host, which is not as the lab file has it where there is something to note."""
    changed = f"{len(made.steps)} changed, read back" if made.steps else "nothing changed"
    return f"{changed}, but {'; '.join(made.notes)}" if made.notes else f"as the lab file has it; {changed}"


def _rows(findings: list[HostFinding]) -> list[Text]:
    from rich.text import Text

    rows: list[Text] = []
    for finding in findings:
        sign, colour = _SIGNS[finding.state]
        rows.append(Text.assemble((f"{sign} ", colour), (finding.name, "bold"), f": {finding.seen}"))
        if finding.fix and finding.state == "miss":
            rows.append(Text(f"    fix: {finding.fix}"))
    return rows


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

    def work(site: Site, say: Say) -> Plan:
        from provision.setup import planned_settings, set_up

        return planned_settings(site) if dry_run else set_up(site, say)

    outcomes = on_hosts(output, read, asked, "apply", work)
    plans = {outcome.host: outcome.value for outcome in outcomes if outcome.value is not None}
    if as_json:
        from provision.cli.machines import step_row

        rows = [
            {"host": host, "steps": [step_row(step) for step in made.steps], "notes": list(made.notes)}
            for host, made in plans.items()
        ]
        output.json({"schema": "rscvm/apply/1", "done": not dry_run, "hosts": rows, **errors_of(outcomes)})
        return worst(outcomes)
    from provision.cli.machines import plan_lines

    for host, made in plans.items():
        if dry_run:
            output.line(f"{host}:")
            output.show(plan_lines(made))
        else:
            output.line(f"{host}: {_done(made)}")
    return worst(outcomes)
