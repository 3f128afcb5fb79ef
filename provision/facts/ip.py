"""Parses `ip -json -details -stats address`: a host's network devices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from provision.facts.iproute_json import parse_json
from provision.runtime.errors import reading

if TYPE_CHECKING:
    from collections.abc import Collection

WHOLE = 65536
"""Bytes of the largest frame that is not of Big TCP (Linux, GSO_LEGACY_MAX_SIZE)."""
_SEGMENTS = 65535
"""Of a frame, the most that there can be (Linux, GSO_MAX_SEGS)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest frames that a device takes whole, and the largest that it gathers, in bytes."""

    gso: int = WHOLE
    gso_ipv4: int = WHOLE
    segments: int = _SEGMENTS
    """Into how many segments a frame may have to be cut."""
    gro: int = WHOLE
    gro_ipv4: int = WHOLE


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Link:
    """A network device as the kernel shows it."""

    name: str
    kind: str
    """`tun`, `bridge`, `veth`, …; empty for physical devices and loopback."""
    alias: str
    up: bool
    mtu: int
    master: str
    tap: bool = False
    vnet_hdr: bool = False
    multi_queue: bool = False
    sent_bytes: int = 0
    """Of a TAP: what the host handed to the guest."""
    sent_packets: int = 0
    received_bytes: int = 0
    """Of a macvtap: what the host handed to the guest."""
    received_packets: int = 0
    index: int = 0
    """Of two devices of one name, one after the other, it tells them apart."""
    addresses: tuple[str, ...] = ()
    """With their prefixes' lengths."""
    others: tuple[str, ...] = ()
    """Its alternative names."""
    lower: str = ""
    """The device that it lies on: a VLAN's or macvlan's; or its peer: a veth's."""
    peer: int = 0
    """The index of that device, where it is in another network namespace."""
    loopback: bool = False
    limits: Limits = DEFAULT_LIMITS
    queue: int = 1000
    """Its transmit queue's length in packets."""
    carrier: bool = False
    """Of a TAP: whether somebody holds its other end."""
    address: str = ""
    """Its MAC."""
    generic_xdp: bool = False
    """Whether an XDP program runs at it in the stack (mode 2 of `xdp`, or of one of several)."""
    port_state: str = ""
    """Of a bridge's port: `forwarding`, `disabled`, …"""
    idle: bool = False
    """Of a port: whether its master takes nothing in by it, a bond's backup, or a bridge's that spanning tree blocks."""
    filters: tuple[str, ...] = ()
    """A bridge's own switches that hand its frames to the packet filter: those of nf_call_* that are on."""


def _counter(value: Any) -> int:
    """A 64-bit counter of the kernel's."""
    if not 0 <= (number := int(value)) < 1 << 64:
        raise ValueError("no counter")
    return number


def _limits(data: dict[str, Any]) -> Limits:
    """Where iproute2 tells none of IPv4's own, they follow the others, up to what IPv4 can have (dev_set_gso_max_size)."""
    gso, gro = int(data.get("gso_max_size", WHOLE)), int(data.get("gro_max_size", WHOLE))
    found = Limits(
        gso,
        int(data.get("gso_ipv4_max_size", min(gso, WHOLE))),
        int(data.get("gso_max_segs", _SEGMENTS)),
        gro,
        int(data.get("gro_ipv4_max_size", min(gro, WHOLE))),
    )
    return DEFAULT_LIMITS if found == DEFAULT_LIMITS else found


def _hears_backups(data: dict[str, Any]) -> bool:
    """Whether a bond takes in what comes to its backups (drivers/net/bonding/bond_main.c, bond_should_deliver_exact_match)."""
    details = data.get("linkinfo", {}).get("info_data", {})
    return details.get("mode") == "balance-alb" or bool(details.get("all_slaves_active"))


def _idle(data: dict[str, Any], hearing: Collection[str]) -> bool:
    state = data.get("linkinfo", {}).get("info_slave_data", {}).get("state")
    return state == "blocking" or (state == "BACKUP" and data.get("master") not in hearing)


_GENERIC = 2
"""XDP_ATTACHED_SKB (Linux include/uapi/linux/if_link.h)."""


def _is_generic(xdp: Any) -> bool:
    found = [xdp, *xdp.get("attached", ())] if isinstance(xdp, dict) else []
    return any(isinstance(each, dict) and each.get("mode") == _GENERIC for each in found)


def _link(data: dict[str, Any], hearing: Collection[str]) -> Link:
    info = data.get("linkinfo", {})
    details = info.get("info_data", {})
    sent, received = data.get("stats64", {}).get("tx", {}), data.get("stats64", {}).get("rx", {})
    return Link(
        name=str(data["ifname"]),
        kind=str(info.get("info_kind", "")),
        alias=str(data.get("ifalias", "")),
        up="UP" in data["flags"],
        mtu=int(data["mtu"]),
        master=str(data.get("master", "")),
        tap=details.get("type") == "tap",
        vnet_hdr=details.get("vnet_hdr") is True,
        multi_queue=details.get("multi_queue") is True,
        sent_bytes=_counter(sent.get("bytes", 0)),
        sent_packets=_counter(sent.get("packets", 0)),
        received_bytes=_counter(received.get("bytes", 0)),
        received_packets=_counter(received.get("packets", 0)),
        index=int(data.get("ifindex", 0)),
        addresses=tuple(f"{row['local']}/{row['prefixlen']}" for row in data.get("addr_info", ())),
        others=tuple(map(str, data.get("altnames", ()))),
        lower=str(data.get("link", "")),
        peer=int(data.get("link_index", 0)) if "link_netnsid" in data else 0,
        loopback=data.get("link_type") == "loopback",
        limits=_limits(data),
        queue=int(data.get("txqlen", 1000)),
        carrier="LOWER_UP" in data["flags"],
        address=str(data.get("address", "")),
        generic_xdp=_is_generic(data.get("xdp")),
        port_state=str(info.get("info_slave_data", {}).get("state", ""))
        if info.get("info_slave_kind") == "bridge"
        else "",
        idle=_idle(data, hearing),
        filters=tuple(name for name in details if name.startswith("nf_call_") and details[name]),
    )


def parse_links(text: str) -> dict[str, Link]:
    """Links by name.

    :raise UnreadableError: when the text is not what `ip -json` prints.
    """
    with reading("ip's links", text):
        rows = [data for data in parse_json(text) if data]
        hearing = {data["ifname"] for data in rows if _hears_backups(data)}
        links = [_link(data, hearing) for data in rows]
    return {link.name: link for link in links}
