"""Causes at rung *passed*: the TAP does not hand large frames on."""

from __future__ import annotations

from provision.tables.known_issues import BY_ID
from provision.tables.offloads import BY_NAME, TSO
from provision.verify.evidence import Family, NicEvidence, Unasked
from provision.verify.judge.cause import (
    ASK,
    RSC_DRAIN_SEG,
    TAP_FEATURES,
    TUN_C,
    VIRTIO_NET_C,
    VIRTIO_STATUS,
    Fix,
    always,
    cause,
)
from provision.verify.judge.fold import tap_cuts
from provision.verify.judge.guest_rungs import has_it_on, may_be_linux, when_windows
from provision.verify.judge.ladder import engine_dropped, loaded, standby, unreadable, wire_like

_CSUM = BY_NAME["guest_csum"]
_LOST = BY_ID["1630"]
"""Checksums that do not reach a Windows of many processors; `tx off` is the known way round that."""


@cause(
    "passed",
    "the VF's own driver in the guest decides: in a Windows guest `Get-NetAdapterRsc` of the VF's adapter tells",
    "what is said of this NIC holds while the VF is unplugged, as during a migration",
    unknown=always,
    seen=f"live XML: <teaming type='persistent'/>; -device …,failover=on; {VIRTIO_STATUS}: VIRTIO_NET_F_STANDBY in host-features",
    source=f"virtio specification, VIRTIO_NET_F_STANDBY; {VIRTIO_NET_C} (virtio_net_set_features: the primary device is plugged "
    "in once the driver took it)",
)
def failover_standby(nic: NicEvidence, _family: Family) -> str:
    """It is the standby of a failover pair: while the VF is there, the guest's traffic goes by the VF and not by this NIC."""
    return (
        "the standby NIC of a failover pair: the VF carries the traffic while it is plugged in"
        if standby(nic)
        else ""
    )


@cause(
    "passed",
    Fix("ask a Windows guest itself: `Get-NetAdapterRsc | Format-List`", "guest", when_windows),
    "on a TAP (not on macvtap): `rscvm check … --observe 10` while the guest receives a TCP stream: frames above the MTU show it",
    "a TAP that has gone comes back with a power cycle of its machine",
    unknown=always,
    seen="live XML: <interface type='direct'>, 'vhostuser', 'vdpa'; or `ethtool -k TAP` on the host fails",
    source="Linux drivers/net/tap.c (set_offload): a macvtap's lines are `on [fixed]` in every state (measured, kernel 6.18)",
)
def tap_unreadable(nic: NicEvidence, _family: Family) -> str:
    """What is passed on to the guest cannot be seen from the host."""
    return unreadable(nic)


def loses_checksums(nic: NicEvidence) -> bool:
    """Whether its machine has so many processors that a Windows guest may need the TAP's checksum off."""
    return nic.vcpus is not None and nic.vcpus >= _LOST.when.processors


@cause(
    "passed",
    Fix(
        f"first see whether it is off on purpose: with {_LOST.when.processors} or more processors frames can reach a Windows guest without "
        "a checksum, DHCP's first, and `tx off` is the known way round that (virtio-win/kvm-guest-drivers-windows issue "
        f"{_LOST.id}): then leave it, or give the guest fewer processors",
        when=loses_checksums,
    ),
    "`ethtool -K {tap} tx on`",
    "take `ethtool -K … tx off` out of the script or hook that runs it; a reboot of the guest undoes it too",
    seen=f"{TAP_FEATURES}: `tx-checksum-ip-generic: off`, `tx-tcp-segmentation: off [requested on]`, with the guest's driver running",
    source=f"{TUN_C}; net/core/dev.c (netdev_fix_features): no TSO without checksum; measured, kernel 6.18",
)
def host_disabled_checksum(nic: NicEvidence, family: Family) -> str:
    """The guest took it, and somebody on the host switched the TAP's checksum off, which takes TSO with it."""
    if isinstance(nic.features, Unasked) or nic.hck or not loaded(nic):
        return ""
    checksum, tso = nic.features[_CSUM.tap], nic.features[BY_NAME[TSO[family]].tap]
    told = not checksum.active and not checksum.requested and not tso.active and tso.requested
    return f"{_CSUM.tap} is {checksum} on the TAP, and the guest took it" if told else ""


