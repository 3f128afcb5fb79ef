"""What a host hands to its guests while it is watched: counters, and a sample of frames."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from provision.runtime.errors import HostError
from provision.tables.backends import INTERFACES
from provision.verify.evidence import Traffic, Unasked, in_bulk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.facts.ip import Link
    from provision.runtime.protocols import Runner
    from provision.verify.collect.host_devices import TapsRead
    from provision.verify.evidence import NicEvidence


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
        {
            nic.tap
            for nic in nics
            if nic.tap and not nic.network and isinstance(nic.traffic, Traffic) and in_bulk(nic.traffic)
        }
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
        if isinstance(nic.traffic, Traffic) and nic.tap in shares and not nic.network
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
    before, after = before.of(nic.network), after.of(nic.network)
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
