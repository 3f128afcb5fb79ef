"""Checks of what a machine is made of: its processors, its disks, and whether its backend can make them."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from provision.lab.checks.complaint import Complaint
from provision.tables.ports import MOST_PORTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from provision.lab.positions import Where
    from provision.lab.spec import MachineKeys

_ALWAYS = 3
"""What is behind a port of its own of every machine: virtio-serial and virtio-rng, and the USB controller of Windows."""


def _processors(where: Where, machine: MachineKeys) -> Iterator[Complaint]:
    """Processors that do not come to vcpus."""
    if (count := prod(machine.topology)) != machine.vcpus:
        said = " x ".join(map(str, machine.topology))
        yield Complaint(
            (*where, "cpu"),
            f"sockets x cores x threads must be vcpus, and {said} is {count}, not {machine.vcpus}",
            ((*where, "vcpus"),),
        )


def _disks(where: Where, machine: MachineKeys) -> Iterator[Complaint]:
    """Disks that are neither an image nor a block device, or both, and formats that libvirt does not know."""
    for at, disk in enumerate(machine.disks):
        here = (*where, "disks", at)
        if (disk.image is None) == (disk.block is None):
            has = "neither" if disk.image is None else "both"
            yield Complaint(here, f"needs exactly one of image and block, and has {has}", (), at_key=True)
        elif disk.block is not None and disk.overlay and "overlay" in disk.model_fields_set:
            yield Complaint(
                (*here, "overlay"), "a block device has none: the machine writes to it", ((*here, "block"),)
            )
        if disk.effective_format == "vhdx" and machine.backend == "libvirt":
            # libvirt 9.0.0 defines none, and under an overlay takes it for raw, so that its guest finds no partitions.
            words = (
                "is vhdx, which libvirt does not know: `qemu-img convert` it to qcow2, or use backend qemu"
            )
            yield Complaint((*here, "format" if disk.format else "image"), words, ((*where, "backend"),))


def _shared(where: Where, machine: MachineKeys) -> Iterator[Complaint]:
    """Files and devices that two disks of a machine have, of which one is written to: QEMU locks such a one, and does not start."""
    first: dict[str, int] = {}
    for at, disk in enumerate(machine.disks):
        path = disk.image or disk.block
        if path is None:
            continue
        before = machine.disks[first.setdefault(path, at)]
        if before is not disk and not (before.overlaid and disk.overlaid):
            here = (*where, "disks", at, "image" if disk.image else "block")
            yield Complaint(here, f"{path} is disk {first[path]}, too, and cannot be written to by both", ())


def _bare_qemu(where: Where, machine: MachineKeys) -> Iterator[Complaint]:
    """What only libvirt lays out: machine types without PCIe, and more devices than one level of root ports takes."""
    backend = ((*where, "backend"),)
    if "q35" not in machine.machine:
        yield Complaint(
            (*where, "machine"), f"must be a q35 for backend qemu, not {machine.machine}", backend
        )
    disks = [disk.bus for disk in machine.disks]
    devices = len(getattr(machine, "nics", ())) + disks.count("virtio") + ("scsi" in disks) + _ALWAYS
    if devices > MOST_PORTS:
        yield Complaint(
            where,
            f"has {devices} PCIe devices, and backend qemu has room for {MOST_PORTS}",
            backend,
            at_key=True,
        )


def hardware(where: Where, machine: MachineKeys) -> Iterator[Complaint]:
    """What of a machine none can make, or not its backend."""
    yield from _processors(where, machine)
    yield from _disks(where, machine)
    yield from _shared(where, machine)
    if machine.backend == "qemu":
        yield from _bare_qemu(where, machine)
    if machine.iperf3 and machine.guest != "windows":
        yield Complaint(
            (*where, "iperf3"),
            "is for `guest: windows`: in a Linux guest it is found by itself",
            ((*where, "guest"),),
        )
