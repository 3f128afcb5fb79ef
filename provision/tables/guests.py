"""TABLE: one row per guest operating system: what it likes to find around itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Enlightenment:
    """One Hyper-V enlightenment: libvirt's element with its attributes, and QEMU's CPU flag."""

    element: str
    flag: str
    attributes: tuple[tuple[str, str], ...] = ()
    direct: bool = False
    """Whether the element carries `<direct state='on'/>`."""


@dataclass(frozen=True, slots=True)
class Guest:
    """A guest operating system."""

    name: str
    localtime: bool = False
    """Windows takes the hardware clock for local time."""
    display: bool = False
    """Whether it is of no use without a screen."""
    enlightenments: tuple[Enlightenment, ...] = ()


_HYPERV = (
    Enlightenment("relaxed", "hv-relaxed"),
    Enlightenment("vapic", "hv-vapic"),
    Enlightenment("spinlocks", "hv-spinlocks=0x1fff", (("retries", "8191"),)),
    Enlightenment("vpindex", "hv-vpindex"),
    Enlightenment("runtime", "hv-runtime"),
    Enlightenment("synic", "hv-synic"),
    Enlightenment("stimer", "hv-stimer,hv-stimer-direct", direct=True),
    Enlightenment("reset", "hv-reset"),
    Enlightenment("frequencies", "hv-frequencies"),
    Enlightenment("reenlightenment", "hv-reenlightenment"),
    Enlightenment("tlbflush", "hv-tlbflush"),
    Enlightenment("ipi", "hv-ipi"),
)

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
            enlightenments=_HYPERV,
        ),
        Guest("linux"),
    )
}
