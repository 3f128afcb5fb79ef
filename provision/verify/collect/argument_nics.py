"""A NIC as arguments have it, QEMU's or those of a `<qemu:commandline>`, where no monitor tells it. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from provision.facts.domain import parse_domain
from provision.facts.domain_devices import DefinedDevice
from provision.facts.qemu_arguments import ArgumentNic, nics_of
from provision.runtime.errors import UnreadableError
from provision.tables.backends import NETDEVS
from provision.tables.models import is_qemus_virtio
from provision.tables.offloads import RSC_OFFLOADS
from provision.verify.collect.monitor import BESIDES, PERIPHERAL
from provision.verify.collect.next_start import SAVED, as_started
from provision.verify.collect.own_machine import of_domain
from provision.verify.evidence import Definition, NicEvidence, Unasked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.facts.domain import DomainFacts
    from provision.runtime.protocols import Domain
    from provision.verify.evidence import Machine


def nic_by_arguments(machine: Machine, nic: ArgumentNic, index: int, unasked: Unasked) -> NicEvidence:
    """What its arguments alone tell of a NIC.

    :param unasked: why nothing else does.
    """
    virtio = is_qemus_virtio(nic.driver)
    return NicEvidence(
        machine.host,
        machine.name,
        nic.id or f"net{index}",
        nic.mac,
        (nic.ifname or None) if machine.state != "off" else None,
        None,
        None,
        machine.state,
        NETDEVS.get(nic.backend, nic.backend or "unknown"),
        "virtio" if virtio else nic.driver,
        properties={offload: nic.switches[offload] for offload in RSC_OFFLOADS} if virtio else unasked,
        virtio=unasked,
        owner=machine.owner,
        netdev=nic.netdev,
        path=f"{PERIPHERAL}/{nic.id}" if nic.id else "",
        by_fd=nic.by_fd,
        standby=nic.standby,
        queues=nic.queues,
        rx_queue_size=nic.rx_queue_size,
        defined_in="qemu",
    )


def _started(machine: Machine, facts: DomainFacts) -> dict[str, tuple[NicEvidence, NicEvidence]]:
    """The NICs of a `<qemu:commandline>`, by name: as they are, and as a start makes them."""
    found: dict[str, tuple[NicEvidence, NicEvidence]] = {}
    for index, nic in enumerate(nics_of(("", *facts.arguments))):
        there = nic_by_arguments(machine, nic, len(facts.nics) + index, Unasked("not asked"))
        there = of_domain(there, facts)
        made = as_started(there, DefinedDevice(nic.switches, nic.vhost, nic.vnet_header))
        found[there.nic] = replace(there, notes=(BESIDES,)), made
    return found


def nics_past_libvirt(machine: Machine, facts: DomainFacts, domain: Domain) -> list[NicEvidence]:
    """The NICs that a domain's `<qemu:commandline>` gives it, with what its definition will make of them."""
    there = _started(machine, facts)
    if not there:
        return []
    if domain.saved:
        return [replace(nic, definition=Definition(SAVED)) for nic, _ in there.values()]
    if domain.state == "off":
        return [replace(nic, definition=Definition(made)) for nic, made in there.values()]
    if not domain.persistent_xml:  # transient, or evidence that has none
        return [nic for nic, _ in there.values()]
    try:
        later = _started(machine, parse_domain(domain.persistent_xml))
    except UnreadableError as error:
        unread = Definition(Unasked(str(error)))
        return [replace(nic, definition=unread) for nic, _ in there.values()]
    then = {name: made for name, (_, made) in later.items()}
    return [replace(nic, definition=Definition(then.get(name), now)) for name, (nic, now) in there.items()]


def with_arguments(found: Sequence[NicEvidence], past: Sequence[NicEvidence]) -> list[NicEvidence]:
    """The virtio NICs that a monitor tells beside libvirt's, and of the arguments' those of other models.

    A virtio NIC of the arguments that the monitor does not tell has been plugged out.
    """
    definitions = {nic.nic: nic.definition for nic in past}
    told = [replace(nic, definition=definitions.get(nic.nic)) for nic in found]
    return [*told, *(nic for nic in past if nic.model != "virtio")]
