"""TCP segments as they are on a wire, and as a sender with offloads leaves them to its device."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, get_args

Family = Literal["ipv4", "ipv6"]
FAMILIES: tuple[Family, ...] = get_args(Family)

FIN, SYN, PSH, ACK, ECE = 0x01, 0x02, 0x08, 0x10, 0x40
TIMESTAMPS = bytes.fromhex("0101080a0000000100000001")
ENDS = {"ipv4": ("10.88.0.1", "10.88.0.2"), "ipv6": ("fd00:88::1", "fd00:88::2")}
"""Sender and receiver; the receiver is nobody's address."""
PORTS = (40000, 5201)
MSS = {"ipv4": 1460, "ipv6": 1440}
"""Of an MTU of 1500, without TCP options."""

# virtio_net_hdr, virtio 1.2, 5.1.6.
NEEDS_CSUM, RSC_INFO = 1, 4
GSO = {"ipv4": 1, "ipv6": 4}


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment; its payload is the stream's at this sequence number."""

    family: Family
    sequence: int = 1
    size: int = 0
    """Octets of payload."""
    flags: int = ACK
    acknowledged: int = 1
    options: bytes = b""
    traffic_class: int = 0
    dont_fragment: bool = True
    port: int = PORTS[0]
    number: int = 1
    """IPv4's identification."""


def payload(position: int, size: int) -> bytes:
    """The stream's octets from there on; frame.c has the same."""
    return bytes((at ^ at >> 8 ^ at >> 16) & 0xFF for at in range(position, position + size))


def _sum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def _ends(family: Family) -> bytes:
    return b"".join(ipaddress.ip_address(end).packed for end in ENDS[family])


def _ip(segment: Segment, size: int) -> bytes:
    """The IP header before so many octets."""
    ends = _ends(segment.family)
    if segment.family == "ipv6":
        return struct.pack("!IHBB", 6 << 28 | segment.traffic_class << 20, size, 6, 64) + ends
    fragment = 0x4000 if segment.dont_fragment else 0
    head = struct.pack("!BBHHHBB", 0x45, segment.traffic_class, 20 + size, segment.number, fragment, 64, 6)
    return head + struct.pack("!H", _sum(head + ends) ^ 0xFFFF) + ends


def packet(segment: Segment, *, partial: bool = False) -> bytes:
    """The IP packet, its checksums right; partial: TCP's left to the device."""
    words = (5 + len(segment.options) // 4) << 12 | segment.flags
    ports = struct.pack("!HHIIHH", segment.port, PORTS[1], segment.sequence, segment.acknowledged, words, 512)
    data = segment.options + payload(segment.sequence, segment.size)
    size = len(ports) + 4 + len(data)
    pseudo = _ends(segment.family) + struct.pack("!II", size, 6)
    check = _sum(pseudo) if partial else _sum(pseudo + ports + bytes(4) + data) ^ 0xFFFF
    return _ip(segment, size) + ports + struct.pack("!HH", check, 0) + data


def stream(segment: Segment, count: int) -> Iterator[Segment]:
    """So many segments in order, of which this is the first."""
    for n in range(count):
        yield replace(segment, sequence=segment.sequence + n * segment.size, number=segment.number + n)


def offloaded(segment: Segment, mss: int) -> tuple[bytes, bytes]:
    """What a sender with TSO hands its device: the virtio-net header of 10 octets, and one large packet."""
    start = 14 + (20 if segment.family == "ipv4" else 40)
    large = segment.size > mss
    head = start + 20 + len(segment.options)
    header = struct.pack(
        "<BBHHHH", NEEDS_CSUM, GSO[segment.family] if large else 0, head, mss if large else 0, start, 16
    )
    return header, packet(segment, partial=True)
