"""What a sample of frames tells: which flows arrive whole, which in single segments, and why those might. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from provision.facts.frames import TapSample
from provision.tables.backends import INTERFACES
from provision.tables.families import FAMILY_NAMES
from provision.verify.evidence import FAMILIES, Traffic, Unasked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from provision.facts.frames import Flow, Frame
    from provision.verify.evidence import Family, NicEvidence

BACK_TO_BACK = 3_000
"""Nanoseconds between frames that were together once: a TAP hands on what it has cut at one each 1,000, and frames that come
one by one are 7,000 and more apart (measured), of a network of 1 Gb/s 12,000; no host takes single ones in less than 3,000."""
_SEVERAL = 3
"""Large frames after which it is no chance."""
_MANY = 16
"""Pairs of single segments, back to back, after which it is none either."""
_SHARE = 3
"""Of a flow's frames one in so many has to be such a pair's: else it is mostly slow."""
_ACK, _PSH = 0x10, 0x08
_32_BITS = 0xFFFFFFFF
_HALF = 1 << 31
MANY_AGAIN = 0.01
"""Share of a sample's frames from which on they are called out that came again; RSC itself loses none."""
_16_BITS = 0xFFFF


@dataclass(frozen=True, slots=True)
class Seen:
    """What the flows of one address family show."""

    whole: tuple[Flow, ...] = ()
    """In frames well above their own segment."""
    cut: tuple[Flow, ...] = ()
    """In frames of one segment, back to back, which GRO would have gathered had they come so."""
    one_number: tuple[Flow, ...] = ()
    """Of those that are cut the ones with one IP ID for all."""
    slow: tuple[Flow, ...] = ()
    """All others: slow, small or few."""


def is_whole(flow: Flow) -> bool:
    """Whether it arrives in frames of two whole segments and more; what GRO or TSO made large says its segment's size."""
    return sum(bool(frame.segment) and frame.data >= 2 * frame.segment for frame in flow.frames) >= _SEVERAL


def together(flow: Flow) -> list[tuple[Frame, Frame]]:
    """Single segments, one after the other and back to back, that GRO would have gathered (tcp_gro_receive).

    It ends a frame at PSH, at a smaller segment, and where the next one's options or acknowledgement differ: small writes,
    retransmits and what a clock has ticked between count for nothing.
    """
    return [
        (first, then)
        for first, then in zip(flow.frames, flow.frames[1:], strict=False)
        if first.segments == then.segments == 1
        and then.data <= first.data
        and first.flags == _ACK
        and then.flags & ~_PSH == _ACK
        and (first.sequence + first.data) & _32_BITS == then.sequence
        and then.alike
        and 0 <= then.time - first.time <= BACK_TO_BACK
        and _in_order(first, then)
    ]


def _in_order(first: Frame, then: Frame) -> bool:
    """Whether GRO takes their IP IDs: counted, or one for all where nobody may fragment (inet_gro_flush)."""
    return _same(first, then) or (first.number + 1) & _16_BITS == then.number or then.number < 0


def _same(first: Frame, then: Frame) -> bool:
    return first.whole and then.whole and first.number == then.number >= 0


def is_cut(flow: Flow) -> bool:
    """Whether it arrives in single segments that were together once, and in nothing larger."""
    pairs = len(together(flow))
    large = any(frame.segments > 1 for frame in flow.frames)
    return not large and pairs >= _MANY and pairs * _SHARE >= len(flow.frames)


def has_one_number(flow: Flow) -> bool:
    """Whether all such segments have one IP ID."""
    return all(_same(first, then) for first, then in together(flow))


def sent_again(flow: Flow) -> int:
    """Its frames that begin before what had come of it already: segments that were sent again, or came out of order."""
    count, end = 0, flow.frames[0].sequence if flow.frames else 0
    for frame in flow.frames:
        count += _beyond(frame.sequence, end) < 0
        then = frame.sequence + frame.data
        end = then if _beyond(then, end) > 0 else end
    return count


def _beyond(sequence: int, other: int) -> int:
    """By how many bytes one sequence number is beyond another; they wrap."""
    return ((sequence - other + _HALF) & _32_BITS) - _HALF


def sampled(nic: NicEvidence) -> TapSample:
    """The sample of a NIC's traffic; an empty one where there is none."""
    traffic = nic.traffic
    return (traffic.sample if isinstance(traffic, Traffic) else None) or TapSample()


