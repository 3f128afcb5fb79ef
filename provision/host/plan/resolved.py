"""Resolves `accel: auto` and `vhost: auto` for one host. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from provision.facts.hyperv import Named
from provision.host.journal import Made
from provision.host.plan.as_made import addresses, as_made, defined
from provision.host.plan.enlightenments import usable
from provision.lab.paths import LabPaths
from provision.render.machine import qemu_argv
from provision.render.view import Choices, MachineView, machine_view
from provision.runtime.command import QEMU
from provision.tables.machine_types import spells_out
from provision.tables.offloads import BY_NAME

if TYPE_CHECKING:
    from provision.host.state import HostState
    from provision.lab.spec import Lab, Machine
    from provision.runtime.command import Argv


def uses_kvm(machine: Machine, state: HostState) -> bool:
    """What `accel` comes to on this host."""
    works = state.capabilities.accelerators is not None and state.capabilities.accelerators.kvm_is_of_use
    return machine.accel == "kvm" or (machine.accel == "auto" and works)


def is_there(lab: Lab, name: str, state: HostState) -> bool:
    """Whether a machine is defined, or its bare QEMU runs."""
    return name in state.domains or LabPaths(lab.state_dir, lab.name).pidfile(name) in state.processes


def as_noted(choices: Choices) -> Made:
    """What the journal keeps of a machine's choices, beside whether it has KVM."""
    known, can = choices.properties, choices.enlightenments
    return Made(
        choices.layout.number,
        properties=None if known is None else tuple(sorted(known & BY_NAME.keys())),
        enlightenments=None if can is None else tuple(sorted(can)),
        features=None if choices.features is None else tuple(sorted(choices.features)),
        tsc=choices.tsc,
    )


def _as_new(machine: Machine, name: str, state: HostState) -> Choices:
    """What a machine that is made now would be made with: all that this host can."""
    named, module = state.capabilities.hyperv.get(name, Named()), state.capabilities.module
    qemu, kvm = state.capabilities.qemus.get(name), uses_kvm(machine, state)
    return Choices(
        kvm=kvm,
        vhost=kvm and state.access.vhost,
        properties=qemu.properties if qemu else None,
        enlightenments=usable(machine, named, module),
        features=module.features if module else None,
        tsc=named.tsc,
        ovs=frozenset(state.ovs.bridges),
    )


def resolved_view(lab: Lab, name: str, state: HostState, *, redefine: bool = False) -> MachineView:
    """A machine as it is, or would be made, on this host. vhost goes with KVM, as libvirt has it.

    One that is there keeps what it was made with, unless it is to be defined anew; also then its machine type, which
    `machine:` changes, and its NICs' places.
    """
    machine, domain = lab.machines[name], defined(name, state)
    choices = _as_new(machine, name, state)
    if is_there(lab, name, state) and not redefine:
        choices = as_made(choices, machine, domain, name, state)
    # To Windows another version of a machine type is another board.
    kind = domain.machine if domain and spells_out(domain.machine, machine.machine) else ""
    return machine_view(lab, name, replace(choices, machine=kind, addresses=addresses(machine, domain)))


def daemon_argv(view: MachineView) -> Argv:
    """The command line with which a machine is started in the background."""
    return (*qemu_argv(view, program=QEMU), "-daemonize")
