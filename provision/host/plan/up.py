"""The plan of `up`: everything that has to change on a host so that machines run there. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from provision.host.plan.bare_machines import qemu_steps
from provision.host.plan.bridges import bridge_steps
from provision.host.plan.diff import text_diff
from provision.host.plan.domain_drift import edits
from provision.host.plan.domains import changes_if_redefined, definition_differs, domain_steps
from provision.host.plan.enlightenments import enlightenment_notes
from provision.host.plan.hck_flags import (
    DISARMED,
    is_defined_without_flags,
    runs_without_flags,
    without_flags,
)
from provision.host.plan.journal_steps import journal_step
from provision.host.plan.nics import nic_steps
from provision.host.plan.overlays import file_steps, files_of, runs
from provision.host.plan.resolved import is_there, resolved_view
from provision.host.plan.settings import host_notes
from provision.host.plan.steps import Drift, Plan, Step
from provision.host.plan.taps import (
    drifted_tap_steps,
    late_steps,
    set_later,
    tap_steps,
    tap_steps_back_on,
)
from provision.lab.identity import spec_as_noted
from provision.lab.queue_notes import queue_notes
from provision.render.machine import domain_xml
from provision.runtime.safe_text import short

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from provision.host.state import HostState
    from provision.lab.spec import Lab
    from provision.render.view import MachineView


def _drift(lab: Lab, view: MachineView, state: HostState) -> Iterator[Drift]:
    """What runs otherwise than the lab file has it."""
    name, noted = view.name, state.journal.specs.get(view.name)
    domain = state.domains.get(name)
    started = view.paths.pidfile(name) in state.processes
    noted_wrongly = _is_armed_after_all(lab, name, state)
    differs = started and noted is not None and noted != spec_as_noted(view.spec) and not noted_wrongly
    if disarmed := _disarmed(lab, name, state):
        lines = text_diff(
            _listed(spec_as_noted(without_flags(view.spec))), _listed(spec_as_noted(view.spec)), around=0
        )
        yield Drift(name, f"{name} {disarmed}: {DISARMED}", lines, mended=True)
        differs = False
    elif domain is not None and domain.state != "off":
        differs = definition_differs(domain.live_xml, view)
        if not differs and (lines := edits(domain_xml(view), domain.live_xml)):
            yield Drift(name, f"{name} runs with what somebody has changed by hand", lines)
    for nic in view.nics if started else ():
        if nic.backend.netdev == "tap" and nic.spec.ifname not in state.links:
            yield Drift(name, f"{name} runs without its TAP {nic.spec.ifname}, which has gone")
    for path, *_ in files_of(view) if runs(view, state) else ():
        if path not in state.files | state.hidden:
            yield Drift(name, f"{name} runs on {path}, which has been deleted: what it writes there is lost")
    if differs:
        lines = text_diff(_listed(noted or {}), _listed(spec_as_noted(view.spec)), around=0)
        yield Drift(name, f"{name} runs with other settings than the lab file has", lines)


def _disarmed(lab: Lab, name: str, state: HostState) -> str:
    """How a machine is no longer the one for HCK that the lab file has; empty where it is."""
    domain = state.domains.get(name)
    live = (
        domain is not None
        and domain.state != "off"
        and is_defined_without_flags(lab, name, domain.live_xml, state)
    )
    if live or runs_without_flags(lab, name, state):
        return "runs without its HCK flags"
    kept = domain is not None and is_defined_without_flags(lab, name, domain.persistent_xml, state)
    return "is defined without its HCK flags" if kept else ""


def _is_armed_after_all(lab: Lab, name: str, state: HostState) -> bool:
    """Whether a machine is noted as disarmed, and is there as the lab file has it."""
    disarmed = is_there(lab, name, state) and name in state.journal.disarmed
    return disarmed and not _disarmed(lab, name, state)


def _listed(noted: Mapping[str, Any]) -> str:
    """Settings with one on each line."""
    return json.dumps(noted, indent=1, sort_keys=True)


def _left_out(view: MachineView, state: HostState) -> Iterator[str]:
    qemu = state.capabilities.qemus.get(view.name)
    if qemu is None:
        return
    for nic in view.nics:
        if unsaid := sorted(nic.spec.wanted().keys() - qemu.properties):
            yield f"QEMU {qemu.version} has no {', '.join(unsaid)}: left out"


def plan_up(lab: Lab, host: str, names: Sequence[str], state: HostState, *, redefine: bool = False) -> Plan:
    """What has to change on the host so that these machines run; nothing where they do.

    :param redefine: whether domains that are there are defined as new ones would be.
    """
    steps: list[Step] = [*bridge_steps(lab, host, state), *nic_steps(lab, host, state)]
    notes = [*host_notes(lab, host, state), *queue_notes(lab, names)]
    drift: list[Drift] = []
    views: dict[str, MachineView] = {}
    for name in names:
        there, domain = resolved_view(lab, name, state), state.domains.get(name)
        anew = redefine and domain is not None and domain.state == "off"
        view = views[name] = resolved_view(lab, name, state, redefine=True) if anew else there
        steps += file_steps(view, state)
        if view.spec.backend == "qemu":
            steps += tap_steps(lab, view, state)
            steps += qemu_steps(lab, view, state)
        else:
            steps += domain_steps(lab, view, state, redefine=anew)
        if not anew and (changes := changes_if_redefined(lab, there, state)):
            kept = f"{name} keeps what it was made with; `up --redefine` while it is off would change"
            notes += [] if redefine else [f"{kept} {short('; '.join(changes), 600)}"]
            drift += [
                Drift(name, f"{name} runs, and is only defined anew while it is off", changes)
            ] * redefine
        steps += drifted_tap_steps(lab, view, state)
        steps += tap_steps_back_on(lab, [name], state)
        steps += late_steps(lab, [name], state)
        notes += set_later(lab, name, state)
        drift += _drift(lab, there, state)
        if any(step.scope == name for step in steps):
            notes += _left_out(view, state)
            notes += enlightenment_notes(view, state)
    armed = dict.fromkeys((name for name in names if _is_armed_after_all(lab, name, state)), True)
    opening = journal_step(lab, views, steps, state, flags=armed) if steps or armed else None
    return Plan(tuple(steps), opening, None, tuple(dict.fromkeys(notes)), tuple(drift), state)
