"""Adds to a NIC what its machine is: processors, queues, machine type, and the QEMU that runs it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from provision.facts.qemu_arguments import nics_of
from provision.facts.qemu_machine import parse_machine
from provision.runtime.errors import HostError

if TYPE_CHECKING:
    from provision.facts.domain import DomainFacts
    from provision.runtime.protocols import Monitor, MonitorQuestion
    from provision.verify.evidence import NicEvidence

VERSION: MonitorQuestion = ("query-version", {})
_PARTS = ("major", "minor", "micro")
_MOST = 10_000


def of_domain(nic: NicEvidence, facts: DomainFacts) -> NicEvidence:
    """The NIC with what its domain's XML says of its machine."""
    cores = facts.vcpus // facts.threads if facts.vcpus else None
    return replace(nic, vcpus=facts.vcpus, cores=cores, machine_type=facts.machine)


def of_process(nic: NicEvidence, argv: tuple[str, ...]) -> NicEvidence:
    """The NIC with what its QEMU's arguments say of what nothing else has told."""
    if nic.machine_type and None not in (nic.vcpus, nic.cores, nic.queues, nic.rx_queue_size):
        return nic
    machine = parse_machine(argv)
    name = nic.path.rpartition("/")[2]
    said = next((each for each in nics_of(argv) if name and each.id == name), None)
    return replace(
        nic,
        machine_type=nic.machine_type or machine.type,
        vcpus=machine.vcpus if nic.vcpus is None else nic.vcpus,
        cores=machine.cores if nic.cores is None else nic.cores,
        queues=said.queues if said and nic.queues is None else nic.queues,
        rx_queue_size=said.rx_queue_size if said and nic.rx_queue_size is None else nic.rx_queue_size,
    )


def qemu_version(monitor: Monitor) -> str:
    """The version of a QEMU, as `10.2.1`; empty where it does not tell one, as in evidence of 0.1.0."""
    try:
        answer = monitor.execute(*VERSION)
    except HostError:
        return ""
    numbers = answer.get("qemu") if isinstance(answer, dict) else None
    told = [numbers.get(part) for part in _PARTS] if isinstance(numbers, dict) else []
    known = bool(told) and all(isinstance(each, int) and 0 <= each < _MOST for each in told)
    return ".".join(map(str, told)) if known else ""