@cause(
    "passed",
    "`ethtool -K {tap} sg on tso on`",
    seen=f"{TAP_FEATURES}: `tx-scatter-gather: off`; or `tx-tcp-segmentation: off` while the guest's Get-NetAdapterRsc has "
    "OperationalState True",
    source="Linux net/core/dev.c (netdev_fix_features): no TSO without scatter-gather; measured, kernel 6.18; NetKVM drops its "
    "offloads where Windows does without RSC (ParaNdis_DeviceConfigureRSC)",
)
def host_disabled_segmentation(nic: NicEvidence, family: Family) -> str:
    """The host switched it off: scatter-gather, which TSO needs and only the host switches, or TSO of a guest that uses it."""
    if isinstance(nic.features, Unasked) or not _tso_is_off(nic, family):
        return ""
    gather = nic.features.get("tx-scatter-gather")
    if gather is not None and not gather.active:
        return "tx-scatter-gather is off on the TAP"
    tap = BY_NAME[TSO[family]].tap
    works = has_it_on(nic, family) and not nic.features[tap].requested  # else the guest refuses it
    return (
        f"{tap} is {nic.features[tap]} on the TAP, and the guest says that RSC is operational"
        if works
        else ""
    )


@cause(
    "passed",
    Fix(
        "in a Windows guest `Get-NetAdapterRsc` tells why (FailureReason); `Enable-NetAdapterRsc` where it was switched off by hand",
        "guest",
        when_windows,
    ),
    Fix("in a Linux guest: `ethtool -K DEVICE rx-gro-hw on`", "guest", may_be_linux),
    Fix(
        "`ethtool -K TAP tso off` by hand leaves the same: end `rscvm hck enforce` if it runs, which undoes what follows at once; "
        "`ethtool -K {tap} tx on tso on`; TSO stays off where the guest dropped it; then `ethtool -K {tap} tx off`",
        when=lambda nic: nic.hck,
    ),
    ASK,
    seen=f"{TAP_FEATURES}: `tx-tcp-segmentation: off [requested on]` or `tx-tcp6-segmentation: off [requested on]` beside "
    "`tx-checksum-ip-generic: on`; of a NIC with `rsc: hck` `off`, or that",
    source=f"NetKVM (OnSetRSCParameters, ParaNdis_DeviceConfigureRSC: CTRL_GUEST_OFFLOADS_SET); {TUN_C}; measured with a Linux guest",
)
def guest_disabled_rsc(nic: NicEvidence, family: Family) -> str:
    """The guest took TSO and dropped it at run time; where the host has asked for it, it did so in vain."""
    if isinstance(nic.features, Unasked) or not loaded(nic) or host_disabled_segmentation(nic, family):
        return ""
    checksum, tap = nic.features[_CSUM.tap], BY_NAME[TSO[family]].tap
    if nic.hck:
        dropped = engine_dropped(nic, family)
        return f"{tap} is {nic.features[tap]} on the TAP: without TSO QEMU's engine is off" if dropped else ""
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
    "`ethtool -K {tap} tx on sg on tso on`: if it takes, the host had done it; if TSO stays `off [requested on]`, the guest did",
    Fix(
        "in a Windows guest `Get-NetAdapterRsc` tells why it dropped it (FailureReason)",
        "guest",
        when_windows,
    ),
    ASK,
    seen=f"{TAP_FEATURES}: `tx-tcp-segmentation: off` or `tx-tcp6-segmentation: off`, whatever tcp-segmentation-offload says",
    source=f"{TUN_C}; the lines are the same after `ethtool -K TAP tso off` and after the guest dropped TSO (measured, kernel 6.18)",
)
def tap_segmentation_off(nic: NicEvidence, family: Family) -> str:
    """Segmentation is off on the TAP; whether guest or host did it, the host's view alone does not tell."""
    if isinstance(nic.features, Unasked) or nic.hck:
        return ""
    checksum, tso = nic.features[_CSUM.tap], nic.features.get(BY_NAME[TSO[family]].tap)
    if tso is None or tso.active or (not checksum.active and not loaded(nic)):
        return ""
    too = "" if checksum.active else f", and {_CSUM.tap} {checksum} with it"
    return f"{BY_NAME[TSO[family]].tap} is {tso} on the TAP{too}"


