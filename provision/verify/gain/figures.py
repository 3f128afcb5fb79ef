"""Legs of a measurement and what they come to: throughput, ratios of pairs, frames, processor time. Pure."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from provision.facts.threads import ThreadKind

Kind = Literal["on", "off", "reference"]
"""With RSC; without it by the TAP's own switch; without it at the device."""

_GB = 1e9
_TOLD = 1.1
_NETWORKING: tuple[ThreadKind, ...] = ("vhost", "qemu")
"""The threads that carry packets on the host's side, as QEMU's other ones hardly work meanwhile."""


@dataclass(frozen=True, slots=True)
class Leg:
    """One measurement."""

    kind: Kind
    gbps: float
    """10^9 bits a second that arrived, without headers."""
    frames: int
    """Handed to the guest by its TAP."""
    octets: int
    """Of those, with headers."""
    seconds: float
    """For which it was sent, the interval that iperf3 omits among them."""
    retransmits: int | None = None
    threads: Mapping[ThreadKind, tuple[float, ...]] = field(default_factory=dict)
    """Processor seconds of each thread meanwhile, the busiest first."""
    named: bool = True
    """Whether the guest's processors are told from QEMU's other threads."""
    host_busy: float = 0.0
    """How much of all the host's processors was busy; 1.0 is all."""
    sender_busy: float = 0.0
    """How much of one processor the sender took."""
    congestion: str = ""
    """The sender's TCP congestion control; empty where it does not tell."""
    guest_busy: float | None = None
    """Processor seconds by the guest's own account; None where it does not tell."""
    coalesced: int | None = None
    """By how much the driver's CoalescedHost grew; None where it does not tell."""

    @property
    def mean_frame(self) -> float:
        """Bytes; 0 without frames."""
        return self.octets / self.frames if self.frames else 0.0

    def of(self, *kinds: ThreadKind) -> float | None:
        """Processor seconds of these kinds of thread; None where there is none, or they cannot be told apart."""
        told = self.named or kinds == ("vhost",)
        if not told or not any(kind in self.threads for kind in kinds):
            return None
        return sum(sum(self.threads.get(kind, ())) for kind in kinds)


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure over several legs or pairs."""

    median: float
    least: float
    most: float


def spread(values: Sequence[float]) -> Spread:
    """The figure over these, of which there is one at least."""
    return Spread(statistics.median(values), min(values), max(values))


@dataclass(frozen=True, slots=True)
class Side:
    """All legs of one kind."""

    kind: Kind
    legs: tuple[Leg, ...]

    @property
    def gbps(self) -> Spread:
        """The throughput."""
        return spread([leg.gbps for leg in self.legs])

    @property
    def mean_frame(self) -> float:
        """Bytes, over all frames of all legs; 0 without frames."""
        return sum(leg.octets for leg in self.legs) / max(1, sum(leg.frames for leg in self.legs))

    @property
    def retransmits(self) -> int | None:
        """Of all legs; None where one does not tell."""
        return _whole([leg.retransmits for leg in self.legs])

    @property
    def resent(self) -> float | None:
        """Retransmits a GB; None where a leg does not tell."""
        return self._a_gb([leg.retransmits for leg in self.legs])

    @property
    def coalesced(self) -> int | None:
        """Large frames that the guest's driver was handed, by its own count; None where a leg does not tell."""
        return _whole([leg.coalesced for leg in self.legs])

    @property
    def host_seconds(self) -> float | None:
        """Processor seconds that the host's packet path took a GB: vhost's threads and QEMU's own, not its guest's."""
        return self.seconds(*_NETWORKING)

    @property
    def guest_seconds(self) -> float | None:
        """Processor seconds that the guest tells of a GB; None where they are more than its processors ran: asking was more."""
        told, ran = self._a_gb([leg.guest_busy for leg in self.legs]), self.seconds("vcpu")
        return None if told is not None and ran is not None and told > ran * _TOLD else told

    def seconds(self, *kinds: ThreadKind) -> float | None:
        """Processor seconds of these kinds of thread a GB (10^9 bytes handed to the guest); None where nobody can tell."""
        return self._a_gb([leg.of(*kinds) for leg in self.legs])

    def _a_gb(self, seconds: Sequence[float | None]) -> float | None:
        octets = sum(leg.octets for leg in self.legs)
        told = [each for each in seconds if each is not None]
        return sum(told) / octets * _GB if octets and len(told) == len(seconds) else None


def _whole(counts: Sequence[int | None]) -> int | None:
    told = [each for each in counts if each is not None]
    return sum(told) if len(told) == len(counts) else None


@dataclass(frozen=True, slots=True)
class Gain:
    """What RSC is worth to one NIC."""

    host: str
    machine: str
    nic: str
    tap: str
    mtu: int
    legs: tuple[Leg, ...]
    """In the order in which they were measured; of `on` and `off` as many, in turns."""
    command: str
    """The sender's, for whoever does the same by hand."""
    notes: tuple[str, ...] = ()
    at_most: bool = False
    """Whether the legs without RSC by the TAP's own switch are slower than those of a device without it."""

    def side(self, kind: Kind) -> Side | None:
        """The legs of a kind; None where there are none."""
        legs = tuple(leg for leg in self.legs if leg.kind == kind)
        return Side(kind, legs) if legs else None

    @property
    def on(self) -> Side:
        """The legs with RSC."""
        return Side("on", tuple(leg for leg in self.legs if leg.kind == "on"))

    @property
    def off(self) -> Side:
        """The legs without it."""
        return Side("off", tuple(leg for leg in self.legs if leg.kind == "off"))

    @property
    def ratios(self) -> tuple[float, ...]:
        """Of each pair, which was measured one right after the other; one in which nothing arrived without RSC is left out."""
        pairs = zip(self.on.legs, self.off.legs, strict=True)
        return tuple(on.gbps / off.gbps for on, off in pairs if off.gbps)

    @property
    def least_ratio(self) -> float:
        """The smaller of the live gain and that to the reference, where there is one."""
        return min(self.ratio.median, self.reference_ratio or self.ratio.median)

    @property
    def reference_ratio(self) -> float | None:
        """How many times as fast it is as with `rsc: false`, by the medians; None where that was not measured."""
        found = self.side("reference")
        return self.on.gbps.median / found.gbps.median if found and found.gbps.median else None

    @property
    def ratio(self) -> Spread:
        """How many times as fast it is with RSC."""
        return spread(self.ratios or (0.0,))
