"""What a host hands to its guests while it is watched: counters, with a sample of frames."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from provision.facts.ip import parse_links
from provision.runtime.command import shell
from provision.runtime.errors import reading
from provision.tables.backends import INTERFACES
from provision.verify.collect.sampling import place
from provision.verify.evidence import Traffic, Unasked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from provision.facts.frames import TapSample
    from provision.facts.ip import Link
    from provision.runtime.protocols import Runner
    from provision.verify.collect.host_devices import TapsRead
    from provision.verify.collect.sampling import Place
    from provision.verify.evidence import NicEvidence


@dataclass(frozen=True, slots=True)
class Counters:
    """A host's devices at one moment, for what they have carried so far."""

    uptime: float
    links: Mapping[str, Link]


# Other commands than those before and after: evidence of older versions has none of these, and is not read out of step.
_SCRIPT = """
cat /proc/uptime && ip -json -stats link
"""
SCRIPTS = {"counters": _SCRIPT}
"""Every constant script above, for the linter."""


def read_counters(runner: Runner) -> Counters:
    """Those of our own network namespace, now.

    :raise HostError: when they cannot be read.
    """
    uptime, _, links = runner.run(shell(_SCRIPT).argv).check().out.partition("\n")
    with reading("a host's counters", uptime):
        return Counters(float(uptime.split(maxsplit=1)[0]), parse_links(links))


def with_traffic(
    nic: NicEvidence,
    before: TapsRead,
    after: TapsRead,
    samples: Mapping[Place, TapSample],
    between: Sequence[Counters] = (),
) -> NicEvidence:
    """The NIC with what the host handed to its guest between two moments, and how that went at the looks in between."""
    traffic, at = _traffic(nic, before, after), place(nic)
    if isinstance(traffic, Traffic) and at is not None:
        traffic = replace(traffic, sample=samples.get(at))
    if isinstance(traffic, Traffic) and between and before.of(nic.network) is before:
        first, last = (Counters(taps.uptime, taps.links) for taps in (before, after))
        traffic = replace(traffic, means=tuple(_means(nic, [first, *between, last])))
    return replace(nic, traffic=traffic)


def _means(nic: NicEvidence, looks: Sequence[Counters]) -> Iterator[tuple[float, float | None]]:
    there = [(look.uptime, link) for look in looks if (link := look.links.get(nic.tap or "")) is not None]
    for (_, earlier), (uptime, link) in pairwise(there):
        frames, octets = (
            now - then for now, then in zip(_handed(nic, link), _handed(nic, earlier), strict=True)
        )
        yield uptime - looks[0].uptime, octets / frames if frames > 0 and octets > 0 else None


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
