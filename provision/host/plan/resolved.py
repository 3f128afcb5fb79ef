"""Resolves `accel: auto` and `vhost: auto` for one host. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from provision.facts.domain import parse_domain
from provision.facts.hyperv import Named
from provision.host.journal import Made
from provision.host.plan.enlightenments import nesting, usable
from provision.lab.paths import LabPaths
from provision.render.machine import qemu_argv
from provision.render.view import Choices, MachineView, machine_view
from provision.runtime.command import QEMU
from provision.tables.layouts import FIRST, LATEST, LAYOUTS
from provision.tables.offloads import BY_NAME, OFFLOADS

if TYPE_CHECKING:
    from provision.facts.domain import PciAddress
    from provision.host.state import HostState
    from provision.lab.spec import Lab, Machine
    from provision.runtime.command import Argv
    from provision.tables.layouts import Layout


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
        nesting=choices.nesting,
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
        nesting=nesting(machine, module),
        tsc=named.tsc,
        ovs=frozenset(state.ovs.bridges),
    )


def _as_made(machine: Machine, name: str, state: HostState) -> Choices:
    """What a machine that is there was made with: later defaults do not reach it."""
    new, made = _as_new(machine, name, state), state.journal.made.get(name)
    layout = _layout(name, made, state)
    kvm = state.journal.kvm.get(name, new.kvm) if machine.accel == "auto" else new.kvm
    choices = replace(
        new,
        kvm=kvm,
        vhost=kvm and state.access.vhost,
        layout=layout,
        properties=_known(new, made, layout),
    )
    if machine.nested != state.journal.specs.get(name, {}).get("nested", False):
        return choices  # what a hypervisor in the guest needs was not asked for when the machine was made
    if made is None:
        can = choices.enlightenments if layout.enlightenments is None else layout.enlightenments
        return replace(choices, enlightenments=can)
    return replace(
        choices,
        enlightenments=None if made.enlightenments is None else frozenset(made.enlightenments),
        nesting=made.nesting,
        tsc=made.tsc,
    )


def _machine_type(machine: Machine, name: str, state: HostState) -> str:
    """What libvirt has spelled an alias out as: to Windows another version is another board."""
    domain = state.domains.get(name)
    defined = parse_domain(domain.persistent_xml or domain.live_xml).machine if domain else ""
    return defined if defined.startswith(f"pc-{machine.machine}-") else ""


def _layout(name: str, made: Made | None, state: HostState) -> Layout:
    """By which row of the table a machine that is there was made; a row that only a later version has is taken for ours."""
    domain = state.domains.get(name)
    mark = parse_domain(domain.persistent_xml or domain.live_xml).mark if domain else None
    return LAYOUTS.get(mark.layout if mark else made.layout if made else FIRST.number, LATEST)


def _known(new: Choices, made: Made | None, layout: Layout) -> frozenset[str] | None:
    """What is said of offloads to a machine that is there: to another QEMU no more than to the one that it was made for."""
    if new.properties is None:
        return None
    if made is not None and made.properties is not None:
        return new.properties & frozenset(made.properties)
    return new.properties - {row.name for row in OFFLOADS if row.layout > layout.number}


def _addresses(name: str, state: HostState) -> dict[str, PciAddress]:
    """Where the NICs of a domain that is there are: a NIC that moves is a new one to Windows, without its address."""
    domain = state.domains.get(name)
    nics = parse_domain(domain.persistent_xml).nics if domain and domain.persistent_xml else ()
    return {nic.alias: nic.address for nic in nics if nic.address is not None}


def resolved_view(lab: Lab, name: str, state: HostState, *, redefine: bool = False) -> MachineView:
    """A machine as it is, or would be made, on this host. vhost goes with KVM, as libvirt has it.

    One that is there keeps what it was made with, unless it is to be defined anew; also then its machine type, which
    `machine:` changes, and its NICs' places.
    """
    resolve = _as_made if is_there(lab, name, state) and not redefine else _as_new
    choices = resolve(lab.machines[name], name, state)
    machine = _machine_type(lab.machines[name], name, state)
    return machine_view(lab, name, replace(choices, machine=machine, addresses=_addresses(name, state)))


def daemon_argv(view: MachineView) -> Argv:
    """The command line with which a machine is started in the background."""
    return (*qemu_argv(view, program=QEMU), "-daemonize")
