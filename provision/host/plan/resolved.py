"""Resolves `accel: auto` and `vhost: auto` for one host. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from provision.facts.domain import parse_domain
from provision.facts.hyperv import Named
from provision.host.journal import Made
from provision.host.plan.enlightenments import usable
from provision.lab.identity import spec_digest
from provision.lab.paths import LabPaths
from provision.render.machine import qemu_argv
from provision.render.view import Choices, MachineView, machine_view
from provision.runtime.command import QEMU
from provision.tables.enlightenments import ENLIGHTENMENTS
from provision.tables.layouts import FIRST, LATEST, LAYOUTS
from provision.tables.offloads import BY_NAME, OFFLOADS

if TYPE_CHECKING:
    from provision.facts.domain import DomainFacts, PciAddress
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


def _as_made(machine: Machine, name: str, state: HostState) -> Choices:
    """What a machine that is there was made with: later defaults do not reach it."""
    new, noted = _as_new(machine, name, state), state.journal.made.get(name)
    defined = _defined(name, state)
    layout = _layout(defined, noted)
    made = noted or _as_defined(machine, new, defined, layout)
    was_kvm = state.journal.kvm.get(name, defined.kvm if defined else new.kvm)
    kvm = was_kvm if machine.accel == "auto" else new.kvm
    choices = replace(
        new,
        kvm=kvm,
        vhost=kvm and state.access.vhost,
        layout=layout,
        properties=_known(new, made),
    )
    if made is None:
        return choices
    return replace(
        choices,
        enlightenments=None if made.enlightenments is None else frozenset(made.enlightenments),
        features=new.features if made.features is None else frozenset(made.features),
        tsc=made.tsc,
    )


def _defined(name: str, state: HostState) -> DomainFacts | None:
    """A machine's domain, as it starts the next time."""
    domain = state.domains.get(name)
    return parse_domain(domain.persistent_xml or domain.live_xml) if domain else None


def _as_defined(machine: Machine, new: Choices, domain: DomainFacts | None, layout: Layout) -> Made | None:
    """What a machine was made with that nothing is noted of: what its layout or its definition has.

    Where the lab file says something else by now, what of its host it did not use so far (an older QEMU's lack of an
    offload, what only nests) is the host's of today.
    """
    offloads = {row.name for row in OFFLOADS if row.layout <= layout.number}
    can = layout.enlightenments
    if can is None and domain is not None:
        can = domain.processor.enlightenments
    if can is None:
        return None
    tsc = domain.processor.tsc if domain else None
    if domain and domain.mark and domain.mark.digest == spec_digest(machine):
        offloads -= {row.name for row in OFFLOADS if not row.everywhere} - domain.overridden
        features = tuple(domain.processor.features)
        return Made(layout.number, tuple(offloads), tuple(can), features, tsc)
    can |= {row.name for row in ENLIGHTENMENTS if row.nested} & (new.enlightenments or frozenset())
    return Made(layout.number, tuple(offloads), tuple(can), tsc=tsc)


def _machine_type(machine: Machine, domain: DomainFacts | None) -> str:
    """What libvirt has spelled an alias out as: to Windows another version is another board."""
    defined = domain.machine if domain else ""
    return defined if defined.startswith(f"pc-{machine.machine}-") else ""


def _layout(domain: DomainFacts | None, made: Made | None) -> Layout:
    """By which row of the table a machine that is there was made; a row that only a later version has is taken for ours."""
    mark = domain.mark if domain else None
    return LAYOUTS.get(mark.layout if mark else made.layout if made else FIRST.number, LATEST)


def _known(new: Choices, made: Made | None) -> frozenset[str] | None:
    """What is said of offloads to a machine that is there: to another QEMU no more than to the one that it was made for."""
    if new.properties is None or made is None or made.properties is None:
        return new.properties
    return new.properties & frozenset(made.properties)


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
    machine = _machine_type(lab.machines[name], _defined(name, state))
    return machine_view(lab, name, replace(choices, machine=machine, addresses=_addresses(name, state)))


def daemon_argv(view: MachineView) -> Argv:
    """The command line with which a machine is started in the background."""
    return (*qemu_argv(view, program=QEMU), "-daemonize")
