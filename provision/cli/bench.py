"""`rscvm bench`: what RSC is worth to a machine that runs."""

from __future__ import annotations

import math
import re
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from provision.cli.libvirts import refuse_no_file
from provision.cli.options import JSON, one_to_stdout
from provision.cli.output import Output, complain
from provision.cli.selection import chosen_hosts
from provision.cli.selection import machine as machine_of
from provision.runtime.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from provision.host.apply.session import HostSession
    from provision.verbs.bench.bench import Benched
    from provision.verbs.bench.legs import Course
    from provision.verbs.bench.sending import Server
    from provision.verify.collect.source import MachineSource

_FILE = click.Path(dir_okay=False)
_SERVER = re.compile(
    r"\[([0-9A-Fa-f:.]+)\](?::([0-9]{1,5}))?|([A-Za-z0-9][A-Za-z0-9._-]*)(?::([0-9]{1,5}))?|([0-9A-Fa-f]*(?::[0-9A-Fa-f]*){2,})"
)
_OWN = 5201
"""iperf3's own port."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """The options, as they stand on the command line."""

    names: tuple[str, ...]
    connect: str | None
    host: str
    nic: str
    sender: str
    server: str
    pairs: int
    seconds: int
    reference: bool
    min_gain: float | None
    junit: str | None
    html: str | None
    as_json: bool

    def check(self) -> None:
        """Hold them against each other.

        :raise RequestError: when they do not go together.
        """
        if self.connect is None and len(self.names) != 2:
            raise RequestError(
                "bench takes one machine", hint="rscvm bench LAB MACHINE, or --connect URI DOMAIN"
            )
        if self.connect is not None and len(self.names) != 1:
            raise RequestError("--connect takes one DOMAIN", hint="rscvm bench --connect URI DOMAIN")
        if self.min_gain is not None and not math.isfinite(self.min_gain):
            raise RequestError("--min-gain takes a number")
        if self.host and self.connect is None:
            raise RequestError("--host goes with --connect: a lab file says itself where its machines are")
        if self.sender and self.connect is not None:
            raise RequestError("--sender is a host of a lab file, and goes with LAB MACHINE")
        one_to_stdout(as_json=self.as_json, junit=self.junit, html=self.html)

    @property
    def to_stdout(self) -> bool:
        """Whether a document has stdout to itself.

        :raise RequestError: when two would.
        """
        return one_to_stdout(as_json=self.as_json, junit=self.junit, html=self.html)

    @property
    def course(self) -> Course:
        """What is to be measured."""
        from provision.edges.files.backups import keep
        from provision.verbs.bench.legs import Course

        server = _server(self.server) if self.server else None
        kept = keep if self.connect is not None else None
        return Course(
            pairs=self.pairs,
            seconds=self.seconds,
            sender=self.sender,
            server=server,
            nic=self.nic,
            reference=self.reference,
            keep=kept,
        )


@click.command(short_help="What RSC is worth here: throughput with and without.")
@click.argument("names", nargs=-1, metavar="LAB MACHINE | DOMAIN")
@click.option("--connect", metavar="URI", help="DOMAIN of this libvirt, whoever made it.")
@click.option(
    "--host", default="", metavar="ssh://USER@HOST", help="Where its TAP is; by default the URI's host."
)
@click.option(
    "--nic", default="", metavar="NAME", help="Which NIC, by name or MAC address, where several can be meant."
)
@click.option(
    "--sender",
    default="",
    metavar="HOST",
    help="Send from this host of the lab file; by default from the machine's own.",
)
@click.option(
    "--server",
    default="",
    metavar="ADDRESS[:PORT]",
    help="Where `iperf3 -s` was started in the guest; by default one is started there, by the guest's agent or the lab file's `ask`.",
)
@click.option(
    "--pairs",
    type=click.IntRange(1, 100),
    default=5,
    show_default=True,
    help="How often it is measured with and without.",
)
@click.option(
    "--seconds", type=click.IntRange(1, 60), default=5, show_default=True, help="How long each time."
)
@click.option(
    "--reference",
    is_flag=True,
    help="Measure it with `rsc: false`, too: a lab's machine has its plug pulled for that, twice; a DOMAIN's guest is asked to shut down, twice.",
)
@click.option(
    "--min-gain",
    type=click.FloatRange(min=0),
    metavar="X",
    help="Exit status 1 where the gain is less, live or to the reference.",
)
@click.option("--junit", type=_FILE, metavar="FILE", help="The outcome as JUnit XML, for CI; - for stdout.")
@click.option("--html", type=_FILE, metavar="FILE", help="A page of its own, with plots; - for stdout.")
@JSON
@click.pass_obj
def bench(output: Output, /, **options: Any) -> int:
    """Measure what RSC is worth to a NIC of a machine that runs: host to guest by iperf3, with RSC and without, in turns.

    Without it means: checksum and TSO are switched off at its TAP while a leg lasts (`ethtool -K TAP tx off`), which
    other traffic of the machine feels, too. They are given back after each leg, also after Ctrl-C, and by the host
    itself where this command is killed or cut off. Nothing restarts. A NIC that is not ready is not measured: what
    `check` says of it is shown.
    """
    asked = _Asked(**options)
    if asked.connect is None and asked.names:
        refuse_no_file(output, "bench", asked.names)
    asked.check()
    from provision.cli.progress import progress

    with progress(output), _machine(output, asked) as (session, source):
        from provision.verbs.bench.bench import bench as measure

        known = session.lab.machines.get(asked.names[-1])
        course = replace(asked.course, program=(known.iperf3 if known else None) or "")
        found = measure(session, source, course, output.say)
    return _shown(output, asked, found)


def _server(text: str) -> Server:
    """ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT.

    :raise RequestError: when it is neither.
    """
    from provision.verbs.bench.sending import Server

    found = _SERVER.fullmatch(text)
    address = next(filter(None, (found[1], found[3], found[5])), "") if found else ""
    port = int(found[2] or found[4] or _OWN) if found else 0
    if not address or not 0 < port < 65536:
        raise RequestError("--server takes ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT")
    return Server(address, port)


@contextmanager
def _machine(output: Output, asked: _Asked) -> Iterator[tuple[HostSession, MachineSource]]:
    """The host of the machine that was named, and how it is asked; connections end with the block."""
    from provision.cli.fleet import edges_of, whoami
    from provision.cli.libvirts import named_domains, reached
    from provision.host.apply.session import HostSession
    from provision.lab.file import read_lab
    from provision.lab.spec import Lab
    from provision.verify.collect.source import domain_source, lab_source

    if asked.connect is not None:
        with reached(output, asked.connect, asked.host) as (host, edges):
            # Of no lab file: a name that no lab has, below which the lock lies, and the host's own undo.
            nobodys = Lab.model_construct(version=1, name=".bench")
            source = named_domains(domain_source(edges, host, asked.names), edges, asked.connect, asked.names)
            yield HostSession(edges, nobodys, host, whoami("bench")), source
        return
    lab = read_lab(asked.names[0])
    machine = machine_of(lab, asked.names[1])
    chosen_hosts(lab, [asked.sender] if asked.sender else [])
    host = lab.machines[machine].host
    with edges_of(lab, output) as edges:
        yield HostSession(edges, lab, host, whoami("bench")), lab_source(edges, lab, host, [machine])


def _shown(output: Output, asked: _Asked, found: Benched) -> int:
    """Show what was measured, or why nothing was, unless a document has stdout alone; return the exit status."""
    from provision.cli.judged import judged
    from provision.verify.report.document import exit_status as verdict_status

    gain, alone = found.gain, asked.to_stdout
    if gain is None:
        more = {"schema": "rscvm/bench/1", "gain": None}
        verdicts = [found.verdict]
        status = (
            verdict_status(verdicts) if alone else judged(output, verdicts, as_json=asked.as_json, more=more)
        )
        _write(asked, found)
        known = "the NIC is not ready" if status == 1 else "whether the NIC is ready is not known"
        complain(f"nothing was measured: {known}")
        return status
    from provision.verify.report.gain_text import as_json, as_text, exit_status
    from provision.verify.report.gain_text import missed as why_missed

    trouble = found.trouble
    if trouble is not None:
        gain = replace(gain, notes=(*gain.notes, str(trouble)))
        found = replace(found, gain=gain)
    if asked.as_json:
        row = {"host": gain.host, "message": str(trouble), "hint": trouble.hint} if trouble else None
        output.json({**as_json(gain), **({"errors": [row]} if row else {})})
    elif not alone:
        output.show(as_text(gain, output.width))
    _write(asked, found)
    if trouble is not None:
        complain(str(trouble), hint=trouble.hint)
        return trouble.status
    if missed := exit_status(gain, asked.min_gain):
        complain(f"{why_missed(gain, asked.min_gain or 0)} (--min-gain)")
    return missed


def _write(asked: _Asked, found: Benched) -> None:
    """Write the documents that were asked for; of what was not measured, those of `check`.

    :raise HostError: when one cannot be written.
    """
    from datetime import UTC, datetime

    from provision.edges.files.write import write_text
    from provision.verify.report.gain_html import as_html as gain_html
    from provision.verify.report.gain_junit import as_junit as gain_junit
    from provision.verify.report.html import as_html
    from provision.verify.report.junit import as_junit

    when, gain = datetime.now(UTC), found.gain
    if asked.junit is not None:
        failed = str(found.trouble or "")
        text = gain_junit(gain, when, asked.min_gain, failed) if gain else as_junit([found.verdict], when)
        write_text(asked.junit, text)
    if asked.html is not None:
        title = "rscvm bench: not measured"
        page = (
            gain_html(gain, found.verdict, when=when)
            if gain
            else as_html([found.verdict], when=when, title=title)
        )
        write_text(asked.html, page)
