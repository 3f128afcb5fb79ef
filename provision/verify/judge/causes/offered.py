"""Rung *offered*: the device does not offer it, or offers what it must not."""

from __future__ import annotations

from provision.tables.offloads import BY_NAME, HCK, TSO
from provision.verify.evidence import Family, NicEvidence, Unasked
from provision.verify.judge.cause import _POWER_CYCLE, cause
from provision.verify.judge.ladder import _missing


@cause(
    "offered",
    "take guest_rsc_ext off the device (libvirt: remove its <qemu:override>), or mark the machine `purpose: hck`",
    _POWER_CYCLE,
    scope="beside",
)
def hck_flags_in_production(nic: NicEvidence, _family: Family) -> str:
    """guest_rsc_ext is for one HLK test. It holds segments back and breaks checksums of ordinary traffic."""
    return _rsc_ext_in_production(nic)


@cause(
    "offered",
    "compare `x-query-virtio-status` with the device's properties; report it with QEMU's version",
)
def not_offered(nic: NicEvidence, family: Family) -> str:
    """The device has it on and still does not offer it; its backend or its machine type has taken it away."""
    if isinstance(nic.virtio, Unasked):
        return ""
    short = _missing(nic, family, nic.virtio.offered)
    return f"{short} on at the device, and not offered" if short else ""


@cause(
    "offered",
    "`rscvm down` and `rscvm up` the machine, so that it has what the lab file says",
    scope="beside",
)
def offered_though_off(nic: NicEvidence, _family: Family) -> str:
    """The lab file says `rsc: false`, and the device offers guest TSO all the same: it was made from something else."""
    if nic.rsc != "false" or isinstance(nic.virtio, Unasked):
        return ""
    offered = [name for name in TSO.values() if BY_NAME[name].virtio in nic.virtio.offered]
    return f"`rsc: false`, and {' and '.join(offered)} offered" if offered else ""


def _rsc_ext_in_production(nic: NicEvidence) -> str:
    """How RSC_EXT shows on a machine that is not marked for HCK; where it is not known to be offered, by the property."""
    if nic.purpose == "hck":
        return ""
    if not isinstance(nic.virtio, Unasked):
        offered = BY_NAME[HCK].virtio in nic.virtio.offered
        return "RSC_EXT is offered, and the machine is not marked for HCK" if offered else ""
    if isinstance(nic.properties, Unasked) and nic.properties.chosen and nic.rsc_asked:
        return "its definition asks for guest_rsc_ext, and the machine is not marked for HCK"
    on = not isinstance(nic.properties, Unasked) and nic.properties.get(HCK, False)
    return "guest_rsc_ext is on, and the machine is not marked for HCK" if on else ""