def came_again(nic: NicEvidence, families: Sequence[Family]) -> tuple[int, int]:
    """Of the frames of a NIC's sample, of these families, how many came again or out of order, and how many there are."""
    flows = [flow for flow in sampled(nic).flows or () if flow.family in families]
    return sum(map(sent_again, flows)), sum(len(flow.frames) for flow in flows)


def seen(nic: NicEvidence, family: Family) -> Seen:
    """What the flows of a family show."""
    flows = [flow for flow in sampled(nic).flows or () if flow.family == family and flow.frames]
    whole = tuple(filter(is_whole, flows))
    cut = tuple(flow for flow in flows if flow not in whole and is_cut(flow))
    slow = tuple(flow for flow in flows if flow not in whole and flow not in cut)
    return Seen(whole, cut, tuple(filter(has_one_number, cut)), slow)


_HEADERS = 14 + 4 + 12
"""Bytes that a TAP may count beside what the MTU limits: Ethernet, a VLAN tag, and (older kernels) the vnet header."""
_ENOUGH, _NEAR, _MOSTLY = 1000, 0.9, 0.9


def _counted_cut(traffic: Traffic) -> bool:
    """By counters and a sample without flows, as 0.1.0 took them: many frames of the MTU's size, and nearly all TCP."""
    sample = traffic.sample
    in_bulk = traffic.frames >= _ENOUGH and _NEAR * traffic.mtu <= traffic.mean <= traffic.mtu + _HEADERS
    return (
        in_bulk
        and sample is not None
        and sample.flows is None
        and sample.tcp >= _MOSTLY * max(sample.seen, 1)
    )


def coalesced(nic: NicEvidence, family: Family) -> bool | None:
    """Whether the guest is handed large frames of a family; False: single segments that were together; None: nothing tells.

    A macvtap counts frames before it cuts them to what the guest takes (Linux, drivers/net/tap.c, tap_handle_frame).
    """
    traffic = nic.traffic
    if not isinstance(traffic, Traffic) or not (nic.kind in INTERFACES and INTERFACES[nic.kind].tap):
        return None
    found = seen(nic, family)
    if found.whole:
        return True
    return False if found.cut or _counted_cut(traffic) else None


def traffic_words(nic: NicEvidence) -> str:
    """What was seen of the traffic to the guest."""
    traffic = nic.traffic
    if traffic is None:
        return "traffic was not watched"
    if isinstance(traffic, Unasked):
        return traffic.reason
    words = f"in {traffic.seconds:.3g} s the host handed on {traffic.frames} frames"
    if not traffic.frames:
        return words
    words = f"{words} of {traffic.mean:.0f} bytes on average (MTU {traffic.mtu})"
    if nic.kind in INTERFACES and INTERFACES[nic.kind].counts_received:
        return f"{words}; a macvtap counts them before it cuts them to what the guest takes"
    return "; ".join((words, *_sample_words(nic, traffic)))


def _sample_words(nic: NicEvidence, traffic: Traffic) -> Iterator[str]:
    sample = traffic.sample
    if sample is None:
        if traffic.mean >= _NEAR * traffic.mtu:
            yield "no sample of them, so their family and segments are not known"
    elif sample.trouble:
        yield f"no sample of them: {sample.trouble}"
    elif sample.flows is None:
        yield f"{sample.tcp / max(sample.seen, 1):.0%} of a sample TCP"
    else:
        yield f"{sample.tcp} of a sample of {sample.seen} TCP"
        for family in FAMILIES:
            yield f"{FAMILY_NAMES[family]} {family_words(seen(nic, family))}"


def family_words(found: Seen) -> str:
    """What a family's flows show."""
    one = f" ({len(found.one_number)} of them of one IP ID)" if found.one_number else ""
    said = [
        f"{_flows(found.whole)} in frames of up to {_largest(found.whole)} segments" if found.whole else "",
        f"{_flows(found.cut)} in frames of one segment, back to back{one}" if found.cut else "",
        f"{_flows(found.slow)} too slow or small to tell" if found.slow else "",
    ]
    return ", ".join(filter(None, said)) or "no data"


def _flows(flows: Sequence[Flow]) -> str:
    return f"{len(flows)} flow{'s' if len(flows) > 1 else ''}"


def _largest(flows: Sequence[Flow]) -> int:
    return max(frame.segments for flow in flows for frame in flow.frames)
