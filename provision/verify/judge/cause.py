"""What a cause is, and how a rule enters the catalogue."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from provision.verify.evidence import Family, NicEvidence

Verdict = Literal["ready", "not-ready", "unknown"]
Scope = Literal["family", "nic", "beside"]
"""Of one address family; the NIC's own, which settles both families; or the NIC's own, beside its families."""
Rule = Callable[[NicEvidence, Family], str]


@dataclass(frozen=True, slots=True)
class Cause:
    """A reason why RSC does not work, or cannot be known to."""

    id: str
    rung: str
    why: str
    fix: tuple[str, ...]
    holds: Rule
    """What was seen, where the cause holds; else nothing."""
    scope: Scope = "family"
    unknown: Callable[[NicEvidence], bool] = lambda _nic: False
    """Whether it leaves open if RSC works, instead of saying that it does not."""
    seen: str = ""
    """With which tool, and on which line."""
    source: str = ""
    """Where that is known from."""

    def verdict(self, nic: NicEvidence) -> Verdict:
        """What the cause makes of a NIC or family that it holds for."""
        return "unknown" if self.unknown(nic) else "not-ready"


CAUSES: list[Cause] = []


def always(_nic: NicEvidence) -> bool:
    """For causes that never say more than that nothing is known."""
    return True


def cause(
    rung: str,
    *fix: str,
    scope: Scope = "family",
    unknown: Callable[[NicEvidence], bool] = lambda _nic: False,
) -> Callable[[Rule], Rule]:
    """Enter a rule into the catalogue: its name is the cause's id, and its docstring tells users why.

    How it is seen, and where that is known from, is its row in `sources`.
    """

    def enter(rule: Rule) -> Rule:
        name = rule.__name__.replace("_", "-")
        why, known = inspect.cleandoc(rule.__doc__ or ""), SOURCES[name]
        CAUSES.append(Cause(name, rung, why, fix, rule, scope, unknown, known.seen, known.source))
        return rule

    return enter


_POWER_CYCLE = "power-cycle the machine: a reboot from inside keeps the old device"


_STATUS = "QMP, x-query-virtio-status of /machine/peripheral/ALIAS/virtio-backend"


_FEATURES = "on the host, `ethtool -k TAP`"


_VIRTIO_NET = "QEMU hw/net/virtio-net.c"


_TUN = "Linux drivers/net/tun.c (set_offload, tun_net_fix_features)"


_RSC_STATE = "NetKVM Common/ParaNdis_Common.cpp (InitializeRSCState)"


_ENGINE = f"{_VIRTIO_NET} (virtio_net_rsc_drain_seg); measured, QEMU 7.2 and 10.0"


_COUNTERS = "on the host, `ip -json -stats link show TAP` twice"


@dataclass(frozen=True, slots=True)
class Source:
    """How one cause is seen, and where it is known from."""

    seen: str
    source: str


SOURCES = {
    "machine-off": Source(
        "`virsh domstate DOMAIN`: shut off; of a QEMU without libvirt: no process has its pidfile",
        "nobody is there to be asked",
    ),
    "machine-paused": Source(
        f"`virsh domstate DOMAIN`: paused, or QMP query-status: running false; and {_STATUS}: no VIRTIO_CONFIG_S_DRIVER_OK",
        "virtio specification, device status field: the guest's driver sets DRIVER_OK, and a paused guest runs none",
    ),
    "not-virtio": Source(
        "live XML: <model type=…/> of the <interface> is not virtio, or its type is hostdev",
        f"{_VIRTIO_NET} (virtio_net_set_features): the TAP's offloads follow what a virtio driver took",
    ),
    "no-vnet-header": Source(
        "live XML or -netdev: type user, or vnet_hdr=off; or qom-get of guest_csum is true and "
        "host-features of x-query-virtio-status lack VIRTIO_NET_F_GUEST_CSUM",
        f"{_VIRTIO_NET} (virtio_net_get_features); measured, QEMU 7.2 and 10.0",
    ),
    "guest-offloads-off": Source(
        "QMP, qom-get of guest_csum, guest_tso4 and guest_tso6 at /machine/peripheral/ALIAS; in the live XML "
        "<driver><guest csum= tso4= tso6=/></driver>",
        f"{_VIRTIO_NET} (virtio_net_properties: on unless said otherwise); {_RSC_STATE}: no TSO without checksum",
    ),
    "hck-flags-ineffective": Source(
        "guest_rsc_ext in the XML's <qemu:override>, beside qom-get of guest_rsc_ext, and in x-query-virtio-status "
        "vhost-started and VIRTIO_NET_F_RSC_EXT and GUEST_TSO4 or GUEST_TSO6 of host-features",
        f"{_VIRTIO_NET} (virtio_net_set_features, virtio_net_receive); QEMU f8e09b973a: not offered under vhost since 9.1; "
        "an alias that matches nothing is ignored (measured, libvirt 9.0 and 11.3)",
    ),
    "hck-flags-in-production": Source(
        f"{_STATUS}: VIRTIO_NET_F_RSC_EXT in host-features",
        f"{_ENGINE}; virtio-win Knowledge Base, netkvm RSC: for one HLK test",
    ),
    "offered-though-off": Source(
        f"{_STATUS}: VIRTIO_NET_F_GUEST_TSO4 or GUEST_TSO6 in host-features, and `rsc: false` in the lab file or in "
        "rscvm's metadata of the domain",
        "the lab file",
    ),
    "not-offered": Source(
        "qom-get of the property is true, and host-features of x-query-virtio-status lack its VIRTIO_NET_F_… name",
        f"{_VIRTIO_NET} (virtio_net_get_features): the backend's own features limit the device's",
    ),
    "driver-not-loaded": Source(
        f"{_STATUS}: no VIRTIO_CONFIG_S_DRIVER_OK, or guest-features with no more than a firmware takes (MAC, VERSION_1, …)",
        "virtio specification, device status field; iPXE sets DRIVER_OK having taken MAC and VERSION_1 (measured)",
    ),
    "driver-declined": Source(
        f"{_STATUS}: in host-features and not in guest-features: VIRTIO_NET_F_GUEST_CSUM, GUEST_TSO4 or GUEST_TSO6",
        f"{_RSC_STATE}: TSO is taken where checksum was, and *RscIPv4 or *RscIPv6 is 1",
    ),
    "tap-unreadable": Source(
        "live XML: <interface type='direct'>, 'vhostuser', 'vdpa'; or `ethtool -k TAP` on the host fails",
        "Linux drivers/net/tap.c (set_offload): a macvtap's lines are `on [fixed]` in every state (measured, kernel 6.18)",
    ),
    "host-disabled-checksum": Source(
        f"{_FEATURES}: `tx-checksum-ip-generic: off`, `tx-tcp-segmentation: off [requested on]`, with the guest's driver running",
        f"{_TUN}; net/core/dev.c (netdev_fix_features): no TSO without checksum; measured, kernel 6.18",
    ),
    "host-disabled-segmentation": Source(
        f"{_FEATURES}: `tx-scatter-gather: off`",
        "Linux net/core/dev.c (netdev_fix_features): no TSO without scatter-gather; measured, kernel 6.18",
    ),
    "guest-disabled-rsc": Source(
        f"{_FEATURES}: `tx-tcp-segmentation: off [requested on]` or `tx-tcp6-segmentation: off [requested on]` beside "
        "`tx-checksum-ip-generic: on`",
        f"NetKVM (OnSetRSCParameters, ParaNdis_DeviceConfigureRSC: CTRL_GUEST_OFFLOADS_SET); {_TUN}; measured with a Linux guest",
    ),
    "tap-segmentation-off": Source(
        f"{_FEATURES}: `tx-tcp-segmentation: off` or `tx-tcp6-segmentation: off`, whatever tcp-segmentation-offload says",
        f"{_TUN}; the lines are the same after `ethtool -K TAP tso off` and after the guest dropped TSO (measured, kernel 6.18)",
    ),
    "not-wire-like": Source(
        f"{_FEATURES}: `tx-checksum-ip-generic: on`, `tx-tcp-segmentation: on` or `tx-tcp6-segmentation: on`, of a NIC with `rsc: hck`",
        _ENGINE,
    ),
    "no-traffic": Source(
        f"{_COUNTERS}: what the host sent to the TAP has hardly grown, or in small frames only",
        "Linux drivers/net/tun.c: what a TAP counts as sent was handed to the guest",
    ),
    "not-coalesced": Source(
        f"{_COUNTERS}: bytes by packets of what the host sent to the TAP come to the MTU's size",
        "measured, host to Linux guest with iperf3: frames of 64 kB on average with guest TSO, of 1.5 kB without",
    ),
}
