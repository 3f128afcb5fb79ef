"""A gain in plain sentences: what RSC is worth, what bounds each leg, what is odd about them. Pure."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from provision.runtime.safe_text import short
from provision.verify.evidence import Unasked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from provision.verify.evidence import NicEvidence
    from provision.verify.gain.figures import Gain, Kind, Leg, Side

_BUSY = 0.9
"""Of a processor: above that a thread has no time left, as a second of 10 ms ticks is told."""
_LARGE = 2
"""Times the MTU, at least, that a mean frame has where large ones arrive."""
_MERGEABLE = "VIRTIO_NET_F_MRG_RXBUF"
_HEADERS = 22
"""Bytes of a frame beside what its MTU counts: Ethernet's, and two VLANs' tags."""

NAMES: dict[Kind, str] = {"on": "RSC on", "off": "RSC off", "reference": "rsc: false"}
_THREADS = {"vhost": "vhost's thread", "vcpu": "a processor of the guest", "qemu": "QEMU's own thread"}


def size(octets: float) -> str:
    """A frame's size, as `1.5 kB`."""
    return f"{octets / 1000:.1f} kB" if octets < 10_000 else f"{octets / 1000:.0f} kB"


def times(ratio: float) -> str:
    """A ratio, as `3.8x`; what is no gain with one figure more."""
    return f"{ratio:.1f}x" if ratio >= 1.05 else f"{ratio:.2f}x"


def sentence(gain: Gain) -> str:
    """What RSC is worth here."""
    on, off = gain.on, gain.off
    rates = f"{off.gbps.median:.2f} → {on.gbps.median:.2f} Gb/s"
    frames = f"mean frame {size(off.mean_frame).removesuffix(' kB')} → {size(on.mean_frame)}"
    found, reference = gain.side("reference"), gain.reference_ratio
    beside = (
        f"; {times(reference)} against the device without it ({found.gbps.median:.2f} Gb/s)"
        if found and reference
        else ""
    )
    most = "at most " if gain.at_most and not reference else ""
    return f"RSC is worth {most}{times(gain.ratio.median)} here ({rates}); {frames}{beside}"


def limit(gain: Gain) -> str:
    """What bounds each kind of leg."""
    sides = [gain.side(kind) for kind in NAMES]
    return "; ".join(f"{NAMES[side.kind]}: {_bound(side)}" for side in sides if side is not None)


def _bound(side: Side) -> str:
    shares = dict(_shares(side))
    full = [name for name, share in shares.items() if share >= _BUSY]
    if full:
        return " and ".join(f"{name} is busy all the time ({shares[name]:.0%} of one CPU)" for name in full)
    host = statistics.median(leg.host_busy for leg in side.legs)
    if host >= _BUSY:
        return f"all CPUs of the host are busy ({host:.0%}), with other work or this"
    name, share = max(shares.items(), key=lambda row: row[1])
    tcp = " or ".join(sorted({short(leg.congestion) for leg in side.legs if leg.congestion}))
    sender = f"the sender's TCP ({tcp})" if tcp else "the sender's TCP"
    return (
        f"no CPU is busy all the time, most of all {name} ({share:.0%} of one): latency or {sender} bounds it"
    )


def _shares(side: Side) -> Iterator[tuple[str, float]]:
    """How busy the busiest thread of each kind is, in the median leg."""
    yield "the sender", statistics.median(leg.sender_busy for leg in side.legs)
    for kind, words in _THREADS.items():
        name = words if all(leg.named for leg in side.legs) or kind == "vhost" else "a thread of QEMU's"
        yield name, statistics.median(_busiest(leg, kind) for leg in side.legs)


def _busiest(leg: Leg, kind: str) -> float:
    seconds = next((each for name, each in leg.threads.items() if name == kind), ())
    return min(seconds[0] / leg.seconds, 1.0) if seconds and leg.seconds > 0 else 0.0


def keeps_large_buffers(nic: NicEvidence) -> bool:
    """Whether the driver's buffers are as large without RSC; NetKVM takes no mrg_rxbuf by default."""
    return not isinstance(nic.virtio, Unasked) and _MERGEABLE not in nic.virtio.negotiated


def oddities(gain: Gain) -> Iterator[str]:
    """What the frames say against the legs: large ones without RSC, or none with it; and how the driver bends the figure."""
    if gain.at_most:
        yield (
            "the driver has not taken mrg_rxbuf: it keeps buffers for the largest frames also in the legs without RSC, and a "
            "device without the offloads would spare it that: the ratio to that one (`--reference`) can be well below this"
        )
    on, without = gain.on.mean_frame, [side for side in map(gain.side, NAMES) if side and side.kind != "on"]
    for side in without:
        if side.mean_frame <= gain.mtu + _HEADERS:
            continue
        yield (
            f"frames of {size(side.mean_frame)} on the mean reached the guest with {NAMES[side.kind]}, more than the MTU of {gain.mtu}: "
            "something else handed it large ones, and the gain is more than this"
        )
    if on < _LARGE * gain.mtu:
        yield (
            f"frames of {size(on)} on the mean reached the guest with RSC on, hardly more than the MTU of {gain.mtu}: "
            "`rscvm check --observe 5` while this sender sends tells what cuts them"
        )
    if min(gain.ratios, default=1.0) < 1 < max(gain.ratios, default=1.0):
        yield "some pairs show a gain and some a loss: this machine is too busy, or the legs are too short, to tell"
