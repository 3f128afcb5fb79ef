"""`rscvm fix`: do what the findings of `check` say."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import click

from provision.cli.fleet import errors_of, on_hosts, raise_or_tell, worst
from provision.cli.libvirts import located, named_domains, reached, refuse_no_file
from provision.cli.output import Output, complain
from provision.cli.selection import by_host, chosen
from provision.edges.uri import reach
from provision.lab.file import read_lab
from provision.runtime.errors import RequestError, RscvmError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.text import Text

    from provision.host.apply.session import HostSession
    from provision.runtime.command import Say
    from provision.runtime.parallel import Outcome
    from provision.verbs.check import Look
    from provision.verbs.fix.fix import Fixed
    from provision.verbs.fix.taps import Change
    from provision.verify.judge.verdict import NicVerdict

_Which = tuple[str, str, str]
"""A domain: its libvirt's URI, the host that was named beside that, and its name."""
_TAKES = "`rscvm fix LAB [MACHINE]...`, or `rscvm fix --connect URI DOMAIN`; `rscvm check` tells what there is to fix"


@click.command(short_help="Do what the findings of `check` say.")
@click.argument("names", nargs=-1, metavar="LAB [MACHINE]... | DOMAIN...")
@click.option(
    "--connect",
    "uris",
    multiple=True,
    metavar="URI",
    help="Fix DOMAIN of this libvirt, whoever made it; several can be named.",
)
@click.option(
    "--host", default="", metavar="ssh://USER@HOST", help="Where its TAPs are; by default the URI's host."
)
@click.option("--dry-run", is_flag=True, help="Say what would be done, edits as diffs, and do nothing.")
@click.option("--restart", is_flag=True, help="Shut DOMAIN down and start it again, where an edit needs it.")
@click.option(
    "--wait",
    type=click.IntRange(min=0),
    default=300,
    show_default=True,
    metavar="SECONDS",
    help="How long shutting down and the guest's driver may take, together.",
)
@click.option(
    "--observe",
    type=click.FloatRange(min=0),
    default=0,
    metavar="SECONDS",
    help="Watch the TAPs, too, for what traffic alone shows: senders of one IP ID.",
)
@click.option("--guest", is_flag=True, help="Ask the guests, too, and switch on what is off in them.")
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
@click.pass_obj
def fix(
    output: Output,
    names: Sequence[str],
    *,
    uris: Sequence[str],
    host: str,
    dry_run: bool,
    restart: bool,
    wait: int,
    observe: float,
    guest: bool,
    as_json: bool,
) -> int:
    """Do what the findings of `check` say, and check again.

    On the host: what somebody switched off at a TAP is asked for again; what the guest has dropped stays off.

    In a DOMAIN's definition: the smallest edit that mends it. The definition as it was is kept, and
    its file named. It takes effect after a power cycle, which --restart makes: the guest is asked to
    shut down, and nothing is pulled if it does not. A lab's machines follow their lab file instead,
    and its key is named.

    In a guest, with --guest: RSC on at its adapter or for all of it, and forwarding off, where that is the finding; what
    puts it back is printed.
    """
    from provision.verbs.check import Look

    look = Look(observe=observe, guest=guest)
    if uris:
        if not names:
            raise RequestError("--connect takes a DOMAIN, or several", hint=_TAKES)
        which = [(uri, host, name) for uri, name in located(output, uris, host, [*dict.fromkeys(names)])]
        outcomes = _fix_domains(output, which, look, wait if restart else None, dry_run=dry_run)
    else:
        _refuse(names, host, restart=restart)
        refuse_no_file(output, "fix", names)
        outcomes = _fix_lab(output, names[0], names[1:], look, dry_run=dry_run)
    return _shown(output, outcomes, as_json=as_json, dry_run=dry_run)


def _refuse(names: Sequence[str], host: str, *, restart: bool) -> None:
    """What does not go with a lab file."""
    if host:
        raise RequestError("--host goes with --connect")
    if restart:
        raise RequestError(
            "--restart goes with --connect", hint="a lab's machine: `rscvm down --keep-disks` and `rscvm up`"
        )
    if not names:
        raise RequestError("fix takes a lab file, or a libvirt's URI and a DOMAIN of it", hint=_TAKES)


def _fix_lab(
    output: Output, lab: str, machines: Sequence[str], look: Look, *, dry_run: bool
) -> Sequence[Outcome[Fixed]]:
    from provision.verbs.fix.fix import fix_lab

    read = read_lab(lab)
    hosts = by_host(read, chosen(read, machines))

    def work(session: HostSession, say: Say) -> Fixed:
        return fix_lab(session, hosts[session.host], say, look, dry_run=dry_run)

    return on_hosts(output, read, list(hosts), "fix", work)


