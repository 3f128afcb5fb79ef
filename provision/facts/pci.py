"""Parses `query-pci`: where a machine's PCI devices have their memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from provision.runtime.errors import UnreadableError, reading

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True)
class PciDevice:
    """A PCI device of a machine, as the guest's system has placed it."""

    id: str
    """Of QEMU's device; empty where it has none."""
    vendor: int
    devfn: int
    """Slot and function on its bus, as QEMU's property `addr` has them."""
    memory: Mapping[int, int]
    """The addresses of its BARs of memory; those that the guest has not placed are left out."""


def parse_pci(answer: object) -> list[PciDevice]:
    """Every device of every bus.

    :raise UnreadableError: when the value is not of the form that QEMU 7.2 gives.
    """
    if not isinstance(answer, list):
        raise UnreadableError("query-pci", repr(answer))
    with reading("query-pci", answer):
        return [found for bus in answer for found in _devices(bus)]


def _devices(bus: Any) -> Iterator[PciDevice]:
    for device in bus["devices"]:
        memory = {
            int(region["bar"]): int(region["address"])
            for region in device["regions"]
            if region["type"] == "memory" and int(region["address"]) > 0
        }
        devfn = int(device["slot"]) << 3 | int(device["function"])
        yield PciDevice(str(device["qdev_id"]), int(device["id"]["vendor"]), devfn, memory)
        yield from _devices(device.get("pci_bridge", {"devices": ()}))
