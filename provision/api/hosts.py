"""Hosts over somebody else's connection, for who has one: Ansible's plugins in `playbooks/`.

All is imported at the top: Ansible loads a plugin once, and forks for each host.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from provision.api.saved import Keep, judged_from
from provision.edges.files import evidence_folder  # noqa: F401 - here, so that no fork has to
from provision.edges.files.write import make_room, write_text
from provision.edges.relayed.wiring import RelayedEdges
from provision.host.apply.session import HostSession
from provision.lab.load import parse_lab
from provision.runtime.command import Run
from provision.runtime.deadline import Deadline, limited
from provision.runtime.errors import HostError, LabFileError, RequestError, RscvmError
from provision.runtime.parallel import Outcome
from provision.verbs.apply import planned_settings, set_up
from provision.verbs.check import PATIENCE, Look, check
from provision.verbs.doctor import examine
from provision.verbs.down import planned_down, take_down
from provision.verbs.fix.fix import fix_host
from provision.verify.collect.source import every_source
from provision.verify.report.about import host_lines
from provision.verify.report.document import as_json
from provision.verify.report.html import Beside, as_html
from provision.verify.report.summary import summed
from provision.verify.saved import files, record, replay  # noqa: F401 - as above

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from provision.api.saved import Tools
    from provision.edges.relayed.pump import Connection
    from provision.host.plan.steps import Plan
    from provision.lab.spec import Lab
    from provision.runtime.protocols import Edges
    from provision.verify.judge.verdict import NicVerdict

LAB = "rscvm.kvm"
"""The lab by whose name a host notes what was set there; `rscvm down` of a lab file that is called so takes it back, too."""
LIBVIRT = "qemu:///system"
_LONGEST = 3600
"""Seconds for which TAPs are watched."""


def check_host(
    connection: Connection, host: str, look: Look, *, uri: str = LIBVIRT, save: str = ""
) -> dict[str, Any]:
    """The document of `rscvm check --json` on every NIC of all that runs on a host; changes nothing.

    :param host: what it is called in the document.
    :param uri: its libvirt's, as seen there.
    :param save: a directory for the evidence, as of `check --save`; those above it are made where they are missing.
    :raise RequestError: when it cannot be watched for so long, or the evidence not be kept there.
    :raise HostError: when it cannot be asked, or somebody who may not see what runs there sees nothing.
    """
    _within_reason(look)
    if save:
        make_room(save)
    with (
        RelayedEdges({host: connection}, {host: uri}) as real,
        Keep(save or None, look).of_hosts(real, [host]) as edges,
    ):
        with limited(Deadline(PATIENCE + look.observe)):
            verdicts = check(every_source(edges, host, monitor=look.monitor), look)
        _seen_as_root(real, host, verdicts)
        return as_json(verdicts)


def examine_host(connection: Connection, host: str, *, uri: str = LIBVIRT) -> list[dict[str, str]]:
    """What a host has of that which RSC needs, as of `rscvm doctor`: `name`, `state` (good, note, miss), `seen`, `fix`."""
    with RelayedEdges({host: connection}, {host: uri}) as edges:
        return [asdict(finding) for finding in examine(edges, None, host, ())]


def set_host(
    connection: Connection, host: str, settings: Mapping[str, Any], *, dry_run: bool = False
) -> dict[str, Any]:
    """Set a host's own NICs and bridges, as `rscvm apply` does: all of it or nothing, read back.

    :param settings: `nics` and `bridges` of a lab file's `hosts`.
    :return: `changed`, the `diff`, the `commands` (run, or with `dry_run` to be run), `notes`.
    :raise RequestError: when the settings are none.
    :raise HostError: when something fails, or does not take; what was done has been taken back.
    """
    lab = _lab(host, settings)
    with RelayedEdges({host: connection}, {host: LIBVIRT}) as edges:
        session = HostSession(edges, lab, host, f"{LAB}.host_nics")
        return _told(planned_settings(session) if dry_run else set_up(session, _nobody))


def take_back_host(connection: Connection, host: str, *, dry_run: bool = False) -> dict[str, Any]:
    """Put back what `set_host` has found on a host, whenever that was, as `rscvm down` does. Return as `set_host`.

    :raise HostError: with everything that could not be put back; the rest has been.
    """
    with RelayedEdges({host: connection}, {host: LIBVIRT}) as edges:
        session = HostSession(edges, _lab(host, {}), host, f"{LAB}.host_nics")
        return _told(planned_down(session) if dry_run else take_down(session, None, _nobody))


def fix_taps(
    connection: Connection, host: str, look: Look, *, uri: str = LIBVIRT, dry_run: bool = False
) -> dict[str, Any]:
    """Ask for what a host has switched off at the TAPs of all that runs there, as `rscvm fix` does.

    :return: as `set_host`, and the `report` of how every NIC is then.
    :raise RequestError: when it cannot be watched for so long.
    :raise HostError: when a TAP cannot be asked.
    """
    _within_reason(look)
    with RelayedEdges({host: connection}, {host: uri}) as edges:
        with limited(Deadline(2 * (PATIENCE + look.observe))):
            fixed = fix_host(every_source(edges, host), edges, _nobody, look, dry_run=dry_run)
        if fixed.error is not None:
            done = "".join(f"\ndone before: {each.what}" for each in fixed.changed)
            raise HostError(f"{fixed.error}{done}", hint=fixed.error.hint) from fixed.error
        _seen_as_root(edges, host, fixed.verdicts)
    return {
        "changed": bool(fixed.changed),
        "diff": [
            line for each in fixed.changed for line in (f"# {each.machine}, {each.nic}", f"+{each.what}")
        ],
        "commands": [each.what for each in fixed.changed],
        "notes": [*(f"{each.machine}, {each.nic}: {each.why}" for each in fixed.changed), *fixed.notes],
        "report": as_json(fixed.verdicts),
    }


def write_report(
    directory: str, evidence: Mapping[str, str], errors: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    """One report of several hosts: `report.json` (`check --json`'s document) and `report.html` in a directory.

    :param evidence: each host's, as `check_host` has saved it.
    :param errors: what became of the hosts that could not be asked: `message` and `hint`.
    :return: the paths (`json`, `html`), the `summary`, and `sentences`: one for each host that failed, and one for all.
    :raise RscvmError: when evidence cannot be read, or a file not written.
    """
    tools: Tools = {}
    outcomes = [outcome for host, path in evidence.items() for outcome in _judged(host, path, tools)]
    verdicts = [verdict for outcome in outcomes for verdict in outcome.value or ()]
    rows = [
        {"host": host, "message": said["message"].strip(), "hint": said["hint"]}
        for host, said in errors.items()
    ]
    rows += [{"host": o.host, "message": str(o.error), "hint": o.error.hint} for o in outcomes if o.error]
    told = {row["host"]: row["message"] for row in rows}
    text, html = (f"{directory}/report.{end}" for end in ("json", "html"))
    found = {**as_json(verdicts), "errors": rows}
    write_text(text, json.dumps(found, indent=2) + "\n", within=directory)
    beside = Beside(f"rscvm {version('rscvm')} audit", host_lines({}, tools, verdicts))
    page = as_html(verdicts, when=datetime.now(UTC), title="rscvm audit", errors=told, beside=beside)
    write_text(html, page)
    empty = (f"{each.host}: no QEMU with a NIC" for each in outcomes if each.value == [])
    failed = (f"{host}: {why}" for host, why in told.items())
    asked = len(told.keys() | evidence.keys())
    sentences = [*empty, *failed, f"{asked} host{'s'[: asked > 1]}, {summed(verdicts).sentence}", html]
    return {"json": text, "html": html, "summary": found["summary"], "sentences": sentences}


def _judged(host: str, path: str, tools: Tools) -> list[Outcome[list[NicVerdict]]]:
    try:
        return judged_from(path, None, tools)
    except RscvmError as error:
        return [Outcome(host, error=error)]


def _seen_as_root(edges: Edges, host: str, verdicts: Sequence[NicVerdict]) -> None:
    """:raise HostError: where nothing is seen by somebody who may not see it."""
    if not verdicts and edges.host(host).run(("id", "-u")).out.strip() != "0":
        raise HostError(
            f"no QEMU with a NIC is seen on {host}",
            hint="whoever is not root there sees only their own: become",
        )


def _within_reason(look: Look) -> None:
    """:raise RequestError: when TAPs cannot be watched for so long."""
    if look.observe != 0 and not 2 <= look.observe <= _LONGEST:
        raise RequestError(f"observe: 0, or from 2 to {_LONGEST} seconds, not {look.observe:g}")


def _lab(host: str, settings: Mapping[str, Any]) -> Lab:
    """The host's entry as a lab of nothing else; how it is reached somebody else knows.

    :raise RequestError: with every fault of the entry.
    """
    entry = {key: settings[key] for key in ("nics", "bridges") if settings.get(key)}
    document = {"version": 1, "hosts": {"host": {**entry, "address": "host"}}, "machines": {}}
    try:
        lab = parse_lab(json.dumps(document), f"{LAB}.yaml", "/", {})
    except LabFileError as error:
        faults = (f"{fault.path.removeprefix('hosts.host.')}: {fault.message}" for fault in error.faults)
        raise RequestError("\n".join(faults)) from error
    return lab.model_copy(update={"hosts": {host: lab.hosts["host"]}})


def _told(plan: Plan) -> dict[str, Any]:
    """A plan as a module's result."""
    runs = (run for step in plan.steps for run in step.do if isinstance(run, Run))
    return {
        "changed": bool(plan.steps),
        "diff": [line for step in plan.steps for line in (f"# {step.what}: {step.why}", *step.diff)],
        "commands": [shlex.join(run.argv) for run in runs],
        "notes": list(plan.notes),
    }


def _nobody(_: str) -> None:
    """Who is told what is done, while it is; the result tells it."""
