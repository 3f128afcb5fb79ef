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
    queues_by_core: bool = False
    """Whether its drivers hang where two queues get one processor."""
    buffer: int = 0
    """KiB of its memory that each receive descriptor takes where large frames may come."""
    mergeable_buffer: int = 0
    """KiB of them with mergeable buffers."""
    knows_nics_by_place: bool = False
    """Whether a NIC at another PCI address is a new one to it, without its settings."""
    hlk: bool = False
    """Whether HLK's client runs in it, whose tests leave something behind."""


FIRST_WITH_RSC = (6, 2)
"""Windows 8 and Server 2012: NDIS 6.30, with which RSC came (learn.microsoft.com, Overview of Receive Segment Coalescing)."""

NETKVM_ADAPTER = "VirtIO"
"""What is in Windows' description of an adapter of NetKVM's: `Red Hat VirtIO Ethernet Adapter #2` (netkvm.inf); who builds the
driver puts his own name first."""

GUESTS = {
    row.name: row
    for row in (
        Guest(
            "windows",
            localtime=True,
            display=True,
            hyperv=True,
            queues_by_core=True,
            buffer=64,  # and a part of a page; 72 before mm288 of 2024-12 (ParaNdis_Common.cpp, PrepareRXLayout)
            mergeable_buffer=4,
            knows_nics_by_place=True,
            hlk=True,
        ),
        Guest("linux"),
    )
}
