"""What other programs import: `from provision import check_domains, load_lab, render_domain`.

Their results are those of the command line: `document(verdicts)` is what `check --json` prints.
"""

from __future__ import annotations

import json
import os
import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from provision.edges.uri import reach
from provision.edges.wiring import RealEdges
from provision.lab.file import read_lab
from provision.lab.spec import Lab
from provision.render.machine import domain_xml, qemu_argv
from provision.render.view import machine_view
from provision.runtime.command import Run
from provision.runtime.errors import HostError, LabFileError, RequestError, RscvmError
from provision.verbs.check import Look, check
from provision.verify.collect.source import domain_source, every_source
from provision.verify.judge.verdict import NicVerdict
from provision.verify.report.document import as_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from provision.edges.relayed.pump import Connection

__all__ = [
    "HostError",
    "Lab",
    "LabFileError",
    "NicVerdict",
    "RequestError",
    "RscvmError",
    "check_domains",
    "check_over",
    "document",
    "fix_taps",
    "load_lab",
    "render_argv",
    "render_domain",
    "set_host",
    "write_report",
]


def check_domains(
    uri: str = "qemu:///system",
    domains: Sequence[str] = (),
    *,
    host: str = "",
    monitor: bool = True,
    observe: float = 0,
) -> list[NicVerdict]:
    """The verdict on every NIC of these domains of a libvirt, or of all; changes nothing.

    :param host: `ssh://USER@HOST` of their TAPs, where that is not the URI's.
    :param monitor: whether QEMU's monitors are asked; libvirt marks a domain as tainted by that.
    :param observe: seconds for which the TAPs are watched, two at least, with a sample of their frames at the end.
    :raise RequestError: when there is no such domain, or a URI is none.
    :raise HostError: when libvirt does not answer.
    """
    way = reach(uri, host)
    with RealEdges({way.name: way.host}, daemons={way.name: way.daemon}) as edges:
        source = domain_source(edges, way.name, domains, monitor=monitor)
        return check(source, Look(monitor=monitor, observe=observe))


def check_over(
    connection: Connection,
    host: str,
    *,
    uri: str = "qemu:///system",
    monitor: bool = True,
    observe: float = 0,
    save: str = "",
) -> dict[str, Any]:
    """The verdicts on every NIC of all that runs on a host, over somebody else's connection to it; changes nothing.

    :param host: what it is called in the document (`check --json`'s).
    :param uri: its libvirt's, as seen there.
    :param save: a directory for the evidence, as of `check --save`.
    :raise HostError: when it cannot be asked.
    """
    from provision.cli.saved import Keep  # noqa: PLC0415 - only where it is asked for
    from provision.edges.relayed.wiring import RelayedEdges  # noqa: PLC0415

    look = Look(monitor=monitor, observe=observe)
    with (
        RelayedEdges({host: connection}, {host: uri}) as real,
        Keep(save or None, look).of_hosts(real, [host]) as edges,
    ):
        return as_json(check(every_source(edges, host, monitor=monitor), look))


def set_host(
    connection: Connection, host: str, settings: Mapping[str, Any], *, dry_run: bool = False
) -> dict[str, Any]:
    """A host's own settings, as of `rscvm apply`, over somebody else's connection: all of them or none, read back.

    :param settings: the entry of a lab file's `hosts`: its `nics` and `bridges`; how it is reached somebody else knows.
    :return: `changed`, the `diff`, the `commands` (run, or with `dry_run` to be run), `notes`.
    :raise LabFileError: when the settings are none.
    :raise HostError: when something fails, or does not take; what was done has been taken back.
    """
    from provision.edges.relayed.wiring import RelayedEdges  # noqa: PLC0415 - only where it is asked for
    from provision.host.apply.session import HostSession  # noqa: PLC0415
    from provision.lab.load import parse_lab  # noqa: PLC0415
    from provision.verbs.apply import planned_settings, set_up  # noqa: PLC0415

    entry = {key: settings[key] for key in ("nics", "bridges") if settings.get(key)}
    text = json.dumps({"version": 1, "hosts": {host: {**entry, "address": host}}, "machines": {}})
    lab = parse_lab(text, "fleet", "/", {})
    said: list[str] = []
    with RelayedEdges({host: connection}, {}) as edges:
        session = HostSession(edges, lab, host, "rscvm.kvm.host_nics")
        made = planned_settings(session) if dry_run else set_up(session, said.append)
    return {
        "changed": bool(made.steps),
        "diff": [line for step in made.steps for line in (f"# {step.what}: {step.why}", *step.diff)],
        "commands": [shlex.join(run.argv) for step in made.steps for run in step.do if isinstance(run, Run)],
        "notes": list(made.notes),
    }


