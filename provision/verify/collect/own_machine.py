"""Adds to a NIC how many processors and queues its machine has."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from provision.facts.qemu_arguments import nics_of
from provision.facts.qemu_machine import parse_machine

if TYPE_CHECKING:
    from provision.facts.domain import DomainFacts
    from provision.verify.evidence import NicEvidence


def of_domain(nic: NicEvidence, facts: DomainFacts) -> NicEvidence:
    """The NIC with what its domain's XML says of its machine."""
    cores = facts.vcpus // facts.threads if facts.vcpus else None
    return replace(nic, vcpus=facts.vcpus, cores=cores, agent_port=facts.agent_port)


def of_process(nic: NicEvidence, argv: tuple[str, ...]) -> NicEvidence:
    """The NIC with what its QEMU's arguments say of what nothing else has told."""
    if None not in (nic.vcpus, nic.cores, nic.queues, nic.rx_queue_size):
        return nic
    machine = parse_machine(argv)
    name = nic.path.rpartition("/")[2]
    said = next((each for each in nics_of(argv) if name and each.id == name), None)
    return replace(
        nic,
        vcpus=machine.vcpus if nic.vcpus is None else nic.vcpus,
        cores=machine.cores if nic.cores is None else nic.cores,
        queues=said.queues if said and nic.queues is None else nic.queues,
        rx_queue_size=said.rx_queue_size if said and nic.rx_queue_size is None else nic.rx_queue_size,
    )
