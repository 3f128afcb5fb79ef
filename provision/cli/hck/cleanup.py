"""`rscvm hck cleanup`: remove what HLK's RSC test has left in the guests."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from provision.cli.fleet import errors_of, on_hosts, worst
from provision.cli.options import JSON, LAB, MACHINES
from provision.cli.output import complain
from provision.cli.selection import by_host, chosen
from provision.lab.file import read_lab
from provision.runtime.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from provision.cli.output import Output
    from provision.host.apply.session import HostSession
    from provision.lab.spec import Lab
    from provision.runtime.command import Say
    from provision.runtime.parallel import Outcome
    from provision.verbs.hck.cleanup import Cleaned

_RUN = "as administrator, `powershell -NoProfile -ExecutionPolicy Bypass -File {name}.ps1`"
_HOW = f"by hand: save this in that Windows as {{name}}.ps1, and run there, {_RUN}"
_BY_HAND = f"{{machines}}: by hand: `rscvm explain --script {{name}} > {{name}}.ps1`, and in each, {_RUN}"


@click.command(short_help="Remove what HLK's RSC test leaves in the guests.")
@LAB
@MACHINES
@click.option("--dry-run", is_flag=True, help="Say what is there, and remove nothing.")
@JSON
@click.pass_obj
def cleanup(output: Output, lab: str, machines: Sequence[str], *, dry_run: bool, as_json: bool) -> int:
    """Remove the drivers that HLK's "Run RSC Tests" leaves in its clients, which make its next run fail.

    Without MACHINE in those with `rsc: hck` and what else is on their test bridge. They are asked as `check` asks them:
    by the lab file's `ask`, else by their guest agents. What is found is shown, removed, and looked for again; Windows
    wants to be restarted then, which is left to you. For a guest that does not answer it is said how that is done by
    hand; with --json the script is there.
    """
    from provision.verbs.hck.cleanup import clean_up

    read = read_lab(lab)
    hosts = by_host(read, chosen(read, machines) if machines else _clients(read))

    def work(session: HostSession, say: Say) -> list[Cleaned]:
        return clean_up(session, hosts[session.host], say, dry_run=dry_run)

    outcomes = on_hosts(output, read, list(hosts), "hck cleanup", work)
    return _shown(output, outcomes, as_json=as_json, dry_run=dry_run)


def _clients(lab: Lab) -> list[str]:
    from provision.verbs.hck.cleanup import clients

    names = clients(lab)
    if not names:
        raise RequestError("no machine of this lab file has `rsc: hck`", hint="name the machines")
    return names


def _shown(
    output: Output, outcomes: Sequence[Outcome[list[Cleaned]]], *, as_json: bool, dry_run: bool
) -> int:
    """Tell what was found in each guest and what became of it; return the exit status."""
    done = [(outcome.host, each) for outcome in outcomes for each in outcome.value or ()]
    barred = [each.machine for _, each in done if each.by_hand]
    if as_json:
        rows = [_row(host, each) for host, each in done]
        document = {
            "schema": "rscvm/hck-cleanup/1",
            "done": any(each.gone for _, each in done),
            "machines": rows,
            "by_hand": _by_hand(dry_run=dry_run) if barred else None,
        }
        output.json({**document, **errors_of(outcomes)})
    else:
        for _, each in done:
            for line in _lines(each, dry_run=dry_run):
                output.line(line)
        if barred:
            output.line(_BY_HAND.format(machines=", ".join(barred), name=_script_name(dry_run=dry_run)))
    for _, each in done:
        if each.unasked:
            complain(f"{each.machine}: {each.unasked}", hint=each.hint)
        if each.error is not None:
            complain(str(each.error), hint=each.error.hint)
    status = 3 if any(each.error for _, each in done) else 4 if any(each.unasked for _, each in done) else 0
    return worst(outcomes, status)


def _by_hand(*, dry_run: bool) -> dict[str, str]:
    """How a guest is cleaned, or only looked into, that nobody but who sits before it gets into."""
    from provision.render.guest_scripts import GUEST_SCRIPTS

    script = GUEST_SCRIPTS[_script_name(dry_run=dry_run)].example()
    return {"how": _HOW.format(name=script.name), "script": script.text}


def _script_name(*, dry_run: bool) -> str:
    return "hck-leftovers" if dry_run else "hck-cleanup"


def _row(host: str, each: Cleaned) -> dict[str, object]:
    error = each.error and {"message": str(each.error), "hint": each.error.hint}
    return {
        "host": host,
        "machine": each.machine,
        "found": [asdict(thing) for thing in each.found],
        "left": [asdict(thing) for thing in each.left],
        "restart": each.restart,
        "notes": list(each.notes),
        "unasked": each.unasked or None,
        "error": error,
    }


def _lines(each: Cleaned, *, dry_run: bool) -> Iterator[str]:
    if each.found:
        yield f"{each.machine}: HLK's RSC test has left:"
    for thing in each.found:
        now = next((left for left in each.left if str(left) == str(thing)), None)
        what = (
            "goes when Windows is restarted"
            if now and now.restart
            else "would be removed"
            if dry_run
            else "is there still"
            if now
            else "removed"
        )
        yield f"  {thing} ({thing.about}): {what}"
    if each.restart:
        yield f"{each.machine}: restart Windows now"
    if not each.found and not each.unasked and each.error is None and not each.notes:
        yield f"{each.machine}: nothing of HLK's RSC test is left"
    for note in each.notes:
        yield f"{each.machine}: {note}"
