"""Sends segments of one TCP flow by a device, as a FreeBSD does (one IP ID) or as others (counted): nobody need answer.

`tcp_sender.py DEVICE TO_MAC FROM TO IDS SECONDS [GAP]`: IDS is fixed or counted; GAP the seconds between segments.
"""

from __future__ import annotations

import socket
import struct
import sys
import time

MSS = 1448
_OPTIONS = bytes.fromhex("0101080a0000000100000001")


def _sum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _segment(ends: bytes, number: int, sequence: int) -> bytes:
    """An IPv4 packet with a segment of zeros, its checksums right."""
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + 32 + MSS, number, 0x4000, 64, 6, 0)
    ip = ip[:10] + struct.pack("!H", _sum(ip + ends)) + ends
    tcp = struct.pack("!HHIIBBHHH", 40000, 5201, sequence, 1, 0x80, 0x10, 512, 0, 0) + _OPTIONS
    pseudo = ends + struct.pack("!HH", 6, len(tcp) + MSS)
    return ip + tcp[:16] + struct.pack("!H", _sum(pseudo + tcp)) + tcp[18:] + bytes(MSS)


def main() -> None:
    device, to_mac, source, target, ids, seconds, *gap = sys.argv[1:]
    ends = socket.inet_aton(source) + socket.inet_aton(target)
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    wire.bind((device, 0))
    head = bytes.fromhex(to_mac.replace(":", "")) + bytes.fromhex("020000000001") + b"\x08\x00"
    end, count = time.monotonic() + float(seconds), 0
    while time.monotonic() < end:
        number = 0 if ids == "fixed" else count & 0xFFFF
        wire.send(head + _segment(ends, number, count * MSS & 0xFFFFFFFF))
        count += 1
        if gap:
            time.sleep(float(gap[0]))


if __name__ == "__main__":
    main()
