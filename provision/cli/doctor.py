"""`rscvm doctor`: whether these hosts can carry RSC-ready VMs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from provision.cli.fleet import errors_of, on_hosts, worst
from provision.cli.output import Output
from provision.cli.selection import by_host, chosen_hosts
from provision.lab.file import read_lab

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.text import Text

    from provision.host.apply.session import HostSession
    from provision.verbs.doctor import HostFinding


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
    from provision.lab.spec import Lab
    from provision.verbs.doctor import examine

    read = read_lab(lab) if lab else None
    asked = chosen_hosts(read, hosts) or ["local"]
    machines = by_host(read, list(read.machines)) if read else {}
    output.say(f"examining {', '.join(asked)}; the accelerators take a few seconds")

    def work(session: HostSession, _: object) -> list[HostFinding]:
        return examine(session.edges, read, session.host, machines.get(session.host, []))

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


def _rows(findings: list[HostFinding]) -> list[Text]:
    from rich.text import Text

    rows: list[Text] = []
    for finding in findings:
        sign, colour = _SIGNS[finding.state]
        rows.append(Text.assemble((f"{sign} ", colour), (finding.name, "bold"), f": {finding.seen}"))
        if finding.fix and finding.state == "miss":
            rows.append(Text(f"    fix: {finding.fix}"))
    return rows
