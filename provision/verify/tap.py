"""What a host tells of its TAPs, all of them in one round trip: features, counters, and where they hang."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from shlex import quote
from typing import TYPE_CHECKING, Self

from provision.backends import INTERFACES
from provision.command import Run
from provision.errors import HostError, UnreadableError
from provision.facts.ethtool import FeaturesRead
from provision.facts.ip import parse_links
from provision.offloads import BY_NAME, TSO
from provision.survey import FEATURES, LINKS, features_read
from provision.verify.evidence import Traffic, Unasked
from provision.verify.ladder import in_bulk

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from provision.command import Runner
    from provision.facts.ethtool import Features
    from provision.facts.ip import Link
    from provision.verify.evidence import NicEvidence

UPTIME = Run(("cat", "/proc/uptime"))
"""The host's own clock, because answers are under way for a while."""
_NEEDED = tuple(BY_NAME[name].tap for name in ("guest_csum", *TSO.values()))
_ON_A_MACVLAN = frozenset({"macvtap", "ipvtap"})
_BESIDES = frozenset({"bridge", "tun", "dummy", "veth"})
"""Kinds of port that bring nothing from outside; the kernel names no kind of a physical NIC."""


@dataclass(frozen=True, slots=True)
class TapsRead:
    """A host's network devices at one moment."""

    features: FeaturesRead
    links: Mapping[str, Link] = field(default_factory=dict)
    uptime: float = 0.0

    @classmethod
    def none(cls, why: str) -> Self:
        """Nothing was read, and why."""
        return cls(FeaturesRead({}, why))


def read_taps(runner: Runner) -> TapsRead:
    """Every device of the host; a host that does not answer is told as why nothing was read."""
    try:
        features, links, uptime = runner.run_all((FEATURES, LINKS, UPTIME))
        return TapsRead(features_read(features), parse_links(links.check().out), _seconds(uptime.check().out))
    except HostError as error:
        return TapsRead.none(str(error))


def _seconds(text: str) -> float:
    try:
        return float(text.split(maxsplit=1)[0])
    except (ValueError, IndexError) as error:
        raise UnreadableError("/proc/uptime", text) from error


def with_tap(nic: NicEvidence, read: TapsRead) -> NicEvidence:
    """The NIC with what its TAP tells, and with notes on what stands in the way though RSC itself may be ready."""
    link = read.links.get(nic.tap or "")
    if link is not None and link.kind in _ON_A_MACVLAN:  # also where libvirt was handed it as an ordinary TAP
        nic = replace(nic, kind="direct")
    told = replace(nic, features=_features(nic, read.features))
    notes = tuple(_link_notes(nic, read)) if nic.state != "off" else ()
    return replace(told, notes=(*nic.notes, *notes))


def _features(nic: NicEvidence, read: FeaturesRead) -> Features | Unasked:
    if nic.state == "off":
        return Unasked("the machine is not running")
    if nic.tap is None:
        return Unasked("there is no TAP")
    if read.trouble:
        return Unasked(read.trouble)
    features = read.devices.get(nic.tap)
    if features is None:
        return Unasked(f"no device {nic.tap} on {nic.host}")
    lacking = [name for name in _NEEDED if name not in features]
    return Unasked(f"ethtool tells no {lacking[0]}") if lacking else features


def _link_notes(nic: NicEvidence, read: TapsRead) -> Iterator[str]:
    """Links that are down, elsewhere, of another MTU, or with ports whose GRO is off."""
    tap = read.links.get(nic.tap or "")
    bridge = read.links.get(nic.bridge or (tap.master if tap else ""))
    if tap is not None and not tap.up:
        yield f"{tap.name} is down: ip link set dev {quote(tap.name)} up"
    ours = bridge is not None and bridge.kind == "bridge"  # Open vSwitch's ports belong to another master
    if tap is not None and bridge is not None and ours and tap.master != bridge.name:
        yield (
            f"{tap.name} is not on {bridge.name}: "
            f"ip link set dev {quote(tap.name)} master {quote(bridge.name)}"
        )
    if bridge is not None and not bridge.up:
        yield f"{bridge.name} is down: ip link set dev {quote(bridge.name)} up"
    mtus = {link.name: link.mtu for link in (tap, bridge) if link is not None}
    mtus |= {"the guest is told": nic.mtu} if nic.mtu else {}
    if len(set(mtus.values())) > 1:
        yield f"the MTU differs along the way: {', '.join(f'{name} {mtu}' for name, mtu in mtus.items())}"
    if bridge is not None and ours and not nic.hck:
        yield from _without_gro(bridge, read)


