"""Folds the ways to a guest's TAP: who cuts frames, who gathers them again, and what arrives. Pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from provision.facts.ip import WHOLE
from provision.tables.offloads import BY_NAME, TSO
from provision.verify.evidence import FAMILIES, Unasked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.verify.evidence import Family, Hop, NicEvidence, Way

Blame = Literal["", "gro-off", "path-segments"]
_FEW = 16384
"""Bytes below which what a device gathers or sends is called cut: some ten segments, a quarter of what could be."""
_FEWEST = 2
"""Segments that whoever sends first puts into a frame, however small its device's limits, to count as whole."""
_HEADERS = 52
"""Of an IPv4 segment of TCP with timestamps; what the MTU leaves is its MSS."""
GRO = "generic-receive-offload"
_OTHERS = ("rx-gro-hw", "large-receive-offload")
"""Features that gather in the device's own hardware; LRO that a bridge or forwarding switched off does not show as on."""
_ALL_TSO = tuple(f"tx-tcp{kind}-segmentation" for kind in ("", "6", "-ecn", "-mangleid"))
_CHECKSUMS = {
    "ipv4": ("tx-checksum-ip-generic", "tx-checksum-ipv4"),
    "ipv6": ("tx-checksum-ip-generic", "tx-checksum-ipv6"),
}


@dataclass(frozen=True, slots=True)
class Arrival:
    """What becomes of large frames on one way."""

    whole: bool | None
    """None where it is not known."""
    blame: Blame = ""
    at: Hop | None = None
    """Where they are cut, or are not gathered."""
    why: str = ""
    size: int = WHOLE
    """Of the largest frame that arrives whole."""


def cuts(hop: Hop, family: Family, size: int) -> str:
    """How a device cuts a frame of this size when it sends it; empty where it does not."""
    limits = hop.limits
    if off := without_tso(hop, family):
        return off
    name, limit = ("gso_ipv4_max_size", limits.gso_ipv4) if family == "ipv4" else ("gso_max_size", limits.gso)
    if limit < size:
        return f"{name if limits.gso != limits.gso_ipv4 else 'gso_max_size'} {limit}"
    if limits.segments * (hop.mtu - _HEADERS) < min(size, WHOLE):
        return f"gso_max_segs {limits.segments}"
    return hop.queueing


def without_tso(hop: Hop, family: Family) -> str:
    """The feature for want of which a device has no TSO, or nothing; what another one takes with it is not named."""
    features = hop.features or {}
    tso = features.get(BY_NAME[TSO[family]].tap)
    if tso is None or tso.active:
        return ""
    checksums = [features[name].active for name in _CHECKSUMS[family] if name in features]
    if checksums and not any(checksums):
        return "tx-checksumming off"
    gather = features.get("tx-scatter-gather")
    return (
        "tx-scatter-gather off"
        if gather is not None and not gather.active
        else f"{BY_NAME[TSO[family]].tap} off"
    )


def gathered_by(hop: Hop, family: Family) -> tuple[int, str]:
    """The largest frame that a device gathers from segments, and why it gathers none."""
    features = hop.features or {}
    if hop.generic_xdp:
        return 0, "generic XDP, which goes without GRO"
    if any(features[name].active for name in _OTHERS if name in features):
        return WHOLE, ""
    if not features[GRO].active:
        return 0, f"{GRO} off"
    if hop.lists:
        return 0, "rx-gro-list on"
    limits = hop.limits
    limit = limits.gro_ipv4 if family == "ipv4" else limits.gro
    return (0, f"gro_max_size {limit}") if limit < _FEW else (limit, "")


def arrival(way: Way, family: Family) -> Arrival:
    """What arrives at the TAP: cut on a wire, by who sends or forwards without TSO; gathered by who receives with GRO."""
    if way.trouble:
        return Arrival(None, why=way.trouble)
    now, before, theirs = Arrival(way.source == "host" or way.apart), None, None
    for hop in way.hops:
        if hop.diverted:
            filters = f"`tc filter show dev {hop.device} ingress` tells"
            return Arrival(
                None, why=f"whether what comes in by {hop.device} goes by {hop.diverted}, {filters}"
            )
        if hop.act == "hands on":
            continue
        if hop.features is None or GRO not in hop.features:
            return Arrival(None, why=f"ethtool tells nothing of {hop.device}")
        first = before is None
        if hop.act == "sends":
            now = _sent(now, hop, family, first=first)
            if first and way.apart and not now.whole and not _has_tso(hop):
                now, theirs = Arrival(whole=False), now  # as on a wire: whoever receives it might gather it
        elif not (hop.is_veth and before is not None and _has_tso(before)):
            now = _received(now, hop, family)
        before = hop
    return theirs if theirs is not None and now == Arrival(whole=False) else now


def _has_tso(hop: Hop) -> bool:
    """Whether a device has any TSO: a veth gathers only what comes from a peer without (veth_skb_is_eligible_for_gro)."""
    return (
        any(hop.features[name].active for name in _ALL_TSO if name in hop.features) if hop.features else True
    )


