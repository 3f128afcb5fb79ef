"""The view of a machine's disks and CDs: what each is called, where it is, and how its image is opened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from provision.lab.paths import LabPaths
    from provision.lab.spec import Disk, Machine
    from provision.tables.layouts import Layout

_SATA_PORTS = 6


@dataclass(frozen=True, slots=True)
class DiskView:
    """One disk or CD, ready to print."""

    path: str
    format: str
    bus: str
    target: str
    """libvirt's target device, which is also the end of QEMU's ids."""
    sata_bus: str
    unit: int = 0
    """Its number on the SCSI bus."""
    block: bool = False
    """Whether it is a block device of the host."""
    discard: bool = False
    """Whether what the guest trims goes back to the host."""
    base: str = ""
    """The image that an overlay lies over; empty without overlay."""
    base_format: str = ""
    cdrom: bool = False


def _letters(index: int) -> str:
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(ord("a") + rest) + letters
    return letters


class _Places:
    """What each disk is called, and where it is, in their order."""

    def __init__(self) -> None:
        self._seen = {"virtio": 0, "sata": 0, "sd": 0}

    def next(self, bus: str) -> tuple[str, str, int]:
        """Libvirt's target, the place on a SATA bus, and its number among all that are called sd."""
        kind = "virtio" if bus == "virtio" else "sd"
        at = self._seen[kind]
        self._seen[kind] += 1
        if bus != "sata":
            return ("vd" if kind == "virtio" else "sd") + _letters(at), "", at
        extra, port = divmod(self._seen["sata"], _SATA_PORTS)
        self._seen["sata"] += 1
        return f"sd{_letters(at)}", (f"sata{extra}" if extra else "ide") + f".{port}", at


def _disk(spec: Disk, overlay: str, place: tuple[str, str, int], layout: Layout) -> DiskView:
    target, port, unit = place
    if spec.overlaid:
        return DiskView(
            overlay,
            "qcow2",
            spec.bus,
            target,
            port,
            unit,
            discard=layout.discard,
            base=spec.path,
            base_format=spec.form,
        )
    block = spec.block is not None
    trims = layout.discard and (block or spec.form == "qcow2")
    return DiskView(spec.path, spec.form, spec.bus, target, port, unit, block=block, discard=trims)


def disk_views(machine: Machine, name: str, paths: LabPaths, layout: Layout) -> Iterator[DiskView]:
    """Every disk and CD of a machine, in their order."""
    places = _Places()
    for index, spec in enumerate(machine.disks):
        yield _disk(spec, paths.overlay(name, index), places.next(spec.bus), layout)
    for path in machine.cdroms:
        yield DiskView(path, "raw", "sata", *places.next("sata"), cdrom=True)
