"""Samples of frames: recorded ones by their names, and made ones."""

from __future__ import annotations

from dataclasses import replace

from provision.facts.ethtool_features import Feature, Features
from provision.facts.frames import Flow, Frame, TapSample, parse_samples
from provision.tables.offloads import MANGLEID
from provision.verify.evidence import Family, Hop, Traffic, Way
from tests.builders import FIXTURES, features

RECORDED = {each.stem: each for each in sorted((FIXTURES / "frames-6.18").glob("*.json"))}
SEGMENT = Frame(0, 1448, 0, 0, 0, whole=True, flags=0x10, alike=True)


def recorded(name: str) -> TapSample:
    [sample] = parse_samples(RECORDED[name].read_text())
    return sample


def traffic(sample: TapSample | None, *, size: int = 1514, mtu: int = 1500) -> Traffic:
    return Traffic(5000, 5000 * size, 1.0, mtu, sample)


def sample_of(*flows: Flow) -> TapSample:
    count = sum(len(flow.frames) for flow in flows)
    return TapSample(count, count, flows)


def stream(frame: Frame, count: int, *, gap: int = 600, numbers: int = 1, family: Family = "ipv4") -> Flow:
    """Frames like this one, in order; `numbers` is by how much the IP ID goes up."""
    if family == "ipv6":
        frame, numbers = replace(frame, number=-1, whole=False), 0
    return Flow(
        family,
        tuple(
            replace(
                frame,
                time=at * gap,
                sequence=at * frame.data & 0xFFFFFFFF,
                number=frame.number + at * numbers & 0xFFFF if family == "ipv4" else -1,
            )
            for at in range(count)
        ),
    )


def _gathers(*, on: bool) -> Features:
    return {"generic-receive-offload": Feature(active=on, requested=on, fixed=False)}


WHOLE_WAY = (Way("outside", (Hop("eno1", "receives", features=_gathers(on=True)),)),)
"""From a wire through a NIC that gathers."""
CUT_WAY = (Way("outside", (Hop("eno1", "receives", features=_gathers(on=False)),)),)


def mangling(*, on: bool) -> Features:
    """A TAP's features as negotiated, and whether it takes large frames of one IP ID."""
    return {**features("negotiated-by-linux"), MANGLEID: Feature(active=on, requested=on, fixed=False)}
