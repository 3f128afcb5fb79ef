"""The command that judges: check."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provision.cli.labs import by_host, chosen, edges_of, errors_of, read_lab, told, worst
from provision.cli.live import watch_sources
from provision.cli.output import Output
from provision.errors import HostError, RequestError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from provision.check import Source
    from provision.edges.wiring import RealEdges
    from provision.verify.judge import NicVerdict


_FILE = click.Path(dir_okay=False)
_TARGETS = click.argument("names", nargs=-1, metavar="[LAB [MACHINE]... | DOMAIN...]")


@click.command(short_help="The ladder of every NIC: what breaks RSC.")
@_TARGETS
@click.option("--connect", metavar="URI", help="Domains of this libvirt, made by anyone.")
@click.option("--qmp", metavar="SOCKET", help="A QEMU without libvirt, by its monitor's socket.")
@click.option(
    "--host",
    default="",
    metavar="ssh://USER@HOST",
    help="Where the TAPs are (and the socket); by default the URI's host, else this one.",
)
@click.option(
    "--observe",
    type=click.FloatRange(0, 3600),
    default=0,
    metavar="SECONDS",
    help="Watch the TAPs' counters so long: the mean frame that guests were handed.",
)
@click.option(
    "--no-monitor",
    is_flag=True,
    help="Leave QEMU's monitors alone: domains stay untainted, the TAP is judged alone.",
)
@click.option(
    "--watch",
    type=click.FloatRange(0.2, 3600),
    metavar="SECONDS",
    help="Keep looking, every so often: rate, mean frame and verdict of each NIC.",
)
@click.option("--junit", type=_FILE, metavar="FILE", help="The verdicts as JUnit XML, for CI.")
@click.option(
    "--html", type=_FILE, metavar="FILE", help="A page of its own with every ladder and its evidence."
)
@click.option("--json", "as_json", is_flag=True, help="The result as JSON; with --watch a line a tick.")
@click.pass_obj
def check(
    output: Output,
    names: tuple[str, ...],
    *,
    connect: str | None,
    qmp: str | None,
    host: str,
    observe: float,
    no_monitor: bool,
    watch: float | None,
    junit: str | None,
    html: str | None,
    as_json: bool,
) -> int:
    """Every NIC's ladder: which layer hands RSC on, and which one breaks it. Changes nothing.

    Of a lab file's machines, of a libvirt's domains (--connect), or of one QEMU (--qmp). Asks QEMU by its
    monitor what the device offers and what the guest's driver took, and the TAP what it hands on.
    libvirt marks a domain whose monitor was asked as tainted; --no-monitor does without.
    """
    from provision.check import Look
    from provision.check import check as look_at
    from provision.fleet import side_by_side

    if watch is not None and (observe or junit or html):
        raise RequestError("--watch only shows: it goes with neither --observe nor --junit nor --html")
    look = Look(monitor=not no_monitor, observe=observe)
    with _sources(output, names, connect=connect, qmp=qmp, host=host, monitor=look.monitor) as sources:
        if watch is not None:
            watch_sources(output, sources, watch, as_json=as_json)
        outcomes = side_by_side(list(sources), lambda name: look_at(sources[name], look))
    verdicts = [verdict for outcome in outcomes for verdict in outcome.value or ()]
    _write(verdicts, {o.host: str(o.error) for o in outcomes if o.error is not None}, junit, html)
    told(outcomes)
    return worst(outcomes, judged(output, verdicts, as_json=as_json, more=errors_of(outcomes)))


def _write(
    verdicts: Sequence[NicVerdict], errors: Mapping[str, str], junit: str | None, html: str | None
) -> None:
    """Write the documents that were asked for.

    :raise HostError: when one cannot be written.
    """
    from datetime import UTC, datetime

    when = datetime.now(UTC)
    try:
        if junit is not None:
            from provision.verify.junit import as_junit

            Path(junit).write_text(as_junit(verdicts, when, errors), "utf-8")
        if html is not None:
            from provision.verify.html import as_html

            Path(html).write_text(as_html(verdicts, when=when, title="rscvm check", errors=errors), "utf-8")
    except OSError as error:
        raise HostError(f"cannot write {error.filename}: {error.strerror}") from error


@contextmanager
def _sources(
    output: Output,
    names: Sequence[str],
    *,
    connect: str | None,
    qmp: str | None,
    host: str,
    monitor: bool,
) -> Iterator[dict[str, Source]]:
    """What the command line asks about, by host; connections end with the block.

    :raise RequestError: when it asks for nothing, or for two things at once.
    """
    from provision.check import bare_source, domain_source, lab_source

    if connect is not None and qmp is not None:
        raise RequestError("--connect and --qmp: one of them")
    if qmp is not None and (names or not monitor):
        raise RequestError(
            "--qmp: all there is to ask is its monitor; it takes neither names nor --no-monitor"
        )
    if connect is not None:
        with _reached(output, connect, host) as (name, edges):
            yield {name: domain_source(edges, name, names, monitor=monitor)}
    elif qmp is not None:
        with _reached(output, "", host) as (name, edges):
            yield {name: bare_source(edges, name, qmp)}
    elif not names or host:
        raise RequestError("which machines? LAB, --connect URI (with --host), or --qmp SOCKET (with --host)")
    else:
        lab = read_lab(names[0])
        hosts = by_host(lab, chosen(lab, names[1:]))
        with edges_of(lab, output) as edges:
            yield {name: lab_source(edges, lab, name, hosts[name], monitor=monitor) for name in hosts}


@contextmanager
def _reached(output: Output, uri: str, host: str) -> Iterator[tuple[str, RealEdges]]:
    """The host of a libvirt's URI, or the one that was named, and the ways to it."""
    from provision.connect import reach
    from provision.edges.wiring import RealEdges

    way = reach(uri, host)
    trace = output.say if output.verbose else None
    with RealEdges({way.name: way.host}, trace, daemons={way.name: way.daemon}) as edges:
        yield way.name, edges


def judged(
    output: Output, verdicts: list[NicVerdict], *, as_json: bool, more: Mapping[str, object] | None = None
) -> int:
    """Show verdicts, alone or as part of another document, and return their exit status."""
    from provision.verify.report import as_json as documented
    from provision.verify.report import exit_status, shown

    if as_json:
        output.json({**documented(verdicts), **(more or {})})
    else:
        output.show(shown(verdicts, width=output.width))
    return exit_status(verdicts)
