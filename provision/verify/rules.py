"""Why RSC fails: one function for each cause, with its condition, its words and its fix.

Ids are stable: other tools match on them. A rule is asked about one NIC and
address family and answers what it saw, or nothing. Order within a rung is the order of asking.
"""

from __future__ import annotations

import provision.verify.rules_observed  # noqa: F401 - enters its rules into the catalogue
from provision.backends import INTERFACES
from provision.offloads import BY_NAME, HCK, TSO
from provision.verify.cause import CAUSES, always, cause
from provision.verify.evidence import Family, NicEvidence, Unasked
from provision.verify.ladder import lacks_vnet_header, loaded, needed, unreadable, wire_like

_CSUM = BY_NAME["guest_csum"]


_POWER_CYCLE = "power-cycle the machine: a reboot from inside keeps the old device"


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
    "negotiated",
    "wait for the guest to boot; a Windows guest needs NetKVM from virtio-win",
    unknown=lambda nic: not nic.waited,
)
def driver_not_loaded(nic: NicEvidence, _family: Family) -> str:
    """Until the operating system's driver takes the device nothing is negotiated, and the TAP stays as it is."""
    if isinstance(nic.virtio, Unasked) or loaded(nic):
        return ""
    return (
        "only a firmware's driver has taken it" if nic.virtio.driver_ok else "no driver has taken the device"
    )


@cause(
    "negotiated",
    "in a Windows guest: Set-NetAdapterAdvancedProperty -Name NAME -RegistryKeyword '*RscIPv4' -RegistryValue 1 "
    "(and '*RscIPv6'); update NetKVM",
)
def driver_declined(nic: NicEvidence, family: Family) -> str:
    """The driver runs without it: an old driver, or one told to (NetKVM: `*RscIPv4` or `*RscIPv6` set to 0)."""
    if isinstance(nic.virtio, Unasked) or not loaded(nic):
        return ""
    short = _missing(nic, family, nic.virtio.negotiated)
    return f"{short} offered, and the guest's driver did not take it" if short else ""


@cause(
    "passed",
    "ask a Windows guest itself: Get-NetAdapterRsc | Format-List",
    "on a TAP (not on macvtap): `rscvm check … --observe 10` while the guest receives a TCP stream: frames above the MTU show it",
    "a TAP that has gone comes back with a power cycle of its machine",
    unknown=always,
)
def tap_unreadable(nic: NicEvidence, _family: Family) -> str:
    """What is passed on to the guest cannot be seen from the host."""
    return unreadable(nic)


@cause(
    "passed",
    "ethtool -K {tap} tx on",
    "take `ethtool -K … tx off` out of the script or hook that runs it; a reboot of the guest undoes it too",
)
def host_disabled_checksum(nic: NicEvidence, family: Family) -> str:
    """The guest took it, and somebody on the host switched the TAP's checksum off, which takes TSO with it."""
    if isinstance(nic.features, Unasked) or nic.hck or not loaded(nic):
        return ""
    checksum, tso = nic.features[_CSUM.tap], nic.features[BY_NAME[TSO[family]].tap]
    told = not checksum.active and not checksum.requested and not tso.active and tso.requested
    return f"{_CSUM.tap} is {checksum} on the TAP, and the guest took it" if told else ""


@cause("passed", "ethtool -K {tap} sg on tso on")
def host_disabled_segmentation(nic: NicEvidence, family: Family) -> str:
    """TSO needs scatter-gather, which only the host switches, and it is off on the TAP."""
    if isinstance(nic.features, Unasked) or not _tso_is_off(nic, family):
        return ""
    gather = nic.features.get("tx-scatter-gather")
    return "tx-scatter-gather is off on the TAP" if gather is not None and not gather.active else ""


@cause(
    "passed",
    "in a Windows guest Get-NetAdapterRsc tells why (FailureReason); Enable-NetAdapterRsc where it was switched off by hand",
    "in a Linux guest: ethtool -K DEVICE rx-gro-hw on",
)
def guest_disabled_rsc(nic: NicEvidence, family: Family) -> str:
    """The guest took TSO and dropped it at run time; the host has asked for it in vain."""
    if (
        isinstance(nic.features, Unasked)
        or nic.hck
        or not loaded(nic)
        or host_disabled_segmentation(nic, family)
    ):
        return ""
    checksum, tap = nic.features[_CSUM.tap], BY_NAME[TSO[family]].tap
    refused = (
        nic.features[tap].requested
        and not nic.features[tap].active
        and (checksum.active or checksum.requested)
    )
    return (
        f"{tap} is {nic.features[tap]} on the TAP: asked for by the host, refused by the guest"
        if refused
        else ""
    )


@cause(
    "passed",
    "ethtool -K {tap} tx on sg on tso on: if it takes, the host had done it; if TSO stays `off [requested on]`, the guest did",
    "in a Windows guest Get-NetAdapterRsc tells why it dropped it (FailureReason)",
)
def tap_segmentation_off(nic: NicEvidence, family: Family) -> str:
    """Segmentation is off on the TAP; whether guest or host did it, the host's view alone does not tell."""
    if isinstance(nic.features, Unasked) or nic.hck:
        return ""
    checksum, tso = nic.features[_CSUM.tap], nic.features[BY_NAME[TSO[family]].tap]
    if tso.active or (not checksum.active and not loaded(nic)):
        return ""
    too = "" if checksum.active else f", and {_CSUM.tap} {checksum} with it"
    return f"{BY_NAME[TSO[family]].tap} is {tso} on the TAP{too}"


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


@cause(
    "passed",
    "ethtool -K {tap} tx off, again after each start of the guest's driver",
    scope="beside",
)
def not_wire_like(nic: NicEvidence, _family: Family) -> str:
    """QEMU's engine clears the marks of what it held back, so senders on the same host must be like a wire."""
    if not nic.hck or not loaded(nic) or wire_like(nic) is not False:
        return ""
    return "the test TAP has tx checksum or TSO on"


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


def _tso_is_off(nic: NicEvidence, family: Family) -> bool:
    """Checksum on and TSO off, of a NIC whose guest may want both on."""
    if isinstance(nic.features, Unasked) or nic.hck:
        return False
    return nic.features[_CSUM.tap].active and not nic.features[BY_NAME[TSO[family]].tap].active


def _missing(nic: NicEvidence, family: Family, there: frozenset[str]) -> str:
    names = (BY_NAME[name].virtio for name in needed(nic, family))
    return ", ".join(name.removeprefix("VIRTIO_NET_F_") for name in names if name not in there)


CATALOGUE = tuple(CAUSES)
"""Every cause, in the order of asking."""
