"""Resolves `accel: auto` and `vhost: auto` for one host. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from provision.facts.domain import parse_domain
from provision.lab.paths import LabPaths
from provision.render.machine import qemu_argv
from provision.render.view import Choices, MachineView, machine_view
from provision.runtime.command import QEMU
from provision.tables.layouts import FIRST, LATEST, LAYOUTS
from provision.tables.offloads import OFFLOADS

if TYPE_CHECKING:
    from provision.facts.domain import PciPlace
    from provision.host.state import HostState
    from provision.lab.spec import Lab, Machine
    from provision.runtime.command import Argv
    from provision.tables.layouts import Layout


def uses_kvm(machine: Machine, state: HostState) -> bool:
    """What `accel` comes to on this host."""
    works = state.capabilities.accelerators is not None and state.capabilities.accelerators.kvm_is_of_use
    return machine.accel == "kvm" or (machine.accel == "auto" and works)


def _is_there(lab: Lab, name: str, state: HostState) -> bool:
    return name in state.domains or LabPaths(lab.state_dir, lab.name).pidfile(name) in state.processes


def _made_with_kvm(lab: Lab, name: str, state: HostState) -> bool | None:
    """What `auto` came to when the machine that is there was made; a later measurement makes no other machine of it."""
    there = _is_there(lab, name, state)
    return state.journal.kvm.get(name) if there and lab.machines[name].accel == "auto" else None


def as_noted(choices: Choices) -> dict[str, Any]:
    """What the journal keeps of a machine's choices, beside whether it has KVM."""
    known = None if choices.properties is None else sorted(choices.properties)
    return {"layout": choices.layout.number, "properties": known}


def _layout(name: str, state: HostState) -> Layout:
    """By which row of the table a machine that is there was made; a row that only a later version has is taken for ours."""
    domain = state.domains.get(name)
    mark = parse_domain(domain.persistent_xml or domain.live_xml).mark if domain else None
    number = mark.layout if mark else state.journal.made.get(name, {}).get("layout", FIRST.number)
    return LAYOUTS.get(number, LATEST)


def _properties(name: str, state: HostState, layout: Layout) -> frozenset[str] | None:
    """What is said of offloads to a machine that is there: to another QEMU no more than to the one that it was made for."""
    qemu = state.capabilities.qemus.get(name)
    if qemu is None:
        return None
    noted = state.journal.made.get(name, {}).get("properties")
    later = {row.name for row in OFFLOADS if row.layout > layout.number}
    return qemu.properties & frozenset(noted) if noted else qemu.properties - later


def _places(name: str, state: HostState) -> dict[str, PciPlace]:
    """Where the NICs of a domain that is there are: a NIC that moves is a new one to Windows, without its address."""
    domain = state.domains.get(name)
    nics = parse_domain(domain.persistent_xml).nics if domain and domain.persistent_xml else ()
    return {nic.alias: nic.place for nic in nics if nic.place is not None}


def resolved_view(lab: Lab, name: str, state: HostState, *, redefine: bool = False) -> MachineView:
    """A machine as it is, or would be made, on this host. vhost goes with KVM, as libvirt has it.

    One that is there keeps what it was made with, unless it is to be defined anew.
    """
    machine, there = lab.machines[name], _is_there(lab, name, state) and not redefine
    made, qemu = _made_with_kvm(lab, name, state), state.capabilities.qemus.get(name)
    kvm = uses_kvm(machine, state) if made is None or redefine else made
    layout = _layout(name, state) if there else LATEST
    known = _properties(name, state, layout) if there else qemu.properties if qemu else None
    choices = Choices(
        kvm=kvm,
        vhost=kvm and state.access.vhost,
        properties=known,
        layout=layout,
        places=_places(name, state),
    )
    return machine_view(lab, name, choices)


def daemon_argv(view: MachineView) -> Argv:
    """The command line with which a machine is started in the background."""
    return (*qemu_argv(view, program=QEMU), "-daemonize")