@cause(
    "passed",
    "`ip link set dev {tap} gso_max_size 65536 gso_max_segs 65535`",
    "take out of the script or hook what sets it; a TAP that is made anew has the limits that are meant",
    seen="on the host, `ip -details link show TAP`: gso_max_size, gso_max_segs, gso_ipv4_max_size",
    source="Linux net/core/dev.c (gso_features_check): what exceeds a limit is cut to the MSS, not to the limit; measured, kernel 6.18",
)
def segment_limit(nic: NicEvidence, family: Family) -> str:
    """The TAP takes no frame as large as those that come to it, so they are cut to the MSS, whatever its features say."""
    limit, _ = _cut(nic, family)
    return f"{limit} on the TAP" if limit else ""


@cause(
    "passed",
    "`tc qdisc del dev {tap} root`: where a rate is wanted, tbf with a burst of 70 kB or more, htb, or cake with no-split-gso",
    Fix("`<bandwidth>` sets htb, which leaves frames whole", "libvirt"),
    seen="on the host, `tc -json qdisc show dev TAP`: tbf with a burst below 65,536 bytes, cake with split_gso",
    source="Linux net/sched/sch_tbf.c (tbf_enqueue), sch_cake.c (CAKE_FLAG_SPLIT_GSO); measured with tbf, kernel 6.18",
)
def queueing_segments(nic: NicEvidence, family: Family) -> str:
    """The TAP's queueing discipline cuts large frames before the TAP could hand them on."""
    _, queueing = _cut(nic, family)
    return f"{queueing} on the TAP" if queueing else ""


def _cut(nic: NicEvidence, family: Family) -> tuple[str, str]:
    """How the TAP of a NIC that is to receive large frames cuts them."""
    off = nic.hck or nic.rsc == "false" or isinstance(nic.features, Unasked)
    return ("", "") if off else tap_cuts(nic, family)


@cause(
    "passed",
    "`ethtool -K {tap} tx off`, again after each start of the guest's driver",
    "of a lab's machines `rscvm hck enforce LAB` does that while tests run",
    "let one check ask every machine on its bridge: where none of them can send with offloads, nor anything else there, this is no fault",
    scope="beside",
    seen=f"{TAP_FEATURES}: `tx-checksum-ip-generic: on`, `tx-tcp-segmentation: on` or `tx-tcp6-segmentation: on`, of a NIC with `rsc: hck`",
    source=RSC_DRAIN_SEG,
)
def not_wire_like(nic: NicEvidence, _family: Family) -> str:
    """QEMU's engine clears the marks of what it held back, so senders on the same host must be like a wire."""
    if not nic.hck or not loaded(nic) or wire_like(nic) is not False or nic.lone:
        return ""
    return "the test TAP has tx checksum or TSO on"


def _tso_is_off(nic: NicEvidence, family: Family) -> bool:
    """Checksum on and TSO off, of a NIC whose guest may want both on."""
    if isinstance(nic.features, Unasked) or nic.hck:
        return False
    tso = nic.features.get(BY_NAME[TSO[family]].tap)
    return nic.features[_CSUM.tap].active and tso is not None and not tso.active
