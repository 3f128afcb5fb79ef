"""`rscvm check`: the ladder of every NIC; its options, its documents and its exit status."""

from __future__ import annotations

import math
import os
import sys
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from provision.cli.fleet import errors_of, raise_or_tell, worst
from provision.cli.judged import judged
from provision.cli.options import one_to_stdout
from provision.cli.output import Output, complain
from provision.cli.page import Page
from provision.cli.targets import Machines, sources_of
from provision.edges.files.write import write_text
from provision.edges.uri import LOCAL
from provision.runtime.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from provision.cli.nothing import Nothing
    from provision.runtime.parallel import Outcome
    from provision.verify.judge.verdict import NicVerdict


@dataclass(frozen=True, slots=True)
class _Asked:
    """The options, as they stand on the command line."""

    names: tuple[str, ...]
    connect: tuple[str, ...]
    qmp: str | None
    host: tuple[str, ...]
    observe: float
    no_monitor: bool
    guest: bool
    watch: float | None
    junit: str | None
    html: str | None
    save: str | None
    source: str | None
    ladders: bool
    running: bool
    as_json: bool
    page: Page = field(default_factory=Page)

    @property
    def machines(self) -> Machines:
        """Which are meant."""
        return Machines(self.names, self.connect, self.qmp, self.host)

    def check(self) -> None:
        """Hold them against each other.

        :raise RequestError: when two of them do not go together.
        """
        if not all(map(math.isfinite, (self.observe, self.watch or 0))):
            raise RequestError("--observe and --watch take a number of seconds")
        others = (self.observe, self.guest, self.junit, self.html, self.save, self.source)
        if self.watch is not None and any((*others, self.ladders, self.running)):
            raise RequestError(
                "--watch only shows: of the other options those go with it that say what is looked at"
            )
        machines = (self.names, self.connect, self.qmp, self.host)
        asked = (*machines, self.observe, self.no_monitor, self.guest, self.save)
        if self.source is not None and any(asked):
            raise RequestError(
                "--from: what was asked has been answered; only --json, --junit and --html go with it"
            )

    @property
    def to_stdout(self) -> bool:
        """Whether a document has stdout to itself.

        :raise RequestError: when two would.
        """
        return one_to_stdout(as_json=self.as_json, junit=self.junit, html=self.html, save=self.save)


_FILE = click.Path(dir_okay=False)


@click.command(short_help="The ladder of every NIC: what breaks RSC.")
@click.argument("names", nargs=-1, metavar="[LAB [MACHINE]... | DOMAIN...]")
@click.option(
    "--connect",
    multiple=True,
    metavar="URI",
    help="Domains of this libvirt, made by anyone; several can be named.",
)
@click.option(
    "--qmp",
    metavar="SOCKET",
    help="A QEMU without libvirt, by its monitor: a socket's path, or tcp:127.0.0.1:PORT.",
)
@click.option(
    "--host",
    multiple=True,
    metavar="ssh://USER@HOST",
    help="Where the machines are; by default the URI's host, else this one. Several, where all of theirs are meant.",
)
@click.option(
    "--observe",
    type=click.FloatRange(0, 3600),
    default=0,
    metavar="SECONDS",
    help="Watch the TAPs so long (at least 2 s): in how large frames TCP is handed to guests, by a sample.",
)
@click.option(
    "--no-monitor",
    is_flag=True,
    help="Leave QEMU's monitors alone: domains stay untainted, the TAP is judged alone.",
)
@click.option(
    "--guest",
    is_flag=True,
    help="The guests must answer themselves, by the lab file's `ask`, else by their QEMU guest agents.",
)
@click.option(
    "--watch",
    type=click.FloatRange(0.2, 3600),
    metavar="SECONDS",
    help="Keep looking, every so often: rate, mean frame and verdict of each NIC.",
)
@click.option("--junit", type=_FILE, metavar="FILE", help="The verdicts as JUnit XML, for CI; - for stdout.")
@click.option(
    "--html",
    type=_FILE,
    metavar="FILE",
    help="A page of its own: every ladder and its evidence; - for stdout.",
)
@click.option(
    "--save",
    metavar="DIR",
    help="Keep every raw answer, to attach to a bug report: domain XML, names, addresses, command lines; passwords masked; - for a tar archive on stdout.",
)
@click.option(
    "--from",
    "source",
    metavar="PATH",
    help="Judge what --save kept, or pasted `ethtool -k` and `-c`, `virsh dumpxml`, `qm config`, Get-NetAdapterRsc (a file, a directory, - for stdin).",
)
@click.option(
    "-l",
    "--ladder",
    "ladders",
    is_flag=True,
    help="Every NIC's ladder beneath the table; else of those alone that are not ready.",
)
@click.option("--running", is_flag=True, help="Leave out machines that are off.")
@click.option("--json", "as_json", is_flag=True, help="The result as JSON; with --watch a line a tick.")
@click.pass_obj
def check(output: Output, /, **options: Any) -> int:
    """Every NIC's ladder: which layer hands RSC on, and which one breaks it. Changes nothing.

    Of every QEMU that runs on this host, whoever started it, or on others (--host); of a lab file's machines, of
    a libvirt's domains (--connect), or of one QEMU (--qmp). Asks QEMU by its monitor what the device offers and
    what the guest's driver took, the TAP what it hands on, and the devices before it whether large frames come
    whole. libvirt marks a domain whose monitor was asked as tainted; --no-monitor does without. Guests whose lab file
    says how (`ask`), and all with --guest, are asked whether RSC is on there, and what keeps it from working.
    """
    from provision.verify.report.document import exit_status

    asked = _Asked(**options)
    asked.check()
    alone = asked.to_stdout
    outcomes, nothing = _outcomes(output, asked)
    found = [verdict for outcome in outcomes for verdict in outcome.value or ()]
    verdicts = [each for each in found if not (asked.running and each.evidence.state == "off")]
    if found and not verdicts:
        from provision.cli.nothing import ALL_OFF as nothing  # noqa: N811 - it stands for what was found
    errors = {outcome.host: str(outcome.error) for outcome in outcomes if outcome.error is not None}
    write = partial(_write, output, verdicts, errors, asked, nothing)
    if errors and len(outcomes) == 1:
        write()
    if len(outcomes) == 1:
        raise_or_tell(outcomes)
    more = errors_of(outcomes)
    show = partial(judged, output, verdicts, as_json=asked.as_json, more=more, ladders=asked.ladders)
    status = exit_status(verdicts) if alone else _shown(show, write)
    raise_or_tell(outcomes)  # last, where it is seen
    if errors:
        complain(f"{len(errors)} of {len(outcomes)} hosts could not be asked")
    if nothing is not None:
        nothing.say()
    elif not errors:
        _say_what_is_not_seen(output, asked, found)
    # Last: what was seen is shown also where it cannot be written.
    write()
    return worst(outcomes, status)