def _fix_domains(
    output: Output, which: Sequence[_Which], look: Look, wait: int | None, *, dry_run: bool
) -> Sequence[Outcome[Fixed]]:
    """Fix domains one after the other; of a single one its error is raised, of several they are told."""
    from provision.runtime.parallel import Outcome

    outcomes: list[Outcome[Fixed]] = []
    for each in which:
        try:
            outcomes.append(_fix_domain(output, each, look, wait, dry_run=dry_run))
        except RscvmError as error:
            if len(which) > 1:
                output.say(f"{each[2]} at {each[0]} is not fixed:")
            outcomes.append(Outcome(reach(*each[:2]).name, error=error))
        except KeyboardInterrupt:
            for done in which[: len(outcomes)]:
                output.say(f"{done[2]} at {done[0]}: was through before the interruption, and stays so")
            raise
    return raise_or_tell(outcomes)


def _fix_domain(
    output: Output, which: _Which, look: Look, wait: int | None, *, dry_run: bool
) -> Outcome[Fixed]:
    from provision.cli.progress import progress
    from provision.edges.files.backups import keep
    from provision.runtime.deadline import Deadline
    from provision.runtime.parallel import Outcome
    from provision.verbs.check import check
    from provision.verbs.fix.fix import Place, fix_domain
    from provision.verbs.fix.in_guest import Guests
    from provision.verify.collect.source import domain_source

    uri, named, name = which
    with progress(output), reached(output, uri, named) as (host, edges):
        source = named_domains(domain_source(edges, host, (name,)), edges, uri, (name,))
        guests = Guests(edges, host) if look.guest else None
        before = ("--connect", uri, *(("--host", named) if named else ()))
        place = Place(edges, host, uri, name, lambda: check(source, look), keep, guests, before)
        restart = None if wait is None else Deadline(wait)
        return Outcome(host, fix_domain(place, output.say, dry_run=dry_run, restart=restart))


def _shown(output: Output, outcomes: Sequence[Outcome[Fixed]], *, as_json: bool, dry_run: bool) -> int:
    """Tell what was done and how every NIC is now; the exit status is that of a check."""
    from provision.verify.report.document import as_json as documented
    from provision.verify.report.document import exit_status
    from provision.verify.report.text import shown

    done = [outcome.value for outcome in outcomes if outcome.value is not None]
    verdicts = [verdict for fixed in done for verdict in fixed.verdicts]
    changes = [change for fixed in done for change in fixed.changed]
    notes = [note for fixed in done for note in fixed.notes]
    outcomes = [replace(o, error=o.value.error) if o.value and o.value.error else o for o in outcomes]
    if as_json:
        rows = [{**asdict(change), "diff": list(change.diff)} for change in changes]
        document = {**documented(verdicts), "schema": "rscvm/fix/1", "done": not dry_run}
        output.json({**document, "changed": rows, "notes": notes, **errors_of(outcomes)})
    else:
        output.show(shown(verdicts, width=output.width))
        output.show(_lines(changes, notes, dry_run=dry_run))
        restarted = sum(fixed.restarted for fixed in done)
        output.show([_summary(len(changes), restarted, verdicts, dry_run=dry_run)])
    for outcome in outcomes:
        if outcome.value is not None and outcome.error is not None:
            complain(str(outcome.error), hint=outcome.error.hint)
    if not verdicts and all(outcome.error is None for outcome in outcomes):
        from provision.cli.nothing import Nothing

        Nothing("there is no NIC").say()
    return worst(outcomes, exit_status(verdicts))


def _lines(changes: Sequence[Change], notes: Sequence[str], *, dry_run: bool) -> list[Text]:
    from rich.text import Text

    from provision.cli.steps import diff_lines
    from provision.verbs.fix.in_guest import InGuest
    from provision.verbs.fix.taps import Edited

    lines: list[Text] = []
    for change in changes:
        head = f"{change.nic}: would " if dry_run else f"{change.nic}: "
        verb = "define" if isinstance(change, Edited) else "run"
        did = verb if dry_run else {"define": "defined", "run": "ran"}[verb]
        did = f"{did} in the guest" if isinstance(change, InGuest) else did
        lines.append(Text.assemble(head, did, " ", (change.what, "bold"), f" ({change.cause})"))
        lines.append(Text(f"  why: {change.why}"))
        lines += [Text(f"  back: {each}") for each in (change.restore if isinstance(change, InGuest) else ())]
        lines += diff_lines(change.diff)
    lines += [Text(f"note: {note}") for note in notes]
    return [Text(""), *lines, *([Text("")] if lines else [])]


def _summary(changes: int, restarted: int, verdicts: Sequence[NicVerdict], *, dry_run: bool) -> Text:
    """What was done, and how it is now."""
    from rich.text import Text

    from provision.verify.report.summary import summed

    made = "would be made" if dry_run else "made"
    did = [f"{changes} change{'s'[: changes > 1]} {made}"] if changes else []
    what = ", ".join(did + ([f"{restarted} restarted"] if restarted else [])) or "nothing to change from here"
    waiting = (each.definition for each in verdicts if each.verdict == "not-ready")
    later = sum(found is not None and found.verdict == "ready" for found in waiting)
    then = f" ({later} ready after a power cycle)" if later else ""
    return Text(f"{what}; {summed(verdicts).sentence}{then}" if verdicts else what, "bold")
