"""TABLE: one row per NIC setting that a systemd .link file can keep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class LinkOption:
    """One setting of ethtool's and what keeps it."""

    name: str
    """As `ethtool -k` prints a feature, and as `ethtool -C` takes a coalescing parameter."""
    options: tuple[str, ...]
    """More than one where ethtool's name is a group."""
    since: int
    """The version of systemd that has the newest of them."""
    unit: Literal["", "us", "s"] = ""
    least: int = 0
    """udev passes a smaller number over."""
    misses: str = ""
    """The kinds in ethtool's group that no option reaches, so that it cannot be kept off."""


def _row(name: str, options: str, since: int, *, misses: str = "") -> LinkOption:
    return LinkOption(name, tuple(options.split()), since, misses=misses)


# Groups stand before their kinds, so that what is said of a kind overrides what is said of its group.
FEATURES: tuple[LinkOption, ...] = (
    _row("rx-checksumming", "ReceiveChecksumOffload", 245),
    _row("tx-checksumming", "TransmitChecksumOffload", 245),
    _row("scatter-gather", "ScatterGather ScatterGatherFragmentList", 260),
    _row("tx-scatter-gather", "ScatterGather", 260),
    _row("tx-scatter-gather-fraglist", "ScatterGatherFragmentList", 260),
    # TCPSegmentationOffload= is IPv4's alone. Kernel 6.18 has AccECN as one more kind of the group.
    _row(
        "tcp-segmentation-offload",
        "TCPSegmentationOffload TCP6SegmentationOffload",
        235,
        misses="tx-tcp-accecn-segmentation",
    ),
    _row("tx-tcp-segmentation", "TCPSegmentationOffload", 232),
    _row("tx-tcp6-segmentation", "TCP6SegmentationOffload", 235),
    _row("tx-tcp-ecn-segmentation", "TCPECNSegmentationOffload", 260),
    _row("tx-tcp-mangleid-segmentation", "TCPMangleIdSegmentationOffload", 260),
    _row("generic-segmentation-offload", "GenericSegmentationOffload", 232),
    _row("tx-gso-partial", "PartialGenericSegmentationOffload", 258),
    _row("generic-receive-offload", "GenericReceiveOffload", 232),
    _row("large-receive-offload", "LargeReceiveOffload", 232),
    _row("rx-gro-hw", "GenericReceiveOffloadHardware", 250),
    _row("rx-gro-list", "GenericReceiveOffloadList", 260),
    _row("rx-udp-gro-forwarding", "GenericReceiveOffloadUDPForwarding", 260),
    _row("rx-vlan-offload", "ReceiveVLANCTAGHardwareAcceleration", 250),
    _row("tx-vlan-offload", "TransmitVLANCTAGHardwareAcceleration", 250),
    _row("rx-vlan-filter", "ReceiveVLANCTAGFilter", 250),
    _row("tx-vlan-stag-hw-insert", "TransmitVLANSTAGHardwareAcceleration", 250),
    _row("ntuple-filters", "NTupleFilter", 250),
)


COALESCE: tuple[LinkOption, ...] = (
    LinkOption("adaptive-rx", ("UseAdaptiveRxCoalesce",), 250),
    LinkOption("adaptive-tx", ("UseAdaptiveTxCoalesce",), 250),
    LinkOption("rx-usecs", ("RxCoalesceSec",), 250, "us"),
    LinkOption("rx-usecs-irq", ("RxCoalesceIrqSec",), 250, "us"),
    LinkOption("rx-usecs-low", ("RxCoalesceLowSec",), 250, "us"),
    LinkOption("rx-usecs-high", ("RxCoalesceHighSec",), 250, "us"),
    LinkOption("tx-usecs", ("TxCoalesceSec",), 250, "us"),
    LinkOption("tx-usecs-irq", ("TxCoalesceIrqSec",), 250, "us"),
    LinkOption("tx-usecs-low", ("TxCoalesceLowSec",), 250, "us"),
    LinkOption("tx-usecs-high", ("TxCoalesceHighSec",), 250, "us"),
    LinkOption("rx-frames", ("RxMaxCoalescedFrames",), 250),
    LinkOption("rx-frames-irq", ("RxMaxCoalescedIrqFrames",), 250),
    LinkOption("rx-frames-low", ("RxMaxCoalescedLowFrames",), 250),
    LinkOption("rx-frames-high", ("RxMaxCoalescedHighFrames",), 250),
    LinkOption("tx-frames", ("TxMaxCoalescedFrames",), 250),
    LinkOption("tx-frames-irq", ("TxMaxCoalescedIrqFrames",), 250),
    LinkOption("tx-frames-low", ("TxMaxCoalescedLowFrames",), 250),
    LinkOption("tx-frames-high", ("TxMaxCoalescedHighFrames",), 250),
    LinkOption("pkt-rate-low", ("CoalescePacketRateLow",), 250),
    LinkOption("pkt-rate-high", ("CoalescePacketRateHigh",), 250),
    LinkOption("sample-interval", ("CoalescePacketRateSampleIntervalSec",), 250, "s", least=1),
    LinkOption("stats-block-usecs", ("StatisticsBlockCoalesceSec",), 250, "us", least=1),
)


_LARGEST = {"": 2**32 - 1, "us": 2**32 - 1, "s": (2**32 - 1) // 1_000_000}
"""udev reads each as 32 bits, and times in microseconds whatever their unit."""