def _received(now: Arrival, hop: Hop, family: Family) -> Arrival:
    size, why = gathered_by(hop, family)
    if size:
        return Arrival(whole=True, size=max(size, now.size) if now.whole else size)
    return now if now.whole or now.blame else Arrival(False, "gro-off", hop, why)


def _sent(now: Arrival, hop: Hop, family: Family, *, first: bool) -> Arrival:
    """Who sends first makes frames no larger than its device takes, so that only a small limit cuts anything."""
    if not now.whole:
        return now
    limit = hop.limits.gso_ipv4 if family == "ipv4" else hop.limits.gso
    obeyed = min(limit, hop.limits.segments * (hop.mtu - _HEADERS))
    size = min(now.size, obeyed) if first and obeyed >= _FEWEST * hop.mtu else now.size
    why = cuts(hop, family, size)
    return Arrival(False, "path-segments", hop, why) if why else replace(now, size=size)


def walked(nic: NicEvidence) -> tuple[Way, ...]:
    """The ways to a NIC's TAP; none where nobody looked at them."""
    return () if isinstance(nic.ways, Unasked) else nic.ways


def arrivals(nic: NicEvidence, family: Family) -> list[tuple[Way, Arrival]]:
    """What arrives at a NIC's TAP by each way."""
    return arriving_by(walked(nic), family)


def arriving_by(ways: Sequence[Way], family: Family) -> list[tuple[Way, Arrival]]:
    """What arrives by each way; by one of several ports that may be none only where the others do not say otherwise."""
    found = [(way, arrival(way, family)) for way in ways]
    by_ports: dict[tuple[str, str], set[bool | None]] = defaultdict(set)
    for way, each in found:
        by_ports[way.unsure, way.source].add(each.whole)
    return [
        (way, _doubtful(way, each))
        if way.unsure and each.whole is False and len(by_ports[way.unsure, way.source]) > 1
        else (way, each)
        for way, each in found
    ]


def _doubtful(way: Way, found: Arrival) -> Arrival:
    """What cuts at one of several ports, where others do not and any of them may be the one."""
    where = found.at.device if found.at else way.origin
    return Arrival(None, why=f"{where}: {found.why}; {way.unsure}")


def largest(nic: NicEvidence, family: Family) -> int:
    """The largest frame that gets as far as the TAP; that of ordinary TCP where nothing says otherwise."""
    return max([WHOLE, *(each.size for _, each in arrivals(nic, family) if each.whole)])


def tap_cuts(nic: NicEvidence, family: Family) -> tuple[str, str]:
    """How the TAP itself cuts what its features would let pass: by a limit, and by queueing."""
    hop = nic.sender
    if hop is None:
        return "", ""
    limit = cuts(replace(hop, features=None, queueing=""), family, largest(nic, family))
    return limit, hop.queueing


def source_words(way: Way) -> str:
    """From where, for a reader."""
    return "this host" if way.source == "host" else "outside"


def told(ways: Sequence[Way]) -> str:
    """Every source with what becomes of its frames: `from outside (eno1: generic-receive-offload off); from this host ready`."""
    said: dict[str, list[str]] = {}
    for family in FAMILIES:
        for way, each in arriving_by(ways, family):
            words = said.setdefault(source_words(way), [])
            if each.whole is False and each.at is not None:
                where = f" in {each.at.network}" if each.at.network else ""
                words.append(f"{each.at.device}{where}: {each.why}")
            elif each.whole is None:
                words.append(f"not known, {each.why}")
    why = {source: ", ".join(dict.fromkeys(words)) for source, words in said.items()}
    return "; ".join(f"from {source} {f'({words})' if words else 'ready'}" for source, words in why.items())


def drawn(way: Way, tap: str) -> list[tuple[str, str]]:
    """The devices of a way, the TAP last, each with what it does to a family's large frames that it should not."""
    at: dict[str, list[str]] = {}
    for family in FAMILIES:
        found = arrival(way, family)
        if (
            found.whole is False
            and found.at is not None
            and found.why not in at.setdefault(found.at.device, [])
        ):
            at[found.at.device].append(found.why)
    return [(hop.device, ", ".join(at.get(hop.device, ()))) for hop in way.hops] + [(tap, "")]


def drawn_words(nic: NicEvidence) -> str:
    """`outside: eno1 → vmbr0 → tap100i0; this host: …`, with what cuts in brackets after its device."""
    lines = []
    for way in walked(nic):
        places = [
            f"{device} [{why}]" if why else device for device, why in drawn(way, nic.tap or "the guest")
        ]
        lines.append(
            f"{source_words(way)}: {f'not walked, {way.trouble}' if way.trouble else ' → '.join(places)}"
        )
    return "; ".join(dict.fromkeys(lines))


def blamed(nic: NicEvidence) -> Hop | None:
    """The first device that cuts, or that does not gather."""
    found = (each.at for family in FAMILIES for _, each in arrivals(nic, family) if each.whole is False)
    return next((hop for hop in found if hop is not None), None)
