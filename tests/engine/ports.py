"""Sockets of a hypervisor host's network, opened there and used here: who sends to the NIC under test.

`python -m tests.engine.ports FD DEVICE` opens them, and hands them on by that descriptor, a Unix socket.
"""

from __future__ import annotations

import fcntl
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from tests.engine import segments
from tests.engine.segments import Family, Segment
from tests.real.hypervisor import Hypervisor, wait_for

# What Python's socket lacks of linux/if_packet.h and linux/tcp.h.
SOL_PACKET, PACKET_VNET_HDR = 263, 15
TCP_REPAIR, TCP_REPAIR_QUEUE, TCP_QUEUE_SEQ, TCP_REPAIR_WINDOW = 19, 20, 21, 29
REPAIR_ON, REPAIR_OFF_QUIETLY = 1, -1
SIOCOUTQNSD = 0x894B  # linux/sockios.h
RECEIVES, SENDS = 1, 2
TCP_SOCKETS = 2
"""Of each family."""

TEST_ETHERTYPE = 0x88B5
OWN_MAC = bytes.fromhex("020000880001")


@dataclass(frozen=True, slots=True)
class Ports:
    """A port of the test bridge, as somebody at the other end of a cable, as a machine with offloads, and the host itself."""

    wire: socket.socket
    offloading: socket.socket
    """Each frame follows its virtio-net header of 10 octets."""
    asking: socket.socket
    """Receives frames of TEST_ETHERTYPE alone."""
    tcp: dict[Family, list[socket.socket]]
    """Of the host's own stack, not connected; each serves once."""

    def send(self, mac: bytes, *sent: Segment) -> None:
        """As from a wire, one after the other without a pause."""
        for frame in [_ethernet(mac, each.family) + segments.packet(each) for each in sent]:
            self.wire.send(frame)

    def send_offloaded(self, mac: bytes, mss: int, *sent: Segment) -> None:
        """As a machine on the bridge does whose checksums, and what is beyond the MSS, are its device's business."""
        for each in sent:
            header, packet = segments.offloaded(each, mss)
            self.offloading.send(header + _ethernet(mac, each.family) + packet)

    def send_from_host(self, family: Family, data: bytes) -> None:
        """As the host's own TCP does, in a connection of which the other side knows nothing; at most 10 full segments."""
        with self.tcp[family].pop() as tcp:
            _establish(tcp, family)
            tcp.sendall(data)
            wait_for(lambda: not _unsent(tcp), time.monotonic() + 10, "TCP to send it all")
            tcp.setsockopt(
                socket.IPPROTO_TCP, TCP_REPAIR, REPAIR_ON
            )  # closed like this, it sends nothing more


def _establish(tcp: socket.socket, family: Family) -> None:
    """By TCP_REPAIR, which was made to restore connections from elsewhere."""

    def say(option: int, value: int | bytes) -> None:
        tcp.setsockopt(socket.IPPROTO_TCP, option, value)

    own, other = segments.ENDS[family]
    say(socket.TCP_MAXSEG, segments.MSS[family])
    say(socket.TCP_NODELAY, 1)
    say(TCP_REPAIR, REPAIR_ON)
    for queue in (SENDS, RECEIVES):
        say(TCP_REPAIR_QUEUE, queue)
        say(TCP_QUEUE_SEQ, struct.pack("=I", 1))
    tcp.bind((own, segments.PORTS[0]))
    tcp.connect((other, segments.PORTS[1]))
    say(TCP_REPAIR_WINDOW, struct.pack("=IIIII", 1, 65535, 65535, 65535, 1))
    say(TCP_REPAIR, REPAIR_OFF_QUIETLY)


def _unsent(tcp: socket.socket) -> int:
    [size] = struct.unpack("=i", fcntl.ioctl(tcp, SIOCOUTQNSD, bytes(4)))
    return int(size)


def _ethernet(mac: bytes, family: Family) -> bytes:
    return mac + OWN_MAC + (b"\x08\x00" if family == "ipv4" else b"\x86\xdd")


def _packet_socket(device: str, protocol: int) -> socket.socket:
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
    opened.bind((device, protocol))
    return opened


def main(number: str, device: str) -> None:
    """Open them all; they live on in whoever receives them."""
    wire, offloading, asking = (_packet_socket(device, each) for each in (0, 0, TEST_ETHERTYPE))
    offloading.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    families = [socket.AF_INET] * TCP_SOCKETS + [socket.AF_INET6] * TCP_SOCKETS
    tcp = [socket.socket(family, socket.SOCK_STREAM) for family in families]
    with socket.socket(fileno=int(number)) as there:
        socket.send_fds(there, [b"!"], [each.fileno() for each in (wire, offloading, asking, *tcp)])


@contextmanager
def opened(host: Hypervisor, device: str) -> Iterator[Ports]:
    """The sockets at a device of the host's; closed at the end."""
    with ExitStack() as held:
        ours, theirs = (held.enter_context(end) for end in socket.socketpair())
        argv = [*host.entering(), sys.executable, "-m", __name__, str(theirs.fileno()), device]
        subprocess.run(argv, pass_fds=[theirs.fileno()], check=True, timeout=60)
        _, numbers, _, _ = socket.recv_fds(ours, 1, 3 + 2 * TCP_SOCKETS)
        wire, offloading, asking, *tcp = (held.enter_context(socket.socket(fileno=each)) for each in numbers)
        asking.settimeout(0.25)
        yield Ports(wire, offloading, asking, {"ipv4": tcp[:TCP_SOCKETS], "ipv6": tcp[TCP_SOCKETS:]})


if __name__ == "__main__":
    main(*sys.argv[1:])
