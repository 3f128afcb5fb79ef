"""Says of a lab file's NICs what their queues cost a guest, and which drivers hang on them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.tables.guests import GUESTS
from provision.tables.known_issues import BY_ID
from provision.tables.offloads import TSO

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from provision.lab.spec import Lab, Machine, Nic


_HANG = BY_ID["1360"]
_QEMUS_SIZE = 256
"""Descriptors of a receive queue where nothing is said."""


def _cores(machine: Machine) -> int:
    sockets, cores, _ = machine.topology
    return sockets * cores


def _too_many(machine: Machine, nic: Nic) -> str:
    """What becomes of more queues than processors."""
    vcpus, cores = machine.vcpus, _cores(machine)
    if GUESTS[machine.guest].queues_by_core and nic.queues > cores:
        laid = f"{vcpus} vCPUs" if cores == vcpus else f"{cores} core{'s' * (cores > 1)} ({vcpus} vCPUs)"
        return (
            f"{nic.queues} queues and {laid}: {_HANG.title} (known issue {_HANG.id}: {_HANG.applies}). "
            f"What helps: {_HANG.workaround}"
        )
    if nic.queues > vcpus:
        return f"{nic.queues} queues and {vcpus} vCPUs: a guest uses no more than one a vCPU"
    return ""


def _memory(machine: Machine, nic: Nic) -> str:
    """What receive buffers take of a guest with RSC, where that is more than QEMU's own queue would."""
    guest, queues = GUESTS[machine.guest], min(nic.queues, machine.vcpus)
    descriptors = queues * (nic.rx_queue_size or _QEMUS_SIZE)
    large = any(nic.wanted().get(name) for name in TSO.values())
    if not (guest.buffer and large) or descriptors <= _QEMUS_SIZE:
        return ""
    size, mergeable = (descriptors * each // 1024 for each in (guest.buffer, guest.mergeable_buffer))
    return (
        f"with RSC NetKVM's receive buffers take {size} MiB or more of the guest's memory ({descriptors} descriptors, {guest.buffer} KiB "
        f"each; {mergeable} MiB with its MergeableBuffers, which are off by default)"
    )


def queue_notes(lab: Lab, names: Iterable[str]) -> Iterator[str]:
    """What is worth knowing of these machines' queues; nothing of it is a fault."""
    for name in names:
        machine = lab.machines[name]
        for nic in machine.nics:
            notes = (_too_many(machine, nic), _memory(machine, nic))
            yield from (f"{name}.{nic.name}: {note}" for note in notes if note)
