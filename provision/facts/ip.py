"""Parses `ip -json -details -stats address`: a host's network devices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from provision.facts.iproute_json import parse_json
from provision.runtime.errors import UnreadableError


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
    """The device that it lies on: a VLAN's or macvlan's."""
    queue: int = 1000
    """Its transmit queue's length in packets."""
    carrier: bool = False
    """Of a TAP: whether somebody holds its other end."""
    address: str = ""
    """Its MAC."""
    filters: tuple[str, ...] = ()
    """A bridge's own switches that hand its frames to the packet filter: those of nf_call_* that are on."""


def _counter(value: Any) -> int:
    """A 64-bit counter of the kernel's."""
    if not 0 <= (number := int(value)) < 1 << 64:
        raise ValueError("no counter")
    return number


def _link(data: dict[str, Any]) -> Link:
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
        queue=int(data.get("txqlen", 1000)),
        carrier="LOWER_UP" in data["flags"],
        address=str(data.get("address", "")),
        filters=tuple(name for name in details if name.startswith("nf_call_") and details[name]),
    )


def parse_links(text: str) -> dict[str, Link]:
    """Links by name.

    :raise UnreadableError: when the text is not what `ip -json` prints.
    """
    try:
        links = [_link(data) for data in parse_json(text) if data]
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise UnreadableError("ip's links", text) from error
    return {link.name: link for link in links}
