"""TABLES: the lab file's NIC backends (bridge, tap, macvtap, user), and libvirt's interface types."""

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


BACKENDS = {
    row.name: row
    for row in (
        NicBackend("bridge", "tap", "bridge"),
        NicBackend("tap", "tap", "ethernet"),
        NicBackend("macvtap", "", "direct"),
        NicBackend("user", "user", "user", device=False),
    )
}


@dataclass(frozen=True, slots=True)
class Interface:
    """What a NIC of any domain may be attached to, by libvirt's word for it."""

    name: str
    tap: bool = False
    """Whether an ordinary TAP stands behind it, whose features tell what the guest negotiated."""
    vnet_header: bool = True
    """Without the header QEMU offers neither checksum nor TSO to the guest."""
    unreadable: str = ""
    """Why the host does not show what it passes on."""
    counts_received: bool = False
    """Whether the device counts what the host hands to the guest as received, not as sent; and so before it is cut to
    what the guest takes."""


INTERFACES = {
    row.name: row
    for row in (
        Interface("bridge", tap=True),
        Interface("network", tap=True),
        Interface("ethernet", tap=True),
        # tap.c inverts TSO into GRO on the macvlan: every line reads `on [fixed]` in every state.
        # A macvtap counts what it takes from the lower device for its guest as received.
        Interface(
            "direct",
            unreadable="macvtap shows the same features in every state",
            counts_received=True,
        ),
        Interface("user", vnet_header=False),
        *(Interface(name, vnet_header=False) for name in ("udp", "mcast", "server", "client", "null")),
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
    "bridge": "bridge",
}
"""libvirt's word for each kind of netdev; all the others (socket, stream, dgram, hubport, …) have no vnet header."""