def _shown(show: Callable[[], int], write: Callable[[], None]) -> int:
    """What `show` returns; where whoever read that has gone, as `head` does, the documents are written all the same."""
    try:
        return show()
    except (BrokenPipeError, SystemExit):  # rich makes the second of the first
        write()
        raise


def _say_what_is_not_seen(output: Output, asked: _Asked, found: Sequence[NicVerdict]) -> None:
    """What root would see, machines that are off where those are not asked, and machines that were named and have no NIC."""
    from provision.cli.nothing import those_off, without_nic

    if os.geteuid() != 0 and not asked.source and any(_is_open(each) for each in found):
        output.say("root may ask more of QEMU and of this host: sudo")
    if asked.machines.everywhere and not (asked.source or asked.running) and (words := those_off(found)):
        output.say(words)
    if unseen := asked.machines.named - {each.evidence.machine for each in found}:
        output.say(without_nic(sorted(unseen)))


def _is_open(found: NicVerdict) -> bool:
    """Whether it runs on this host, and is unknown."""
    return (found.verdict, found.evidence.host) == ("unknown", LOCAL) and found.evidence.state != "off"


def _outcomes(output: Output, asked: _Asked) -> tuple[list[Outcome[list[NicVerdict]]], Nothing | None]:
    """The verdicts by host, or why there is none though no host failed; a watch ends by its interruption alone."""
    from provision.api.saved import Keep, judged_from
    from provision.cli.libvirts import with_asking
    from provision.cli.nothing import SAVED, why_nothing
    from provision.cli.progress import progress
    from provision.cli.watch import watch_sources
    from provision.runtime.parallel import side_by_side
    from provision.verbs.check import PATIENCE, Look
    from provision.verbs.check import check as look_at
    from provision.verbs.fix.command_line import with_commands
    from provision.verify.collect.guest_answers import LONGEST

    if asked.source is not None:
        saved = judged_from(asked.source, sys.stdin, asked.page.tools)
        return saved, SAVED if _is_empty(saved) else None
    look = Look(monitor=not asked.no_monitor, observe=asked.observe, guest=asked.guest)
    keep = Keep(asked.save, look, asked.page.tools if asked.html else None)
    with sources_of(output, asked.machines, keep) as sources:
        asked.page.note(sources)
        if asked.watch is not None:
            watch_sources(output, sources, asked.watch, as_json=asked.as_json)

        def judged_at(name: str) -> list[NicVerdict]:
            reached = sources[name].reached
            return with_asking(with_commands(look_at(sources[name], look), reached), reached)

        with progress(output):
            found = side_by_side(
                list(sources),
                judged_at,
                seconds=PATIENCE + LONGEST + look.observe,
            )
        return found, why_nothing(output, asked.machines, sources) if _is_empty(found) else None


def _is_empty(outcomes: Sequence[Outcome[list[NicVerdict]]]) -> bool:
    """Whether there is no NIC, and no host that failed and might have had one."""
    return not any(outcome.value or outcome.error for outcome in outcomes)


def _write(
    output: Output,
    verdicts: Sequence[NicVerdict],
    errors: Mapping[str, str],
    asked: _Asked,
    nothing: Nothing | None,
) -> None:
    """Write the documents that were asked for, and name what is written by now.

    :raise HostError: when one cannot be written.
    """
    from datetime import UTC, datetime

    when, why = datetime.now(UTC), nothing.words if nothing else ""
    if asked.junit is not None:
        from provision.verify.report.junit import as_junit

        write_text(asked.junit, as_junit(verdicts, when, errors, why))
    if asked.html is not None:
        write_text(asked.html, asked.page.html(verdicts, when, errors, why))
    for path in filter(None, (asked.junit, asked.html, asked.save)):
        if path != "-":
            output.say(f"wrote {path}")
