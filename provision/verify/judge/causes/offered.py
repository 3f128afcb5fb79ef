"""Causes at rung *offered*: the device does not offer it, or offers what it must not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.tables.offloads import BY_NAME, HCK, TSO
from provision.verify.evidence import Family, NicEvidence, Unasked
from provision.verify.judge.cause import POWER_CYCLE, RSC_DRAIN_SEG, VIRTIO_NET_C, VIRTIO_STATUS, Fix, cause
from provision.verify.judge.ladder import loaded, missing_features

if TYPE_CHECKING:
    from provision.facts.virtio import VirtioFacts

_BACKENDS = ("vhostuser", "vdpa")
"""They say themselves what they have, and QEMU offers no more than that."""


@cause(
    "offered",
    Fix("take `rsc: hck` off the NIC, or mark the machine `purpose: hck`", "lab"),
    Fix("remove the `<qemu:override>` of guest_rsc_ext", "libvirt"),
    Fix("leave out `guest_rsc_ext=on`", "qemu"),
    POWER_CYCLE,
    scope="beside",
    seen=f"{VIRTIO_STATUS}: VIRTIO_NET_F_RSC_EXT in host-features",
    source=f"{RSC_DRAIN_SEG}; virtio-win Knowledge Base, netkvm RSC: for one HLK test",
)
def hck_flags_in_production(nic: NicEvidence, _family: Family) -> str:
    """guest_rsc_ext is for one HLK test. It holds segments back and breaks checksums of ordinary traffic."""
    if nic.purpose == "hck":
        return ""
    if not isinstance(nic.virtio, Unasked):
        offered = BY_NAME[HCK].virtio in nic.virtio.offered
        words = f"RSC_EXT is offered, and the machine is not marked for HCK{_harmless(nic, nic.virtio)}"
        return words if offered else ""
    if isinstance(nic.properties, Unasked) and nic.properties.chosen and nic.rsc_asked:
        return "its definition asks for guest_rsc_ext, and the machine is not marked for HCK"
    on = not isinstance(nic.properties, Unasked) and nic.properties.get(HCK, False)
    return "guest_rsc_ext is on, and the machine is not marked for HCK" if on else ""


def _harmless(nic: NicEvidence, facts: VirtioFacts) -> str:
    """Why the engine does no harm as things are, if so."""
    if facts.vhost:
        return "; harmless while vhost carries the packets past QEMU's engine"
    if BY_NAME[HCK].virtio in facts.negotiated:
        return ""
    return "; harmless until a driver takes it" + (", which the guest's has not" if loaded(nic) else "")


@cause(
    "offered",
    Fix(
        "compare `x-query-virtio-status` with the device's properties; report it with QEMU's version",
        when=lambda nic: nic.kind not in _BACKENDS,
    ),
    Fix(
        "switch it on in the vhost-user backend, where that can do it, and power-cycle the machine; OVS-DPDK: "
        "`ovs-vsctl set Open_vSwitch . other_config:userspace-tso-enable=true`, and restart ovs-vswitchd",
        when=lambda nic: nic.kind == "vhostuser",
    ),
    Fix(
        "a vDPA device offers what its hardware and driver have: `vdpa dev config show` and `vdpa mgmtdev show` tell its features",
        when=lambda nic: nic.kind == "vdpa",
    ),
    seen="qom-get of the property is true, and host-features of x-query-virtio-status lack its VIRTIO_NET_F_… name",
    source=f"{VIRTIO_NET_C} (virtio_net_get_features): the backend's own features limit the device's",
)
def not_offered(nic: NicEvidence, family: Family) -> str:
    """The device has it on and still does not offer it; its backend or its machine type has taken it away."""
    if isinstance(nic.virtio, Unasked):
        return ""
    short = missing_features(nic, family, nic.virtio.offered)
    return f"{short} on at the device, and not offered" if short else ""


@cause(
    "offered",
    "`rscvm down --keep-disks` and `rscvm up` the machine, so that it has what the lab file says",
    scope="beside",
    seen=f"{VIRTIO_STATUS}: VIRTIO_NET_F_GUEST_TSO4 or GUEST_TSO6 in host-features, and `rsc: false` in the lab file or in "
    "rscvm's metadata of the domain",
    source="the lab file",
)
def offered_though_off(nic: NicEvidence, _family: Family) -> str:
    """The lab file says `rsc: false`, and the device offers guest TSO all the same: it was made from something else."""
    if nic.rsc != "false" or isinstance(nic.virtio, Unasked):
        return ""
    offered = [name for name in TSO.values() if BY_NAME[name].virtio in nic.virtio.offered]
    return f"`rsc: false`, and {' and '.join(offered)} offered" if offered else ""