def _without_gro(bridge: Link, read: TapsRead) -> Iterator[str]:
    """Ports to the outside that do not aggregate what they receive."""
    for port in read.links.values():
        gro = read.features.devices.get(port.name, {}).get("generic-receive-offload")
        if port.master == bridge.name and port.kind not in _BESIDES and gro is not None and not gro.active:
            yield (
                f"{port.name}, on the same bridge, has generic-receive-offload off: what comes in by it reaches the "
                f"guest in frames of MTU size (ethtool -K {quote(port.name)} gro on)"
            )


# Frames on their way to each TAP, of all side by side for two seconds at most: how many, and how many of them TCP.
_SAMPLE = r"""
import select, socket, sys, time
counts, left = {}, {}
for tap in sys.argv[1:]:
    counts[tap] = [0, 0]
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(3))
    try:
        wire.bind((tap, 3))
        left[wire] = counts[tap]
    except OSError:
        wire.close()  # it has gone
end = time.monotonic() + 2
while left and (now := time.monotonic()) < end:
    for wire in select.select(left, [], [], end - now)[0]:
        frame, about = wire.recvfrom(64)
        if about[2] != socket.PACKET_OUTGOING:
            continue
        kind = frame[12:14]
        number = frame[23] if kind == b"\x08\x00" else frame[20] if kind == b"\x86\xdd" else 0
        left[wire][0] += 1
        left[wire][1] += number == 6
        if left[wire][0] == 500:
            del left[wire]
for seen, tcp in counts.values():
    print(seen, tcp)
"""
_SAMPLED = 100
"""Frames below which a sample tells nothing."""


def sample_tcp(runner: Runner, nics: Sequence[NicEvidence]) -> list[NicEvidence]:
    """The NICs, those that were handed many frames of the MTU's size with the share of TCP in a sample of them.

    It needs python3 and root (CAP_NET_RAW) on the host; without them nothing is known.
    """
    taps = sorted(
        {nic.tap for nic in nics if nic.tap and isinstance(nic.traffic, Traffic) and in_bulk(nic.traffic)}
    )
    if not taps:
        return list(nics)
    try:
        answer = runner.run(("python3", "-c", _SAMPLE, *taps))
    except HostError:
        return list(nics)
    shares = dict(zip(taps, map(_share, answer.out.splitlines()), strict=False)) if answer.ok else {}
    return [
        replace(nic, traffic=replace(nic.traffic, tcp=shares[nic.tap]))
        if isinstance(nic.traffic, Traffic) and nic.tap in shares
        else nic
        for nic in nics
    ]


def _share(line: str) -> float | None:
    words = line.split()
    if len(words) != 2 or not all(word.isdecimal() for word in words) or int(words[0]) < _SAMPLED:
        return None
    return int(words[1]) / int(words[0])


def with_traffic(nic: NicEvidence, before: TapsRead, after: TapsRead) -> NicEvidence:
    """The NIC with what the host handed to its guest between two moments."""
    return replace(nic, traffic=_traffic(nic, before, after))


def _traffic(nic: NicEvidence, before: TapsRead, after: TapsRead) -> Traffic | Unasked:
    if nic.state == "off":
        return Unasked("the machine is not running")
    if nic.tap is None:
        return Unasked("there is no device to watch")
    first, last = before.links.get(nic.tap), after.links.get(nic.tap)
    if first is None or last is None:
        why = before.features.trouble or after.features.trouble
        return Unasked(why or f"no device {nic.tap} on {nic.host}")
    (frames, octets), (earlier, before_that) = _handed(nic, last), _handed(nic, first)
    frames, octets = frames - earlier, octets - before_that
    if frames < 0 or octets < 0 or first.index != last.index:
        return Unasked(f"{nic.tap} was made anew meanwhile")
    return Traffic(frames, octets, after.uptime - before.uptime, last.mtu)


def _handed(nic: NicEvidence, link: Link) -> tuple[int, int]:
    """Frames and bytes that the host has handed to the guest so far."""
    if nic.kind in INTERFACES and INTERFACES[nic.kind].counts_received:
        return link.received_packets, link.received_bytes
    return link.sent_packets, link.sent_bytes
