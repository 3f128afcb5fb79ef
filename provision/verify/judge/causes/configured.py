"""Rung *configured*: QEMU did not get what RSC needs."""

from __future__ import annotations

from provision.tables.backends import INTERFACES
from provision.tables.offloads import BY_NAME, HCK, TSO
from provision.verify.evidence import Family, NicEvidence, Unasked
from provision.verify.judge.cause import _POWER_CYCLE, always, cause
from provision.verify.judge.causes.offered import _rsc_ext_in_production
from provision.verify.judge.ladder import lacks_vnet_header, loaded


@cause(
    "configured",
    "start it",
    scope="nic",
    unknown=always,
)
def machine_off(nic: NicEvidence, _family: Family) -> str:
    """Nothing can be seen of a machine that is not running."""
    return "the machine is not running" if nic.state == "off" else ""


@cause(
    "configured",
    "resume the machine",
    scope="nic",
    unknown=always,
)
def machine_paused(nic: NicEvidence, _family: Family) -> str:
    """The machine is paused before its driver took the device; what it would take is not known yet."""
    early = nic.state == "paused" and not isinstance(nic.virtio, Unasked) and not loaded(nic)
    return "the machine is paused, and no driver has taken the device" if early else ""


@cause(
    "configured",
    "libvirt: <model type='virtio'/>; QEMU: -device virtio-net-pci; a Windows guest then needs NetKVM from virtio-win",
    _POWER_CYCLE,
    scope="nic",
    unknown=lambda nic: nic.kind == "hostdev",
)
def not_virtio(nic: NicEvidence, _family: Family) -> str:
    """virtio-net alone offers RSC to its guest; the emulated models are handed one wire frame at a time."""
    if nic.kind == "hostdev":
        return "a passed-through device: its own driver decides"
    return f"the NIC's model is {nic.model}" if nic.model not in ("virtio", "") else ""


@cause(
    "configured",
    "put the NIC on a TAP: `bridge:` or `tap: true` in the lab file, <interface type='bridge'> in libvirt",
    "on bare QEMU leave out vnet_hdr=off",
    _POWER_CYCLE,
)
def no_vnet_header(nic: NicEvidence, _family: Family) -> str:
    """Without the vnet header QEMU cannot be told about checksums and segments, so it offers neither to the guest."""
    if not lacks_vnet_header(nic):
        return ""
    has = not INTERFACES[nic.kind].vnet_header
    return f"{nic.kind}-mode netdev" if has else "guest_csum is on at the device, and is not offered"


@cause(
    "configured",
    "lab file: take guest_csum, guest_tso4 and guest_tso6 out of `offloads`, and `rsc: false` off the NIC",
    "libvirt: <driver><guest csum='on' tso4='on' tso6='on'/></driver>; QEMU: guest_csum=on,guest_tso4=on,guest_tso6=on",
    _POWER_CYCLE,
)
def guest_offloads_off(nic: NicEvidence, family: Family) -> str:
    """The guest is only offered what the device has on, and its driver takes no guest TSO without guest checksum."""
    if isinstance(nic.properties, Unasked):
        return ""
    off = [name for name in ("guest_csum", TSO[family]) if not nic.properties.get(name, False)]
    return f"{' and '.join(off)} {'is' if len(off) == 1 else 'are'} off on the device" if off else ""


@cause(
    "configured",
    "libvirt: an override under the NIC's own `ua-` alias, and <driver name='qemu'/>; QEMU: vhost=off",
    _POWER_CYCLE,
    scope="beside",
)
def hck_flags_ineffective(nic: NicEvidence, _family: Family) -> str:
    """QEMU's own coalescing needs guest_rsc_ext at the device, its own datapath (vhost off), a vnet header and guest TSO."""
    properties, facts = nic.properties, nic.virtio
    has = not isinstance(properties, Unasked) and properties.get(HCK, False)
    if (
        not (nic.rsc_asked or nic.hck or has)
        or isinstance(properties, Unasked)
        or _rsc_ext_in_production(nic)
    ):
        return ""
    if not has:
        return "guest_rsc_ext is asked for, and the device does not have it on"
    if isinstance(facts, Unasked):
        return ""
    if facts.vhost:
        return "guest_rsc_ext is on, and vhost carries the packets past QEMU"
    if not any(BY_NAME[name].virtio in facts.offered for name in TSO.values()):
        return "guest_rsc_ext is on, and no guest TSO is offered"
    return (
        "guest_rsc_ext is on, and is not offered (vhost?)" if BY_NAME[HCK].virtio not in facts.offered else ""
    )