def examine_host(connection: Connection, host: str, *, uri: str = "qemu:///system") -> list[dict[str, str]]:
    """What a host has of that which RSC needs, as of `rscvm doctor`: `name`, `state` (good, note, miss), `seen`, `fix`."""
    from provision.edges.relayed.wiring import RelayedEdges  # noqa: PLC0415 - only where it is asked for
    from provision.verbs.doctor import examine  # noqa: PLC0415

    with RelayedEdges({host: connection}, {host: uri}) as edges:
        return [asdict(finding) for finding in examine(edges, None, host, ())]


def fix_taps(
    connection: Connection,
    host: str,
    *,
    uri: str = "qemu:///system",
    observe: float = 0,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Ask for what a host has switched off at the TAPs of all that runs there, over somebody else's connection.

    :return: `changed`, the `diff`, the `commands` (run, or with `dry_run` to be run), `notes`, and the `report` of how
        every NIC is then.
    :raise HostError: when a TAP cannot be asked.
    """
    from provision.edges.relayed.wiring import RelayedEdges  # noqa: PLC0415 - only where it is asked for
    from provision.verbs.fix.fix import fix_host  # noqa: PLC0415

    with RelayedEdges({host: connection}, {host: uri}) as edges:
        source = every_source(edges, host)
        fixed = fix_host(source, edges, lambda _: None, Look(observe=observe), dry_run=dry_run)
    if fixed.error is not None:
        raise fixed.error
    return {
        "changed": bool(fixed.changed),
        "diff": [line for each in fixed.changed for line in (f"# {each.what}: {each.why}", *each.diff)],
        "commands": [each.what for each in fixed.changed],
        "notes": list(fixed.notes),
        "report": as_json(fixed.verdicts),
    }


def write_report(
    directory: str, evidence: Mapping[str, str], errors: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    """One report of several hosts: `report.json` (`check --json`'s document) and `report.html` in a directory.

    :param evidence: each host's, as `check_over` has saved it.
    :param errors: what became of the hosts that could not be asked: `message` and `hint`.
    :return: the paths (`json`, `html`), the `summary`, and it in a sentence for each host that failed, and one for all.
    :raise RscvmError: when evidence cannot be read, or a file not written.
    """
    from datetime import UTC, datetime  # noqa: PLC0415
    from pathlib import Path  # noqa: PLC0415

    from provision.cli.saved import judged_from  # noqa: PLC0415
    from provision.cli.write import write_text  # noqa: PLC0415
    from provision.verify.report.html import as_html  # noqa: PLC0415
    from provision.verify.report.summary import summed  # noqa: PLC0415

    outcomes = [outcome for path in evidence.values() for outcome in judged_from(path, None)]
    verdicts = [verdict for outcome in outcomes for verdict in outcome.value or ()]
    rows = [
        {"host": host, "message": said.get("message", ""), "hint": said.get("hint", "")}
        for host, said in errors.items()
    ]
    rows += [
        {"host": each.host, "message": str(each.error), "hint": each.error.hint}
        for each in outcomes
        if each.error
    ]
    told = {row["host"]: row["message"] for row in rows}
    html, text = (str(Path(directory) / f"report.{end}") for end in ("html", "json"))
    found = {**as_json(verdicts), "errors": rows}
    write_text(text, json.dumps(found, indent=2) + "\n")
    write_text(html, as_html(verdicts, when=datetime.now(UTC), title="rscvm audit", errors=told))
    said = [f"{host}: {why}" for host, why in told.items()]
    return {
        "json": text,
        "html": html,
        "summary": found["summary"],
        "sentences": [*said, summed(verdicts).sentence],
    }


def document(verdicts: Sequence[NicVerdict]) -> dict[str, Any]:
    """The verdicts as `check --json` has them (schema rscvm/check/1)."""
    return as_json(verdicts)


def load_lab(path: str | os.PathLike[str], environment: Mapping[str, str] | None = None) -> Lab:
    """The lab of a lab file; `${NAME}` in it is taken from `environment`, or from the process's own.

    :raise LabFileError: with every fault of it (`faults`: line, column, path, message).
    :raise RequestError: when the file cannot be read.
    """
    return read_lab(os.fspath(path), os.environ if environment is None else environment)


def render_domain(lab: Lab, machine: str) -> str:
    """The machine's libvirt domain XML; touches nothing.

    :raise RequestError: when the lab has no such machine.
    """
    return domain_xml(machine_view(lab, _known(lab, machine)))


def render_argv(lab: Lab, machine: str) -> list[str]:
    """The machine's QEMU command line, beginning with the program; touches nothing.

    :raise RequestError: when the lab has no such machine.
    """
    return list(qemu_argv(machine_view(lab, _known(lab, machine))))


def _known(lab: Lab, machine: str) -> str:
    if machine not in lab.machines:
        raise RequestError(f"no machine {machine} in this lab")
    return machine
