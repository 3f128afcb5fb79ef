"""Asks QEMU's monitor about a NIC: the device's switches, what it offers, what the guest took."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from provision.facts.virtio import VirtioFacts, parse_virtio_status
from provision.runtime.errors import HostError, RefusedError
from provision.tables.offloads import RSC_OFFLOADS
from provision.verify.collect.link_state import link_is_off
from provision.verify.evidence import Cut, NicEvidence, Unasked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from provision.runtime.protocols import Monitor, MonitorQuestion

PERIPHERAL = "/machine/peripheral"
"""Where QEMU keeps devices that have an id."""
UNWANTED = Unasked("QEMU's monitor was not asked, as wished (--no-monitor)", final=True, chosen=True)
LINK_UNTOLD = (
    "whether `set_link` has its cable out QEMU does not tell of this device (legacy virtio, virtio-mmio)"
)
BESIDES = "libvirt does not tell of it: given by <qemu:commandline>, or plugged in past libvirt"
"""What is said of a NIC that its domain's XML has no `<interface>` of."""


def read_properties(monitor: Monitor, path: str) -> Mapping[str, bool] | Unasked:
    """The device's own switches; one that this QEMU does not have is left out."""
    found: dict[str, bool] = {}
    for name in RSC_OFFLOADS:
        try:
            answer = monitor.execute(*_switch(path, name))
        except RefusedError as error:
            if error.kind == "DeviceNotFound":
                return Unasked(f"QEMU has no device {path.removeprefix(f'{PERIPHERAL}/')}")
            continue
        if isinstance(answer, bool):
            found[name] = answer
    return found or Unasked(f"QEMU tells no offloads of {path.removeprefix(f'{PERIPHERAL}/')}")


def _switch(path: str, name: str) -> MonitorQuestion:
    return "qom-get", {"path": path, "property": name}


def read_virtio(monitor: Monitor, path: str) -> VirtioFacts | Unasked:
    """What the device offers and the guest took.

    On virtio's own bus (virtio-mmio) the device is what is behind a proxy on any other.
    """
    try:
        try:
            return _status(monitor, f"{path}/virtio-backend")
        except RefusedError as error:
            if error.kind == "CommandNotFound":
                return Unasked("this QEMU has no x-query-virtio-status (7.2 and later have)", final=True)
            return _status(monitor, path)
    except RefusedError as error:
        return Unasked(str(error))


def _status(monitor: Monitor, path: str) -> VirtioFacts:
    return parse_virtio_status(monitor.execute("x-query-virtio-status", {"path": path}))


def clamped(monitor: Monitor, path: str, asked: int | None) -> tuple[str, ...]:
    """A note where the device has not the queue size that its configuration asks for."""
    if asked is None:
        return ()
    try:
        has = monitor.execute("qom-get", {"path": path, "property": "tx_queue_size"})
    except RefusedError:
        return ()
    return (f"tx_queue_size {asked} is asked for, and the device has {has}",) if has != asked else ()


def with_monitor(nic: NicEvidence, monitor: Monitor) -> NicEvidence:
    """The NIC with what QEMU tells of it; a monitor that stops answering costs what it had not told."""
    if nic.model != "virtio" or nic.kind == "hostdev":
        return nic
    monitor.ahead(
        [
            *(_switch(nic.path, name) for name in RSC_OFFLOADS),
            ("x-query-virtio-status", {"path": f"{nic.path}/virtio-backend"}),
            ("query-pci", {}),
        ]
    )
    try:
        nic = replace(nic, properties=read_properties(monitor, nic.path))
        nic = replace(nic, virtio=read_virtio(monitor, nic.path))
    except HostError as error:
        return without_monitor(nic, error)
    runs = not isinstance(nic.virtio, Unasked) and nic.virtio.driver_ok
    if not runs or nic.cuts:
        return nic
    try:
        off = link_is_off(monitor, nic.path, nic.mac)
    except HostError:  # not answered, or not in the evidence: as it was judged until here
        return nic
    if off is None:
        return replace(nic, notes=(*nic.notes, LINK_UNTOLD))
    cut = Cut("qemu", "QEMU shows the guest its link as down (set_link)")
    return replace(nic, cuts=(cut,)) if off else nic


def without_monitor(nic: NicEvidence, error: HostError) -> NicEvidence:
    """The NIC of a machine whose QEMU does not answer."""
    unasked = Unasked(str(error))
    told = nic.properties if not isinstance(nic.properties, Unasked) else unasked
    return replace(nic, properties=told, virtio=unasked)
