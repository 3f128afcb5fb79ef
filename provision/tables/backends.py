"""TABLES: the lab file's NIC backends (bridge, network, tap, macvtap, user), and libvirt's interface types."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NicBackend:
    """Where a lab file lets a NIC's frames come from."""

    name: str
    netdev: str
    """QEMU's `-netdev` type; empty where only libvirt can make it."""
    interface: str
    """libvirt's `<interface type=…>`."""
    device: bool = True
    """Whether there is a network device on the host at all."""
    tap: bool = False
    """Whether that is an ordinary TAP, whoever makes it."""


BACKENDS = {
    row.name: row
    for row in (
        NicBackend("bridge", "tap", "bridge", tap=True),
        NicBackend("network", "", "network", tap=True),
        NicBackend("tap", "tap", "ethernet", tap=True),
        NicBackend("macvtap", "", "direct"),
        NicBackend("user", "user", "user", device=False),
    )
}


@dataclass(frozen=True, slots=True)
class Interface:
    """What a NIC of any machine may be attached to, by libvirt's word for it, or QEMU's where libvirt has none."""

    name: str
    tap: bool = False
    """Whether an ordinary TAP stands behind it, whose features tell what the guest negotiated."""
    vnet_header: bool = True
    """Without the header QEMU offers neither checksum nor TSO to the guest."""
    words: str = ""
    """What it is, where it has no vnet header."""
    unreadable: str = ""
    """Why the host does not show what it passes on."""
    counts_received: bool = False
    """Whether the device counts what the host hands to the guest as received, not as sent; and so before it is cut to
    what the guest takes."""

    @property
    def is_opened(self) -> bool:
        """Whether QEMU has a descriptor of a TAP or macvtap for it, which somebody opened with a vnet header or without."""
        return self.tap or self.counts_received


INTERFACES = {
    row.name: row
    for row in (
        Interface("bridge", tap=True),
        Interface("network", tap=True),
        Interface("ethernet", tap=True),
        # tap.c turns the guest's TSO into GRO and LRO of the macvlan itself; its checksum and TSO lines are the lower
        # device's, `on [fixed]` in every state.
        # A macvtap counts what it takes from the lower device for its guest as received.
        Interface(
            "direct",
            unreadable="macvtap shows the same features in every state",
            counts_received=True,
        ),
        *(
            Interface(name, vnet_header=False, words=f"{name}-mode netdev")
            for name in ("user", "udp", "mcast", "server", "client", "null")
        ),
        # None of their NetClientInfo has has_vnet_hdr (QEMU net/socket.c, stream.c, dgram.c, l2tpv3.c, vde.c, hub.c).
        *(
            Interface(name, vnet_header=False, words=f"{name} netdev")
            for name in ("socket", "stream", "dgram", "l2tpv3", "vde")
        ),
        Interface("hub", vnet_header=False, words="a hub is between the NIC and its backend"),
        Interface("none", vnet_header=False, words="no netdev is attached to the device"),
        Interface("vhostuser", unreadable="vhost-user's packets never pass the host's kernel"),
        Interface("vdpa", unreadable="vDPA's packets never pass a TAP"),
        Interface("hostdev", unreadable="a passed-through device has no TAP"),
    )
}

NETDEVS = {
    "tap": "ethernet",
    "user": "user",
    "vhost-user": "vhostuser",
    "vhost-vdpa": "vdpa",
    "hubport": "hub",
}
"""libvirt's word for each kind of netdev, and ours for a hub; all the others (socket, stream, dgram, …) have no vnet header."""
