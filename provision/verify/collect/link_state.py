"""Reads whether QEMU shows a virtio NIC's link as up, which no command of its monitor tells.

The bit stands in the device's configuration (VIRTIO_NET_S_LINK_UP), which the guest's driver reads and which the human
monitor's `xp` reads as well, without any effect on the device.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from provision.facts.pci import PciDevice, parse_pci
from provision.runtime.errors import RefusedError, UnreadableError

if TYPE_CHECKING:
    from provision.runtime.protocols import Monitor

_VIRTIO = 0x1AF4
_BAR = 4
_CONFIGURATION = 0x2000
"""Where in BAR 4 the device's own configuration lies (QEMU hw/virtio/virtio-pci.c, virtio_pci_realize)."""
_LINK_UP = 1
_BYTE = re.compile(r"\b0x([0-9a-f]{2})\b", re.IGNORECASE)


def link_is_off(monitor: Monitor, path: str, mac: str) -> bool | None:
    """Whether the guest is shown an unplugged cable; None where QEMU does not tell: of a legacy device, or virtio-mmio.

    Only of a device whose driver runs, because then it stays where the guest has placed it. The MAC address that stands
    before the bit proves that it is the device's, its own or the one that its guest has given it.

    :raise HostError: when the monitor does not answer.
    """
    try:
        device = _device(monitor, path)
        if device is None or _BAR not in device.memory:
            return None
        line = f"xp /8xb {device.memory[_BAR] + _CONFIGURATION:#x}"
        said = str(monitor.execute("human-monitor-command", {"command-line": line}))
        octets = [int(octet, 16) for octet in _BYTE.findall(said)]
        there = ":".join(f"{octet:02x}" for octet in octets[:6])
        if len(octets) != 8 or (there != mac.lower() and there != _guests_mac(monitor, path)):
            return None
    except (RefusedError, UnreadableError):
        return None
    return not octets[6] & _LINK_UP


def _guests_mac(monitor: Monitor, path: str) -> str:
    """The address that the guest has given a device; empty where that is not told."""
    name = path.rpartition("/")[2]
    answer = monitor.execute("query-rx-filter", {"name": name})
    rows = [row for row in answer if isinstance(row, dict)] if isinstance(answer, list) else []
    return str(rows[0].get("main-mac", "")).lower() if len(rows) == 1 else ""


def _device(monitor: Monitor, path: str) -> PciDevice | None:
    """The PCI device at a path of QEMU's object model; None where it is not told which one it is."""
    there = parse_pci(monitor.execute("query-pci"))
    own, _, name = path.removeprefix("/machine/").partition("/")
    if own == "peripheral":
        found = [device for device in there if device.id == name]
    else:
        devfn = monitor.execute("qom-get", {"path": path, "property": "addr"})
        found = [
            device for device in there if (device.id, device.vendor, device.devfn) == ("", _VIRTIO, devfn)
        ]
    return found[0] if len(found) == 1 else None
