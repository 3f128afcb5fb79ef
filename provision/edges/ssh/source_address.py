"""The address of ours that a connection comes from (BindAddress, BindInterface)."""

from __future__ import annotations

import errno
import fcntl
import ipaddress
import socket
import struct
from pathlib import Path
from typing import Any

_SIOCGIFADDR = 0x8915


def source(family: int, address: str, interface: str) -> Any:
    """What a socket of a family is bound to, so that it comes from an address, or else from one of an interface's.

    :raise OSError: when there is no such address.
    """
    if address:
        try:
            return socket.getaddrinfo(address, 0, family, socket.SOCK_STREAM)[0][4]
        except socket.gaierror as error:
            raise OSError(errno.EADDRNOTAVAIL, f"BindAddress {address}: {error.strerror}") from error
    if family == socket.AF_INET6:
        return _six(interface)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        # struct ifreq: the name, then a struct sockaddr_in whose address begins at its fifth byte
        said = fcntl.ioctl(asking, _SIOCGIFADDR, struct.pack("16s24x", interface.encode()[:15]))
    return socket.inet_ntoa(said[20:24]), 0


def _six(interface: str) -> tuple[str, int, int, int]:
    """An IPv6 address of an interface, of those that reach beyond it first."""
    rows = [line.split() for line in Path("/proc/net/if_inet6").read_text().splitlines()]
    found = [(row[0], int(row[1], 16)) for row in rows if len(row) == 6 and row[5] == interface]
    addresses = [(ipaddress.IPv6Address(int(digits, 16)), index) for digits, index in found]
    if not addresses:
        raise OSError(errno.EADDRNOTAVAIL, f"{interface} has no IPv6 address")
    best, index = min(addresses, key=lambda one: one[0].is_link_local or one[0].is_loopback)
    return str(best), 0, 0, index if best.is_link_local else 0
