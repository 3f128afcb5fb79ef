"""TABLE: by which names a NIC's model is virtio, and which others ask a TAP for TSO."""

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
