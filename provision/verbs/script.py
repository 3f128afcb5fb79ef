"""`render --as script`: a machine as a self-contained shell script."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from provision.host.plan.bridges import made_bridge
from provision.host.plan.commands import features_argv
from provision.host.plan.overlays import file_steps
from provision.host.plan.ovs import leave
from provision.host.plan.taps import made_tap
from provision.host.state import HostState
from provision.render.machine import printed, qemu_argv, tpm_argv
from provision.render.view import Choices, machine_view
from provision.runtime.command import QEMU, Argv, Run
from provision.tables.offloads import MANGLEID

if TYPE_CHECKING:
    from provision.host.plan.making import Made
    from provision.lab.spec import Lab, Nic
    from provision.render.view import MachineView

_OUTCOMES = {
    "kvm-vhost": Choices(kvm=True, vhost=True),
    "kvm-plain": Choices(kvm=True, vhost=False),
    "tcg-plain": Choices(kvm=False, vhost=False),
}
"""What `auto` may come to when the script runs; it carries one command line for each."""


def _tap_lines(lab: Lab, machine: str, nic: Nic, *, ovs: bool) -> tuple[list[str], list[str]]:
    """As `_lines`; ethtool's status tells nothing of a feature that comes on with the guest's TSO only."""
    make, unmake = _lines(made_tap(lab, machine, nic, ovs=ovs))
    # Open vSwitch keeps a port of a device that has gone.
    unmake = [*([shlex.join(leave(lab, machine, nic.ifname).argv)] if ovs else []), *unmake]
    mangled = f"{shlex.join(features_argv(nic.ifname, {MANGLEID: True}))} >/dev/null 2>&1 || :"
    return [*make, *([mangled] if nic.mangleid else [])], unmake


def _lines(made: Made) -> tuple[list[str], list[str]]:
    """What makes a device, and what removes it."""
    return [shlex.join(argv) for argv in made.commands], [shlex.join(("ip", "link", "del", "dev", made.name))]


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
    used = {nic.spec.bridge for nic in view.nics}
    bridges = lab.host(view.spec.host).bridges.items()
    files = {step.makes[0].name: step for step in file_steps(view, HostState(view.spec.host))}
    return printed(
        "machine.sh.j2",
        view,
        argvs=argvs,
        program=QEMU,
        bridges={name: _lines(made_bridge(lab, name, bridge)) for name, bridge in bridges if name in used},
        taps=[
            _tap_lines(lab, name, nic.spec, ovs=nic.ovs) for nic in view.nics if nic.backend.netdev == "tap"
        ],
        fences=_fences(lab, view),
        kept={
            path: [shlex.join(run.argv) for run in step.do if isinstance(run, Run)]
            for path, step in files.items()
        },
        own=(*view.paths.machine_files(name), *(view.paths.tpm_files(name) if view.spec.tpm else ())),
        tpm=tpm_argv(view) if view.spec.tpm else (),
        tpm_pidfile=view.paths.tpm_pidfile(name),
    )
