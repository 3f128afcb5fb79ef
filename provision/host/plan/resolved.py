"""Resolves `accel: auto` and `vhost: auto` for one host. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from provision.facts.hyperv import Named
from provision.host.plan.enlightenments import nesting, usable
from provision.lab.paths import LabPaths
from provision.render.machine import qemu_argv
from provision.render.view import Choices, MachineView, machine_view
from provision.runtime.command import QEMU

if TYPE_CHECKING:
    from provision.host.state import HostState
    from provision.lab.spec import Lab, Machine
    from provision.runtime.command import Argv


def uses_kvm(machine: Machine, state: HostState) -> bool:
    """What `accel` comes to on this host."""
    works = state.capabilities.accelerators is not None and state.capabilities.accelerators.kvm_is_of_use
    return machine.accel == "kvm" or (machine.accel == "auto" and works)


def _made_with_kvm(lab: Lab, name: str, state: HostState) -> bool | None:
    """What `auto` came to when the machine that is there was made; a later measurement makes no other machine of it."""
    there = name in state.domains or LabPaths(lab.state_dir, lab.name).pidfile(name) in state.processes
    return state.journal.kvm.get(name) if there and lab.machines[name].accel == "auto" else None


def _enlightened(machine: Machine, name: str, state: HostState) -> Choices:
    """What the host, as it is now, can tell a machine of Hyper-V; THE place where defaults of one version become another's."""
    named, module = state.capabilities.hyperv.get(name, Named()), state.capabilities.module
    return Choices(
        kvm=False,
        vhost=False,
        enlightenments=usable(machine, named, module),
        nesting=nesting(machine, module),
        tsc=named.tsc,
    )


def resolved_view(lab: Lab, name: str, state: HostState) -> MachineView:
    """A machine as it is, or would be made, on this host. vhost goes with KVM, as libvirt has it."""
    made, qemu = _made_with_kvm(lab, name, state), state.capabilities.qemus.get(name)
    kvm = uses_kvm(lab.machines[name], state) if made is None else made
    return machine_view(
        lab,
        name,
        replace(
            _enlightened(lab.machines[name], name, state),
            kvm=kvm,
            vhost=kvm and state.access.vhost,
            properties=qemu.properties if qemu else None,
            ovs=frozenset(state.ovs.bridges),
        ),
    )


def daemon_argv(view: MachineView) -> Argv:
    """The command line with which a machine is started in the background."""
    return (*qemu_argv(view, program=QEMU), "-daemonize")
