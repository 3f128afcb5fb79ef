"""TABLE: by which names a NIC is virtio, which others ask a TAP for TSO, and which devices are NICs at all."""

from __future__ import annotations

import re

LIBVIRTS_VIRTIO = frozenset({"virtio", "virtio-transitional", "virtio-non-transitional"})
"""What libvirt takes for virtio (virDomainNetIsVirtioModel). It hands any other name on to QEMU as it is, and opens the
TAP of such a NIC without a vnet header (virDomainInterfaceIsVnetCompatModel)."""

OWN_LRO = frozenset({"vmxnet3"})
"""Models whose driver asks a TAP with a vnet header for checksum and TSO, as virtio's does (QEMU hw/net/vmxnet3.c,
vmxnet3_update_features). libvirt opens their TAP with the header as it does e1000e's and igb's (measured, 9.0; its sources
of 2022 and before gave it to virtio alone), so the TAP itself tells."""

_QEMUS_VIRTIO = re.compile(r"virtio-net(?:-(?:pci|ccw|device)(?:-(?:non-)?transitional)?)?")


def is_qemus_virtio(name: str) -> bool:
    """Whether a device type or `<model type=…>` is QEMU's own name for a virtio NIC."""
    return _QEMUS_VIRTIO.fullmatch(name) is not None


_EMULATED = frozenset({
    "e1000", "e1000-82540em", "e1000-82544gc", "e1000-82545em", "e1000e", "igb", "rtl8139", "vmxnet3", "pcnet", "ne2k_pci", "ne2k_isa", "tulip",
    "i82550", "i82551", "i82557a", "i82557b", "i82557c", "i82558a", "i82558b", "i82559a", "i82559b", "i82559c", "i82559er",
    "i82562", "i82801", "usb-net", "spapr-vlan",
})  # fmt: skip
"""QEMU's other NICs (`-device help`, network devices): without a netdev nothing else tells that a device is one."""


def is_nic(name: str) -> bool:
    """Whether a device type of QEMU's is a NIC."""
    return name in _EMULATED or is_qemus_virtio(name)
