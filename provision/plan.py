"""Spec to steps; each says why, and how to take it back. Pure: what was found on the host is handed in."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from provision.choice import chosen_view, started_argv
from provision.command import Run
from provision.cycle import process_step
from provision.definition import DISARMED, definition_differs, domain_steps
from provision.devices import bridge_notes, bridge_steps, drifted_tap_steps, tap_steps
from provision.diff import added, argv_lines, changed, edits, text_diff
from provision.ordinary import defined_disarmed, disarmed_lab, ordinary, started_disarmed
from provision.ownership import Thing, merged, spec_as_noted
from provision.paths import LabPaths
from provision.render import domain_xml
from provision.settings import nic_notes, nic_steps
from provision.steps import (
    Drift,
    Plan,
    Step,
    copy_file,
    forget_lab,
    make_overlay,
    remove_files,
    stop_qemu,
    write_journal,
)
from provision.taken import dropped
from provision.taps import tap_steps_back_on

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from provision.found import HostFound
    from provision.spec import Lab
    from provision.view import MachineView


def _files_of(view: MachineView) -> list[tuple[str, str, str, str, Run]]:
    """Overlays and firmware variables: path, what of, what to do, why, and how; a base image is only ever read."""
    wanted: list[tuple[str, str, str, str, Run]] = [
        (
            disk.path,
            f"qcow2 over {disk.base} ({disk.base_format})",
            f"make overlay {disk.path}",
            f"{view.name} writes there and leaves {disk.base} as it is",
            make_overlay(disk.base, disk.base_format, disk.path),
        )
        for disk in view.disks
        if disk.base
    ]
    if view.code and view.spec.backend == "qemu":
        own = view.paths.firmware(view.name)
        why = f"{view.name}'s firmware keeps its variables there"
        wanted.append(
            (own, f"from {view.vars}", f"copy {view.vars} to {own}", why, copy_file(view.vars, own))
        )
    return wanted


def file_steps(view: MachineView, found: HostFound) -> Iterator[Step]:
    """Overlays and firmware variables that are not there; one that a running machine has lost is drift."""
    for path, source, what, why, action in _files_of(view) if not _runs(view, found) else ():
        if path not in found.files:
            thing = Thing("disk", path, view.name)
            undo = (remove_files(path),)
            lines = added(path, source)
            yield Step(
                view.spec.host, view.name, what, why, (action,), undo, (thing,), lines, exclusive=False
            )


def _qemu_steps(lab: Lab, view: MachineView, found: HostFound) -> Iterator[Step]:
    pidfile, files = view.paths.pidfile(view.name), view.paths.machine_files(view.name)
    if started_disarmed(lab, view.name, found):
        plain = chosen_view(disarmed_lab(lab, [view.name]), view.name, found)
        yield process_step((plain, view), (f"restart {view.name} with its HCK flags", DISARMED))
    if pidfile not in found.processes:
        argv = started_argv(view)
        yield Step(
            view.spec.host,
            view.name,
            f"start {view.name}",
            "its QEMU is not running",
            (Run(argv),),
            (stop_qemu(pidfile), remove_files(*files)),
            (*(Thing("file", path, view.name) for path in files), Thing("process", pidfile, view.name)),
            (
                *changed(f"{view.name}: off", f"{view.name}: running"),
                *(f"+   {line}" for line in argv_lines(argv)),
            ),
            exclusive=False,
        )


def _drift(lab: Lab, view: MachineView, found: HostFound) -> Iterator[Drift]:
    """What runs otherwise than the lab file has it."""
    name, noted = view.name, found.journal.specs.get(view.name)
    domain = found.domains.get(name)
    started = view.paths.pidfile(name) in found.processes
    differs = started and noted is not None and noted != spec_as_noted(view.spec)
    if disarmed := _disarmed(lab, name, found):
        lines = text_diff(
            _listed(spec_as_noted(ordinary(view.spec))), _listed(spec_as_noted(view.spec)), around=0
        )
        yield Drift(name, f"{name} {disarmed}: {DISARMED}", lines, mended=True)
        differs = False
    elif domain is not None and domain.state != "off":
        differs = definition_differs(domain.live_xml, view)
        if not differs and (lines := edits(domain_xml(view), domain.live_xml)):
            yield Drift(name, f"{name} runs with what somebody has changed by hand", lines)
    for nic in view.nics if started else ():
        if nic.backend.netdev == "tap" and nic.spec.ifname not in found.links:
            yield Drift(name, f"{name} runs without its TAP {nic.spec.ifname}, which has gone")
    for path, *_ in _files_of(view) if _runs(view, found) else ():
        if path not in found.files:
            yield Drift(name, f"{name} runs on {path}, which has been deleted: what it writes there is lost")
    if differs:
        lines = text_diff(_listed(noted or {}), _listed(spec_as_noted(view.spec)), around=0)
        yield Drift(name, f"{name} runs with other settings than the lab file has", lines)


def _disarmed(lab: Lab, name: str, found: HostFound) -> str:
    """How a machine is no longer the one for HCK that the lab file has; empty where it is."""
    domain = found.domains.get(name)
    live = (
        domain is not None and domain.state != "off" and defined_disarmed(lab, name, domain.live_xml, found)
    )
    if live or started_disarmed(lab, name, found):
        return "runs without its HCK flags"
    kept = domain is not None and defined_disarmed(lab, name, domain.persistent_xml, found)
    return "is defined without its HCK flags" if kept else ""


def _runs(view: MachineView, found: HostFound) -> bool:
    domain = found.domains.get(view.name)
    return view.paths.pidfile(view.name) in found.processes or (domain is not None and domain.state != "off")


def _listed(noted: Mapping[str, Any]) -> str:
    """Settings with one on each line."""
    return json.dumps(noted, indent=1, sort_keys=True)


def _left_out(view: MachineView, found: HostFound) -> Iterator[str]:
    qemu = found.qemus.get(view.name)
    for nic in view.nics if qemu else ():
        unsaid = sorted(nic.spec.wanted().keys() - dict(nic.properties))
        if qemu and unsaid:
            yield f"QEMU {qemu.version} has no {', '.join(unsaid)}: left out"


def plan_up(lab: Lab, host: str, names: Sequence[str], found: HostFound) -> Plan:
    """What has to change on the host so that these machines run; nothing where they do."""
    steps: list[Step] = [*bridge_steps(lab, host, found), *nic_steps(lab, host, found)]
    notes = [*_notes(lab, host, found)]
    drift: list[Drift] = []
    for name in names:
        view = chosen_view(lab, name, found)
        steps += file_steps(view, found)
        if view.spec.backend == "qemu":
            steps += tap_steps(lab, view, found)
            steps += _qemu_steps(lab, view, found)
        else:
            steps += domain_steps(lab, view, found)
        steps += drifted_tap_steps(lab, view, found)
        steps += tap_steps_back_on(lab, [name], found)
        drift += _drift(lab, view, found)
        if any(step.machine == name for step in steps):
            notes += _left_out(view, found)
    opening, closing = notes_of(lab, host, steps, found) if steps else (None, None)
    return Plan(tuple(steps), opening, closing, tuple(dict.fromkeys(notes)), tuple(drift))


def _notes(lab: Lab, host: str, found: HostFound) -> tuple[str, ...]:
    """What is otherwise than the lab file has it, and left to the user."""
    return (*bridge_notes(lab, host, found), *nic_notes(lab, host, found), *dropped(lab, host, found))


def plan_apply(lab: Lab, host: str, found: HostFound) -> Plan:
    """What has to change on the host itself: its declared bridges and NICs, and TAPs that it switched off."""
    names = [name for name, machine in lab.machines.items() if machine.host == host]
    steps = [
        *bridge_steps(lab, host, found),
        *nic_steps(lab, host, found),
        *tap_steps_back_on(lab, names, found),
    ]
    notes = _notes(lab, host, found)
    opening, closing = notes_of(lab, host, steps, found) if steps else (None, None)
    return Plan(tuple(steps), opening, closing, notes)


def notes_of(
    lab: Lab, host: str, steps: Sequence[Step], found: HostFound, disarmed: Iterable[str] = ()
) -> tuple[Step, Step]:
    """Write down what the steps are about to make, so that `down` finds it whatever happens; and that it is made.

    From then on a device of ours is known by its mark only: one without is somebody else's.
    """
    paths = LabPaths(lab.state_dir, lab.name)
    made = {thing.key: thing for thing in found.journal.things}
    for thing in (thing for step in steps for thing in step.makes):
        made[thing.key] = merged(made.get(thing.key), replace(thing, boot=found.boot))
    begun = {
        step.machine for step in steps if any(thing.kind in ("process", "domain") for thing in step.makes)
    }
    specs = {name: spec_as_noted(lab.machines[name]) for name in sorted(begun)}
    journal = replace(
        found.journal,
        file=lab.file,
        things=tuple(made.values()),
        specs={**found.journal.specs, **specs},
        disarmed=(found.journal.disarmed - begun) | (begun & {*disarmed}),
        kvm={**found.journal.kvm, **{name: chosen_view(lab, name, found).choices.kvm for name in specs}},
    )
    undo = write_journal(paths, found.journal) if found.journal.things else forget_lab(paths)
    opening = Step(
        host,
        "",
        f"note in {paths.journal} what is to be made",
        "so that `down` finds it whatever happens",
        (write_journal(paths, journal),),
        (undo,),
        exclusive=False,
    )
    whole = replace(journal, things=tuple(replace(thing, boot="") for thing in journal.things))
    closing = Step(
        host, "", "note that it is made", "its marks tell it from now on", (write_journal(paths, whole),)
    )
    return opening, closing
