"""Steps for disk overlays and firmware variables. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.host.journal import Thing
from provision.host.plan.commands import copy_file, make_overlay, remove_unused
from provision.host.plan.diff import added
from provision.host.plan.steps import Step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from provision.host.state import HostState
    from provision.render.view import MachineView
    from provision.runtime.command import Run


def files_of(view: MachineView) -> list[tuple[str, str, str, str, Run]]:
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


def file_steps(view: MachineView, state: HostState) -> Iterator[Step]:
    """Overlays and firmware variables that are not there; one that a running machine has lost is drift."""
    for path, source, what, why, action in files_of(view) if not runs(view, state) else ():
        if path not in state.files:
            thing = Thing("disk", path, view.name)
            undo = (remove_unused(path),)
            lines = added(path, source)
            yield Step(
                view.spec.host, view.name, what, why, (action,), undo, (thing,), lines, exclusive=False
            )


def runs(view: MachineView, state: HostState) -> bool:
    """Whether a machine runs, by either backend."""
    domain = state.domains.get(view.name)
    return view.paths.pidfile(view.name) in state.processes or (domain is not None and domain.state != "off")
