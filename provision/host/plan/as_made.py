"""Finds out with what a machine that is there was made, whatever later versions and hosts would do. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from provision.facts.domain import parse_domain
from provision.lab.identity import noted_spec, spec_digest
from provision.tables.cpu_features import wanted_features
from provision.tables.enlightenments import ENLIGHTENMENTS
from provision.tables.layouts import FIRST, LATEST, LAYOUTS
from provision.tables.offloads import OFFLOADS

if TYPE_CHECKING:
    from provision.facts.domain import DomainFacts, PciAddress
    from provision.host.journal import Made
    from provision.host.state import HostState
    from provision.lab.spec import Machine, Nic
    from provision.render.view import Choices
    from provision.tables.layouts import Layout


@dataclass(frozen=True, slots=True)
class _Then:
    """A machine as it was made, by what there is that tells."""

    spec: Machine | None
    """As the lab file had it; None where nobody knows."""
    made: Made | None
    """What was noted of it."""
    domain: DomainFacts | None
    """Its definition, or what runs where it has none."""

    @property
    def layout(self) -> Layout:
        """The row by which it was made; one that only a later version has is taken for ours."""
        mark = self.domain.mark if self.domain else None
        return LAYOUTS.get(mark.layout if mark else self.made.layout if self.made else FIRST.number, LATEST)


def defined(name: str, state: HostState) -> DomainFacts | None:
    """A machine's domain, as it starts the next time."""
    domain = state.domains.get(name)
    return parse_domain(domain.persistent_xml or domain.live_xml) if domain else None


def _then(machine: Machine, domain: DomainFacts | None, name: str, state: HostState) -> _Then:
    """What is noted is of another definition than is there where a redefinition was cut off after its note."""
    made = state.journal.made.get(name)
    mark = domain.mark if domain else None
    if made is not None and mark is not None and mark.layout != made.layout:
        made = None
    spec = noted_spec(machine, state.journal.specs.get(name))
    if spec is None and mark is not None and mark.digest == spec_digest(machine):
        spec = machine
    return _Then(spec, made, domain)


def as_made(
    new: Choices, machine: Machine, domain: DomainFacts | None, name: str, state: HostState
) -> Choices:
    """The choices with which a machine that is there was made; of what a host has only that is new which the lab file newly asks for."""
    then = _then(machine, domain, name, state)
    was_kvm = state.journal.kvm.get(name, then.domain.kvm if then.domain else new.kvm)
    kvm = was_kvm if machine.accel == "auto" else new.kvm
    choices = replace(
        new,
        kvm=kvm,
        vhost=kvm and state.access.vhost,
        layout=then.layout,
        properties=_properties(new, machine, then),
        features=_features(new, machine, then),
    )
    if not was_kvm or (then.spec is not None and then.spec.guest != machine.guest):
        return choices  # it had no enlightenments then, whatever its host could
    tsc = then.made.tsc if then.made else then.domain.processor.tsc if then.domain else new.tsc
    return replace(choices, enlightenments=_enlightenments(new, machine, then), tsc=tsc)


def _properties(new: Choices, machine: Machine, then: _Then) -> frozenset[str] | None:
    """What is said of offloads: to another QEMU no more than to the one that it was made for."""
    if new.properties is None or (then.made and then.made.properties is None):
        return new.properties
    if then.made and then.made.properties is not None:
        said = {*then.made.properties}
    else:
        said = {row.name for row in OFFLOADS if row.layout <= then.layout.number}
        if then.domain:
            said -= {row.name for row in OFFLOADS if not row.everywhere} - then.domain.overridden
    before = {nic.name: nic for nic in then.spec.nics} if then.spec else {}
    said |= {name for nic in machine.nics for name in _newly_asked(nic, before.get(nic.name))}
    return new.properties & said


def _newly_asked(nic: Nic, before: Nic | None) -> set[str]:
    """The offloads of which the lab file says something else of a NIC than it said, or names them now."""
    wanted, was = nic.wanted().items(), before.wanted().items() if before else set()
    named = nic.offloads.keys() - (before.offloads.keys() if before else set())
    return {*named, *(name for name, _ in wanted - was)}


def _features(new: Choices, machine: Machine, then: _Then) -> frozenset[str] | None:
    """The processor's features; None where nobody has asked for them yet."""
    had = then.domain.processor.features if then.domain and not then.made else None
    if then.made and then.made.features is not None:
        had = frozenset(then.made.features)
    before = _wanted_features(then.spec) if then.spec else frozenset()
    more = (new.features or frozenset()) & (_wanted_features(machine) - before)
    return had if not more else (had or frozenset()) | more


def _wanted_features(machine: Machine) -> frozenset[str]:
    return wanted_features(nested=machine.nested, threads=machine.topology.threads)


def _enlightenments(new: Choices, machine: Machine, then: _Then) -> frozenset[str] | None:
    """What it may have of Hyper-V; where nested is asked for newly, with what nests."""
    had = then.layout.enlightenments
    if then.made:
        had = None if then.made.enlightenments is None else frozenset(then.made.enlightenments)
    elif had is None and then.domain and (then.domain.processor.enlightenments or then.spec is not None):
        had = then.domain.processor.enlightenments
    elif had is None:
        return new.enlightenments
    if had is None or not machine.nested or (then.spec is not None and then.spec.nested):
        return had
    return had | ({row.name for row in ENLIGHTENMENTS if row.nested} & (new.enlightenments or frozenset()))


def addresses(machine: Machine, domain: DomainFacts | None) -> dict[str, PciAddress]:
    """Where the NICs of a definition are: a NIC that moves is a new one to Windows, without its address.

    None is kept where the lab file asks for another bus: q35's is PCIe, the other's PCI.
    """
    if domain is None or ("q35" in domain.machine) != ("q35" in machine.machine):
        return {}
    return {nic.alias: nic.address for nic in domain.nics if nic.address is not None}
