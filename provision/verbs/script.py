"""`render --as script`: a machine as a self-contained shell script."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from provision.host.plan.bridges import bridge_steps
from provision.host.plan.overlays import file_steps
from provision.host.plan.taps import tap_steps
from provision.host.state import HostState
from provision.render.machine import printed, qemu_argv
from provision.render.view import Choices, machine_view
from provision.runtime.command import QEMU, Argv, Run

if TYPE_CHECKING:
    from provision.host.plan.steps import Step
    from provision.lab.spec import Lab
    from provision.render.view import MachineView

_OUTCOMES = {
    "kvm-vhost": Choices(kvm=True, vhost=True),
    "kvm-plain": Choices(kvm=True, vhost=False),
    "tcg-plain": Choices(kvm=False, vhost=False),
}
"""What `auto` may come to when the script runs; it carries one command line for each."""


def _lines(step: Step, *, undo: bool = False) -> list[str]:
    actions = step.undo if undo else step.do
    return [shlex.join(action.argv) for action in actions if isinstance(action, Run)]


def _fences(lab: Lab, view: MachineView) -> dict[str, list[str]]:
    """The TAPs that may be on the bridge of a NIC with `rsc: hck`; the lab file was checked for whose they are."""
    engines = {nic.spec.bridge for nic in view.nics if nic.spec.profile == "hck" and nic.spec.bridge}
    here = [machine for machine in lab.machines.values() if machine.host == view.spec.host]
    return {
        bridge: [nic.ifname for machine in here for nic in machine.nics if nic.bridge == bridge]
        for bridge in sorted(engines)
    }


def machine_script(lab: Lab, name: str) -> str:
    """Makes bridge, TAPs and overlays, runs QEMU in the foreground, takes devices and sockets back.

    :raise RequestError: when the machine has something that only libvirt can make.
    """
    view = machine_view(lab, name)
    argvs: dict[str, Argv] = {
        outcome: qemu_argv(machine_view(lab, name, choices), foreground=True)
        for outcome, choices in _OUTCOMES.items()
    }
    bare = HostState(view.spec.host)
    used = {nic.spec.bridge for nic in view.nics}
    made = {step.makes[0].name: step for step in bridge_steps(lab, view.spec.host, bare)}
    bridges = {device: step for device, step in made.items() if device in used}
    files = {step.makes[0].name: step for step in file_steps(view, bare)}
    return printed(
        "machine.sh.j2",
        view,
        argvs=argvs,
        program=QEMU,
        bridges={device: (_lines(step), _lines(step, undo=True)) for device, step in bridges.items()},
        taps=[(_lines(step), _lines(step, undo=True)) for step in tap_steps(lab, view, bare)],
        fences=_fences(lab, view),
        kept={path: _lines(step) for path, step in files.items()},
        own=view.paths.machine_files(name),
    )
