"""`rscvm hck enforce`: keep test TAPs wire-like while tests run; a line each time that it had to."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click

from provision.cli.fleet import edges_of, errors_of, raise_or_tell, whoami, worst
from provision.cli.options import LAB, MACHINES
from provision.cli.output import complain
from provision.cli.selection import by_host, chosen
from provision.lab.file import read_lab
from provision.runtime.errors import RequestError, RscvmError
from provision.runtime.safe_text import json_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from provision.cli.output import Output
    from provision.edges.wiring import RealEdges
    from provision.lab.spec import Lab
    from provision.runtime.parallel import Outcome
    from provision.verbs.hck.kept_taps import Enforced, Happened, HckNic

_SCHEMA = "rscvm/hck-enforce/1"
_DONE = ("kept", "off", "back")
"""What happens as it should; of all else a person is told also beside a program that reads."""


@click.command(short_help="Keep test TAPs wire-like while tests run.")
@LAB
@MACHINES
@click.option("--json", "as_json", is_flag=True, help="A line of JSON for each thing that happens.")
@click.pass_obj
def enforce(output: Output, lab: str, machines: tuple[str, ...], *, as_json: bool) -> int:
    """Keep `tx` off at the TAPs of the NICs with `rsc: hck`, of all machines or of these, until Ctrl-C.

    Each start of a guest's driver switches it on again, and a sender's offloads then reach QEMU's engine. It is
    switched off at once by a script on the host, also over SSH. At its end `tx` is on again where it was switched
    off: a host that hears nothing for 30 s does that by itself. Where that script is killed, too, the next run does.

    Exit status: 0 ended by Ctrl-C, SIGTERM or SIGHUP, all kept and all put back. 3 otherwise, also where that is not
    known. 141 whoever read its output has gone, and all is put back.
    """
    from provision.runtime.parallel import side_by_side
    from provision.verbs.hck.kept_taps import hck_nics

    read = read_lab(lab)
    named = chosen(read, machines)
    if without := [name for name in named if name in machines and not hck_nics(read, [name])]:
        having = ", ".join(name for name in read.machines if hck_nics(read, [name]))
        raise RequestError(
            f"no NIC of {', '.join(without)} has `rsc: hck`",
            hint=having and f"these machines have one: {having}",
        )
    hosts = by_host(read, [name for name in named if hck_nics(read, [name])])
    if not hosts:
        raise RequestError(f"no machine of {', '.join(machines) or 'this lab file'} has `rsc: hck`")
    output.say("Ctrl-C ends it, and puts tx back where it was set off.")
    voice = _Speaker(output, alone=len(hosts) == 1, as_json=as_json)
    with edges_of(read, output) as edges:
        outcomes = side_by_side(
            list(hosts),
            lambda host: _on_host((edges, read), host, hosts[host], voice),
            at_once=len(hosts),
            whole=True,
        )
    outcomes = [_with_its_error(outcome) for outcome in outcomes]
    lost = voice.end(outcomes)
    if status := worst(raise_or_tell(outcomes)):
        return status
    if lost is not None:
        raise lost
    return status


def _on_host(where: tuple[RealEdges, Lab], host: str, names: Sequence[str], speaker: _Speaker) -> Enforced:
    from provision.host.apply.session import HostSession
    from provision.verbs.hck.enforce import enforce as keep
    from provision.verbs.hck.kept_taps import Enforced, Voice

    edges, lab = where
    session = HostSession(edges, lab, host, whoami("hck enforce"))
    try:
        edges.reach(host)
        return keep(session, partial(edges.follow, host), names, Voice(speaker.tell, speaker.say))
    except RscvmError as error:
        speaker.failed(host, error)
        return Enforced({}, error)  # an interruption that ends the others is an end like theirs


def _with_its_error(outcome: Outcome[Enforced]) -> Outcome[Enforced]:
    """The outcome of a host, which has failed also where an interruption found its connection lost."""
    from provision.runtime.parallel import Outcome

    error = outcome.error or (outcome.value.error if outcome.value else None)
    return Outcome(outcome.host, outcome.value, error)


class _Speaker:
    """Prints a line for each thing that happens, for a person or a program; hosts speak side by side."""

    def __init__(self, output: Output, *, alone: bool, as_json: bool) -> None:
        from provision.cli.unhurried import Unhurried
        from provision.runtime.interrupt import interrupt

        self.output = output
        self._alone = alone
        self._as_json = as_json
        self._printer = Unhurried(interrupt)

    def say(self, line: str) -> None:
        """Tell of progress."""
        self._printer.print(partial(self.output.say, line))

    def failed(self, host: str, error: RscvmError) -> None:
        """Say why a host is left out: what the others come to may be hours away."""
        if not self._alone:
            self.say(str(error) if error.names_host else f"{host}: {error}")

    def tell(self, what: Happened) -> None:
        """Print what has happened just now."""
        now = _now()
        if not self._as_json:
            self._printer.print(partial(self.output.line, f"{now.astimezone():%H:%M:%S} {what.line}"))
            return
        why = {"why": what.why} if what.why else {}
        row = {"host": what.host} if what.nic is None else _row(what.host, what.nic, what.count)
        self._printer.print(partial(self._row, now, {"event": what.what, **row, **why}))
        if what.what not in _DONE:
            self.say(what.line)

    def end(self, outcomes: Sequence[Outcome[Enforced]]) -> OSError | None:
        """Print the sum; the error is why that, or something before, could not be printed."""
        found = [(each.host, each.value) for each in outcomes if each.value is not None]
        if self._as_json:
            self._printer.print(partial(self._row, _now(), {**_sum(found), **errors_of(outcomes)}))
        for line in () if self._as_json else _sentences(found):
            self._printer.print(partial(self.output.line, line))
        self._printer.end()
        if self._printer.left_out:
            complain(f"{self._printer.left_out} lines were left out: nobody read them")
        return self._printer.error

    def _row(self, when: datetime, row: Mapping[str, object]) -> None:
        stamp = f"{when:%Y-%m-%dT%H:%M:%S.%f}"[:-3]
        self.output.text(json_text({"schema": _SCHEMA, "when": f"{stamp}Z", **row}))


def _now() -> datetime:
    from datetime import UTC, datetime

    return datetime.now(UTC)


def _sum(found: Sequence[tuple[str, Enforced]]) -> dict[str, object]:
    rows = [
        _row(host, nic, count) | ({"why": kept.troubles[nic]} if nic in kept.troubles else {})
        for host, kept in found
        for nic, count in kept.counts.items()
    ]
    total = sum(count for _, kept in found for count in kept.counts.values())
    return {"event": "end", "count": total, "nics": rows}


def _sentences(found: Sequence[tuple[str, Enforced]]) -> list[str]:
    return [
        f"{nic.words}: tx had to be set off {count} time{'' if count == 1 else 's'}"
        + (f"; at the end {kept.troubles[nic]}" if nic in kept.troubles else "")
        for _, kept in found
        for nic, count in kept.counts.items()
    ]


def _row(host: str, nic: HckNic, count: int) -> dict[str, object]:
    return {"host": host, "machine": nic.machine, "nic": nic.nic, "tap": nic.tap, "count": count}
