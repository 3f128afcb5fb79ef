"""Steps that start a bare QEMU, with the swtpm that is its TPM, and restart it with another command line. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.host.journal import Thing
from provision.host.plan.commands import remove_files, start_qemu, start_tpm, stop_qemu, stop_tpm
from provision.host.plan.diff import argv_diff, argv_lines, changed
from provision.host.plan.hck_flags import DISARMED, lab_without_flags, runs_without_flags
from provision.host.plan.resolved import daemon_argv, resolved_view
from provision.host.plan.steps import Action, Step
from provision.render.machine import tpm_argv

if TYPE_CHECKING:
    from collections.abc import Iterator

    from provision.host.plan.power_cycle import Views, Words
    from provision.host.state import HostState
    from provision.lab.spec import Lab
    from provision.render.view import MachineView
    from provision.runtime.command import Argv


def _start(view: MachineView, argv: Argv) -> tuple[Action, ...]:
    """Its TPM first, which QEMU connects to; never a second one on the same state."""
    pidfile = view.paths.tpm_pidfile(view.name)
    tpm = (stop_tpm(pidfile), start_tpm(pidfile, tpm_argv(view))) if view.spec.tpm else ()
    return (*tpm, start_qemu(view.paths.pidfile(view.name), argv))


def _stop(view: MachineView) -> tuple[Action, ...]:
    tpm = (stop_tpm(view.paths.tpm_pidfile(view.name)),) if view.spec.tpm else ()
    return (stop_qemu(view.paths.pidfile(view.name)), *tpm)


def _makes(view: MachineView) -> tuple[Thing, ...]:
    """What a start leaves on its host."""
    paths, name = view.paths, view.name
    files = (*paths.machine_files(name), *(paths.tpm_files(name) if view.spec.tpm else ()))
    tpm = (Thing("tpm", paths.tpm_pidfile(name), name), Thing("disk", paths.tpm_state(name), name))
    return (
        *(Thing("file", path, name) for path in files),
        Thing("process", paths.pidfile(name), name),
        *(tpm if view.spec.tpm else ()),
    )


def process_step(views: Views, words: Words) -> Step:
    """A bare QEMU stopped, and started on the same TAPs with another command line."""
    view = views[1]
    before, after = (daemon_argv(each) for each in views)
    pidfile = view.paths.pidfile(view.name)
    stop = _stop(view)
    return Step(
        view.spec.host,
        view.name,
        *words,
        (*stop, *_start(view, after)),
        (*stop, *_start(view, before)),
        (Thing("process", pidfile, view.name),),
        argv_diff(before, after),
        exclusive=False,
    )


def qemu_steps(lab: Lab, view: MachineView, state: HostState) -> Iterator[Step]:
    """Start a machine, or restart it with its HCK flags where it was disarmed."""
    pidfile, makes = view.paths.pidfile(view.name), _makes(view)
    if runs_without_flags(lab, view.name, state):
        plain = resolved_view(lab_without_flags(lab, [view.name]), view.name, state)
        yield process_step((plain, view), (f"restart {view.name} with its HCK flags", DISARMED))
    if pidfile not in state.processes:
        argv = daemon_argv(view)
        yield Step(
            view.spec.host,
            view.name,
            f"start {view.name}",
            "its QEMU is not running",
            _start(view, argv),
            (*_stop(view), remove_files(*(thing.name for thing in makes if thing.kind == "file"))),
            makes,
            (
                *changed(f"{view.name}: off", f"{view.name}: running"),
                *(f"+   {line}" for line in argv_lines(argv)),
            ),
            exclusive=False,
        )
