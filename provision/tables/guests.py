"""TABLE: one row per guest operating system: what it likes to find around itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Guest:
    """A guest operating system."""

    name: str
    localtime: bool = False
    """Windows takes the hardware clock for local time."""
    display: bool = False
    """Whether it is of no use without a screen."""
    hyperv: bool = False
    """Whether it knows Hyper-V's enlightenments."""


CHECKSUMS_LOST_FROM = 60
"""Processors of a Windows guest with which NetKVM drops frames whose checksum the sender has left to it; `tx off` on the TAP
is the way round that which its report confirms (virtio-win/kvm-guest-drivers-windows issue 1630)."""

GUESTS = {
    row.name: row
    for row in (
        Guest(
            "windows",
            localtime=True,
            display=True,
            hyperv=True,
        ),
        Guest("linux"),
    )
}
