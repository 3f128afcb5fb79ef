"""The view of a machine's disks and CDs: what each is called, where it is, and how its image is opened."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from provision.lab.paths import LabPaths
    from provision.lab.spec import Disk, Machine
    from provision.tables.layouts import Layout

_SATA_PORTS = 6


@dataclass(frozen=True, slots=True)
class DiskView:
    """One disk or CD, ready to print."""

    kind: Literal["image", "block", "cdrom"]
    path: str
    format: str
    bus: str
    target: str
    """libvirt's target device, which is also the end of QEMU's ids."""
    controller: int
    unit: int
    """Its place on the controller: SATA's port, or SCSI's target."""
    discard: bool = False
    """Whether what the guest trims goes back to the host."""
    base: str = ""
    """The image that an overlay lies over; empty without overlay."""
    base_format: str = ""

    @property
    def sata_bus(self) -> str:
        """QEMU's bus of a SATA disk; q35 has one controller by itself."""
        return f"sata{self.controller}.{self.unit}" if self.controller else f"ide.{self.unit}"


def _letters(index: int) -> str:
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(ord("a") + rest) + letters
    return letters


class Seat(NamedTuple):
    """Where a disk is: libvirt's target, and its controller and place there; of virtio, which has none, zeros."""

    target: str
    controller: int
    unit: int


def _seats(buses: Iterable[str]) -> Iterator[Seat]:
    """A place for each disk, in their order; SATA's and SCSI's share the names sda, sdb, …, and nothing else."""
    seen = Counter[str]()
    for bus in buses:
        prefix = "vd" if bus == "virtio" else "sd"
        place = {"sata": divmod(seen["sata"], _SATA_PORTS), "scsi": (0, seen["scsi"])}.get(bus, (0, 0))
        yield Seat(prefix + _letters(seen[prefix]), *place)
        seen.update((prefix, bus))


def _disk(spec: Disk, overlay: str, seat: Seat, layout: Layout) -> DiskView:
    trims = layout.discard and (spec.overlaid or spec.block is not None or spec.effective_format == "qcow2")
    plain = DiskView(
        "block" if spec.block else "image",
        spec.path,
        spec.effective_format,
        spec.bus,
        *seat,
        discard=trims,
    )
    if not spec.overlaid:
        return plain
    return replace(plain, path=overlay, format="qcow2", base=spec.path, base_format=spec.effective_format)


def disk_views(machine: Machine, name: str, paths: LabPaths, layout: Layout) -> Iterator[DiskView]:
    """Every disk and CD of a machine, in their order."""
    seats = _seats([*(disk.bus for disk in machine.disks), *("sata" for _ in machine.cdroms)])
    for index, spec in enumerate(machine.disks):
        yield _disk(spec, paths.overlay(name, index), next(seats), layout)
    for path in machine.cdroms:
        yield DiskView("cdrom", path, "raw", "sata", *next(seats))
