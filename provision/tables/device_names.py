"""TABLE: names of network devices that tell what a device is, for where nothing but its name does."""

from __future__ import annotations

import re

_TAPS = {
    "libvirt": r"vnet[0-9]+",
    "Proxmox VE": r"tap[0-9]+i[0-9]+",
    "QEMU, KubeVirt": r"tap[0-9]+",
    "OpenStack's Neutron": r"tap[0-9a-f]{8}-[0-9a-f]{2}",
    "rscvm": r"[0-9a-f]{8}-[A-Za-z0-9_.-]{1,6}",
    "KubeVirt's further networks, Incus": r"tap[0-9a-f]{8,11}",
}
"""By who names them so; whatever else a device is called may be a NIC, a VLAN, a bond or a bridge."""

_OTHERS = (
    r"(?:en|eth|em|wl|ib|bond|team|br|lan|dummy)[a-z0-9]*[0-9][a-z0-9@.:-]*",
    r"(?:vmbr|virbr|lxcbr|docker|fwbr|fwpr|fwln|veth|k6t-|macvtap|ovs)[a-z0-9._-]+",
)

TAP_NAME = re.compile("|".join(_TAPS.values()))
"""Matches the name that a hypervisor gives a guest's TAP."""
DEVICE_NAME = re.compile("|".join((*_TAPS.values(), *_OTHERS)))
"""Matches what is no word but the name of a network device."""
