"""Where a host is, and who has to listen at a place on it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """What a way out needs to know of a host; what is empty is not said, and OpenSSH's configuration may say it."""

    name: str
    address: str = ""
    """A name, an IP address or an alias in ~/.ssh/config; empty is this machine."""
    port: int | None = None
    user: str = ""
    identity: str = ""
    """Path of the one private key that is offered."""
    known_hosts: str = ""
    """Path of the file that is asked instead of the user's own."""
    sudo: bool = False
    """Whether commands run as root by `sudo -n`."""
    libvirt: str = "qemu:///system"
    """libvirt's URI as seen on that host."""
    uri: str = ""
    """libvirt's URI as seen from here, where it is not reached over SSH as the host is."""
    key: str = ""
    """Where a lab file says all this, if not at `hosts.NAME`."""

    @property
    def place(self) -> str:
        """Where a lab file says all this."""
        return self.key or f"hosts.{self.name}"


LOOPBACK = r"tcp:(?P<host>127\.0\.0\.1|\[::1\]):(?P<port>[0-9]{1,5})"
"""How a monitor on TCP is named; anybody might answer at another address."""


@dataclass(frozen=True, slots=True)
class Listener:
    """Who has to listen at a monitor's socket; where nothing is said, whoever listens there is taken."""

    pid: int | None = None
    """Of the process that listens."""
    uid: int | None = None
    """Of the socket's file."""


ANYBODY = Listener()
