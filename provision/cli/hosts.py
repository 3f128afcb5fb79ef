"""Commands on hosts: doctor."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from provision.cli.labs import edges_of, every, read_lab
from provision.cli.output import Output
from provision.errors import NotYetError, RequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.text import Text

    from provision.doctor import HostFinding


_SIGNS = {"good": ("✓", "green"), "miss": ("✗", "red"), "note": ("·", "yellow")}


@click.command(short_help="Can this host carry RSC-ready VMs?")
@click.argument("hosts", nargs=-1, metavar="[HOST]...")
@click.option("-f", "lab", type=click.Path(), help="Also what this lab file's machines need.")
@click.option("--json", "as_json", is_flag=True, help="The findings as JSON.")
@click.pass_obj
def doctor(output: Output, hosts: Sequence[str], *, lab: str | None, as_json: bool) -> int:
    """Can this host carry RSC-ready VMs? Each miss with its fix; exit 3 with misses.

    Runs a boot sector under KVM and under TCG: a /dev/kvm can exist and be slower than emulation.
    """
    from provision.doctor import examine

    read = read_lab(lab) if lab else None
    for host in hosts:
        if host != "local" and (read is None or host not in read.hosts):
            raise RequestError(
                f"no host {host}" + (" in this lab file" if read else ""), hint="name a lab file by -f"
            )
        if host != "local":
            raise NotYetError(f"host {host}: this version examines `local` only")
    names = [name for name in every(read, output) if read.machines[name].host == "local"] if read else []
    output.say("examining local; the accelerators take a few seconds")
    with edges_of(read, output) as edges:
        findings = examine(edges, read, "local", names)
    if as_json:
        rows = [asdict(finding) for finding in findings]
        output.json({"schema": "rscvm/doctor/1", "hosts": [{"host": "local", "findings": rows}]})
    else:
        output.show(_rows(findings))
    return 3 if any(finding.state == "miss" for finding in findings) else 0


def _rows(findings: list[HostFinding]) -> list[Text]:
    from rich.text import Text

    rows: list[Text] = []
    for finding in findings:
        sign, colour = _SIGNS[finding.state]
        rows.append(Text.assemble((f"{sign} ", colour), (finding.name, "bold"), f": {finding.seen}"))
        if finding.fix and finding.state == "miss":
            rows.append(Text(f"    fix: {finding.fix}"))
    return rows
