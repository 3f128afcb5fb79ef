"""TABLE: one row per offload of a virtio NIC.

A row says how QEMU, virtio, libvirt and the TAP call the same thing, and what it needs. Renderers,
the lab file's checks and the verdict's rules read it; none of them spells an offload itself.
Sources: hw/net/virtio-net.c (virtio_net_properties, virtio_net_get_features), drivers/net/tun.c
(set_offload), libvirt's qemuBuildNicDevProps.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Offload:
    """One switch of a virtio NIC, under each name it goes by."""

    name: str
    """QEMU's property, which is also its name in a lab file."""
    virtio: str
    """The feature as `x-query-virtio-status` prints it."""
    libvirt: tuple[str, str] | None = None
    """Element (`host` or `guest`) and attribute of `<driver>`; None: only `<qemu:override>` reaches it."""
    tap: str = ""
    """The TAP's ethtool feature that the guest's acceptance switches on."""
    needs: tuple[str, ...] = ()
    """Offloads without which this one is void; `a|b` is met by either."""
    default: bool = True
    """What QEMU does where nothing is said."""
    everywhere: bool = True
    """Whether every supported QEMU (7.2 and later) has the property."""
    layout: int = 1
    """The first layout whose machines are told of it; earlier ones are not."""


OFFLOADS: tuple[Offload, ...] = (
    # Host side: what the guest may leave to the host when it sends. No part in RSC.
    Offload("csum", "VIRTIO_NET_F_CSUM", ("host", "csum")),
    Offload("gso", "VIRTIO_NET_F_GSO", ("host", "gso")),
    Offload("host_tso4", "VIRTIO_NET_F_HOST_TSO4", ("host", "tso4"), needs=("csum",)),
    Offload("host_tso6", "VIRTIO_NET_F_HOST_TSO6", ("host", "tso6"), needs=("csum",)),
    Offload("host_ecn", "VIRTIO_NET_F_HOST_ECN", ("host", "ecn"), needs=("host_tso4|host_tso6",)),
    Offload("host_ufo", "VIRTIO_NET_F_HOST_UFO", ("host", "ufo"), needs=("csum",)),
    Offload("host_uso", "VIRTIO_NET_F_HOST_USO", needs=("csum",), everywhere=False),
    # Frames within UDP (VXLAN, Geneve), since QEMU 10.2: worth something only where plain ones are cut, too.
    Offload(
        "host_tunnel",
        "VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO",
        needs=("host_tso4|host_tso6|host_uso",),
        everywhere=False,
        layout=2,
    ),
    Offload(
        "host_tunnel_csum",
        "VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO_CSUM",
        needs=("host_tunnel",),
        everywhere=False,
        layout=2,
    ),
    # Guest side: what the guest lets the host hand it. The first three are RSC.
    Offload("guest_csum", "VIRTIO_NET_F_GUEST_CSUM", ("guest", "csum"), tap="tx-checksum-ip-generic"),
    Offload(
        "guest_tso4",
        "VIRTIO_NET_F_GUEST_TSO4",
        ("guest", "tso4"),
        tap="tx-tcp-segmentation",
        needs=("guest_csum",),
    ),
    Offload(
        "guest_tso6",
        "VIRTIO_NET_F_GUEST_TSO6",
        ("guest", "tso6"),
        tap="tx-tcp6-segmentation",
        needs=("guest_csum",),
    ),
    # NetKVM takes none of the next six, so their absence on the TAP is normal.
    Offload(
        "guest_ecn",
        "VIRTIO_NET_F_GUEST_ECN",
        ("guest", "ecn"),
        tap="tx-tcp-ecn-segmentation",
        needs=("guest_tso4|guest_tso6",),
    ),
    Offload("guest_ufo", "VIRTIO_NET_F_GUEST_UFO", ("guest", "ufo"), needs=("guest_csum",)),
    # The TAP takes both USO bits or neither: one alone is EINVAL.
    Offload(
        "guest_uso4",
        "VIRTIO_NET_F_GUEST_USO4",
        tap="tx-udp-segmentation",
        needs=("guest_csum", "guest_uso6"),
        everywhere=False,
    ),
    Offload(
        "guest_uso6",
        "VIRTIO_NET_F_GUEST_USO6",
        tap="tx-udp-segmentation",
        needs=("guest_csum", "guest_uso4"),
        everywhere=False,
    ),
    # A TAP takes it beside at least one of the plain ones (drivers/net/tun.c, set_offload), or refuses all of them.
    Offload(
        "guest_tunnel",
        "VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO",
        tap="tx-udp_tnl-segmentation",
        needs=("guest_tso4|guest_tso6|guest_uso4",),
        everywhere=False,
        layout=2,
    ),
    Offload(
        "guest_tunnel_csum",
        "VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO_CSUM",
        tap="tx-udp_tnl-csum-segmentation",
        needs=("guest_tunnel",),
        everywhere=False,
        layout=2,
    ),
    Offload("mrg_rxbuf", "VIRTIO_NET_F_MRG_RXBUF", ("host", "mrg_rxbuf")),
    Offload("ctrl_vq", "VIRTIO_NET_F_CTRL_VQ"),
    # By this the guest switches RSC while it runs.
    Offload("ctrl_guest_offloads", "VIRTIO_NET_F_CTRL_GUEST_OFFLOADS", needs=("ctrl_vq",)),
    # QEMU's own coalescing in user space, for one HLK test; breaks ordinary traffic. One door: `rsc: hck`.
    Offload(
        "guest_rsc_ext",
        "VIRTIO_NET_F_RSC_EXT",
        needs=("guest_csum", "guest_tso4|guest_tso6", "ctrl_vq", "ctrl_guest_offloads"),
        default=False,
    ),
)

BY_NAME = {offload.name: offload for offload in OFFLOADS}

HCK = "guest_rsc_ext"

STANDBY = "VIRTIO_NET_F_STANDBY"
"""No offload: the feature of the NIC that stands by for a VF."""

TSO = {"ipv4": "guest_tso4", "ipv6": "guest_tso6"}
"""The offload that RSC is made of, by address family."""

RSC_OFFLOADS = ("guest_csum", *TSO.values(), HCK)
"""The offloads that a verdict asks a device for."""

TAP_CHECKSUM = BY_NAME["guest_csum"].tap
TAP_TSO = tuple(BY_NAME[name].tap for name in TSO.values())
"""The TAP's features that RSC is made of, as ethtool calls them."""


MANGLEID = "tx-tcp-mangleid-segmentation"
"""A TAP's feature that no driver negotiates: whether it takes large frames of IPv4 that have one IP ID for all segments."""

BY_SENDER = frozenset(
    row.virtio for row in OFFLOADS if row.name in ("csum", "gso") or row.name.startswith("host_")
)
"""What a guest may leave to whoever receives its frames: without any of them they are as on a wire."""


def unmet(offload: Offload, on: frozenset[str]) -> str:
    """The first need of this offload that is not among those switched on, or nothing."""
    for need in offload.needs:
        if not on.intersection(need.split("|")):
            return need.replace("|", " or ")
    return ""
