"""What a sample of frames tells: by samples that were recorded, by single frames, and whatever is mixed."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.facts.frames import Flow, Frame, TapSample, parse_samples
from provision.runtime.errors import UnreadableError
from provision.tables.offloads import MANGLEID
from provision.verify.evidence import FAMILIES, Family, Unasked
from provision.verify.judge.causes.catalogue import CATALOGUE
from provision.verify.judge.flows import BACK_TO_BACK, coalesced, is_cut, is_whole, together
from provision.verify.judge.verdict import judge_nic
from tests.builders import nic
from tests.frames import CUT_WAY, RECORDED, SEGMENT, WHOLE_WAY, mangling, recorded, sample_of, stream, traffic
from tests.strategies import bounded

LARGE = replace(SEGMENT, data=14480, segment=1448)
TOLD: dict[str, tuple[bool | None, bool | None]] = {
    "host": (True, None),
    "outside": (True, None),
    "outside-ipv6": (None, True),
    "host-8mbit": (True, None),
    "outside-8mbit": (None, None),
    "outside-1gbit": (True, None),
    "gro-off": (False, None),
    "gro-off-ipv6": (None, False),
    "fixed-id": (False, None),
    "fixed-id-mangled": (True, None),
    "fixed-id-slow": (None, None),
    "fixed-id-one-by-one": (None, None),
    "counted-one-by-one": (None, None),
    "small-writes": (True, None),
    "udp": (None, None),
    "jumbo": (True, None),
    "jumbo-gro-off": (False, None),
}
"""Of each recorded sample, by family: large frames, single segments that were together, or nothing."""


@pytest.mark.parametrize("name", RECORDED)
def test_each_recorded_sample_tells_of_its_family_alone(name: str) -> None:
    watched = nic(traffic=traffic(recorded(name)))

    assert tuple(coalesced(watched, family) for family in FAMILIES) == TOLD[name]


def test_all_that_is_told_of_was_recorded() -> None:
    assert TOLD.keys() == RECORDED.keys()


@pytest.mark.parametrize("name", RECORDED)
@pytest.mark.parametrize("way", [(), WHOLE_WAY], ids=["way not known", "whole way"])
def test_no_traffic_makes_a_ready_nic_other_than_ready_but_for_one_ip_id(name: str, way: Any) -> None:
    on = judge_nic(nic(traffic=traffic(recorded(name)), ways=way, features=mangling(on=True)))
    off = judge_nic(nic(traffic=traffic(recorded(name)), ways=way, features=mangling(on=False)))

    assert on.verdict == "ready"
    assert (off.verdict == "not-ready") is (name == "fixed-id" and way == WHOLE_WAY)


def test_a_sender_of_one_ip_id_is_named_for_ipv4_alone_and_mended_by_mangleid() -> None:
    watched = {"traffic": traffic(recorded("fixed-id")), "ways": WHOLE_WAY}

    verdict = judge_nic(nic(**watched, features=mangling(on=False)))

    assert {family: found.verdict for family, found in verdict.families.items()} == {
        "ipv4": "not-ready",
        "ipv6": "ready",
    }
    assert verdict.finding.cause is not None
    assert verdict.finding.cause.id == "fixed-id-sender"
    assert verdict.fix[0].startswith(f"`ethtool -K tap0 {MANGLEID} on")
    assert verdict.ladder[-1].states == {"ipv4": "fail", "ipv6": "unknown"}
    assert judge_nic(nic(**watched, features=mangling(on=True))).verdict == "ready"


@pytest.mark.parametrize(
    "changes",
    [
        {"ways": Unasked("not looked at")},
        {"ways": ()},
        {"features": {name: each for name, each in mangling(on=True).items() if name != MANGLEID}},
        {"rsc": "hck", "purpose": "hck"},
    ],
    ids=["not walked", "no way", "ethtool tells no such feature", "hck"],
)
def test_nobody_is_accused_where_the_way_or_the_tap_is_not_known(changes: dict[str, Any]) -> None:
    known = {"traffic": traffic(recorded("fixed-id")), "ways": WHOLE_WAY, "features": mangling(on=False)}
    verdict = judge_nic(nic(**{**known, **changes}))

    assert verdict.ladder[-1].states["ipv4"] == "unknown"
    assert verdict.finding.cause is None or verdict.finding.cause.id != "fixed-id-sender"


def test_a_way_that_cuts_is_blamed_before_the_sender() -> None:
    verdict = judge_nic(nic(traffic=traffic(recorded("fixed-id")), ways=CUT_WAY, features=mangling(on=False)))

    assert verdict.finding.cause is not None
    assert verdict.finding.cause.id == "gro-off"


def test_what_nothing_explains_is_unknown_with_what_was_excluded() -> None:
    verdict = judge_nic(
        nic(traffic=traffic(recorded("gro-off")), ways=WHOLE_WAY, features=mangling(on=False))
    )

    assert (verdict.verdict, verdict.ladder[-1].states["ipv4"]) == ("ready", "unknown")
    assert verdict.ladder[-1].seen.endswith(
        "why is not known, excluded: its TAP's offloads, limits and queueing, the devices on the way to it, one IP ID for all"
    )


@pytest.mark.parametrize("name", ["fixed-id", "gro-off"])
def test_what_a_rung_below_explains_is_not_called_unexplained(name: str) -> None:
    watched = nic(traffic=traffic(recorded(name)), ways=CUT_WAY, features=mangling(on=False))
    [rule] = [cause for cause in CATALOGUE if cause.id == "not-coalesced"]

    assert "why is not known" not in judge_nic(watched).ladder[-1].seen
    assert not rule.holds(watched, "ipv4")
    assert rule.holds(replace(watched, ways=()), "ipv4")
    assert bool(rule.holds(replace(watched, ways=WHOLE_WAY), "ipv4")) is (name == "gro-off")


FIRST, THEN = stream(SEGMENT, 2).frames


@pytest.mark.parametrize(
    ("first", "then", "pair"),
    [
        ({}, {}, True),
        ({}, {"time": BACK_TO_BACK}, True),
        ({}, {"time": BACK_TO_BACK + 1}, False),
        ({"time": 700}, {}, False),
        ({"flags": 0x18}, {}, False),
        ({}, {"flags": 0x18}, True),
        ({}, {"flags": 0x11}, False),
        ({}, {"alike": False}, False),
        ({}, {"data": 700}, True),
        ({}, {"data": 1449}, False),
        ({}, {"sequence": 0}, False),
        ({}, {"sequence": 2896}, False),
        ({}, {"number": 0}, True),
        ({"whole": False}, {"number": 0, "whole": False}, False),
        ({}, {"number": 7}, False),
        ({"number": 0xFFFF}, {"number": 0}, True),
        ({"segment": 724}, {}, False),
        ({}, {"segment": 724}, False),
        ({"sequence": 0xFFFFFFFF}, {"sequence": 1447}, True),
    ],
)
def test_segments_count_only_where_gro_would_have_gathered_them(
    first: dict[str, Any], then: dict[str, Any], *, pair: bool
) -> None:
    flow = Flow("ipv4", (replace(FIRST, **first), replace(THEN, **then)))

    assert bool(together(flow)) is pair


@pytest.mark.parametrize(
    ("flow", "whole", "cut"),
    [
        (stream(LARGE, 3), True, False),
        (stream(LARGE, 2), False, False),
        (stream(replace(LARGE, data=2895), 50), False, False),
        (stream(replace(LARGE, data=2896), 50, gap=10**8), True, False),
        (stream(replace(SEGMENT, data=60000), 50), False, True),
        (stream(SEGMENT, 17), False, True),
        (stream(SEGMENT, 16), False, False),
        (stream(SEGMENT, 128, gap=12_000), False, False),
        (stream(SEGMENT, 17, family="ipv6"), False, True),
        (stream(replace(SEGMENT, flags=0x18), 128), False, False),
        (stream(SEGMENT, 128, numbers=77), False, False),
    ],
)
def test_a_flow_is_whole_cut_or_neither(flow: Flow, *, whole: bool, cut: bool) -> None:
    assert (is_whole(flow), is_cut(flow)) == (whole, cut)


def test_a_flow_that_is_mostly_slow_is_not_called_cut() -> None:
    burst, rest = stream(SEGMENT, 20), stream(SEGMENT, 60, gap=10**6)
    later = tuple(replace(frame, time=frame.time + 10**9) for frame in rest.frames)

    assert is_cut(burst)
    assert not is_cut(Flow("ipv4", burst.frames + later))


def test_a_flow_beside_that_is_whole_does_not_clear_one_of_one_ip_id() -> None:
    both = sample_of(*recorded("fixed-id").flows or (), *recorded("outside").flows or ())
    verdict = judge_nic(nic(traffic=traffic(both), ways=WHOLE_WAY, features=mangling(on=False)))

    assert verdict.ladder[-1].states["ipv4"] == "fail"


frames = st.builds(
    Frame,
    st.integers(0, 10**10),
    st.sampled_from([1, 536, 1428, 1448, 2896, 8948, 14480, 65160]),
    st.sampled_from([0, 0, 536, 1448, 8948]),
    st.integers(0, 0xFFFFFFFF),
    st.integers(-1, 0xFFFF),
    st.booleans(),
    st.sampled_from([0x10, 0x10, 0x18, 0x11, 0x50]),
    st.booleans(),
)
flows = st.builds(Flow, st.sampled_from(FAMILIES), st.lists(frames, max_size=40).map(tuple)) | st.builds(
    stream,
    frames,
    st.integers(1, 60),
    gap=st.sampled_from([100, 600, 3000, 3001, 12_000, 10**6]),
    numbers=st.sampled_from([0, 1, 2]),
    family=st.sampled_from(FAMILIES),
)
mixtures = st.lists(flows, max_size=5).map(lambda some: sample_of(*some))


@given(sample=mixtures, ways=st.sampled_from([(), WHOLE_WAY, Unasked("-")]), on=st.booleans())
@bounded(150)
def test_a_mixture_never_makes_a_nic_not_ready_by_itself(sample: TapSample, ways: Any, *, on: bool) -> None:
    verdict = judge_nic(nic(traffic=traffic(sample), ways=ways, features=mangling(on=on)))

    assert verdict.verdict == "ready" or (
        not on
        and ways == WHOLE_WAY
        and verdict.finding.cause
        and verdict.finding.cause.id == "fixed-id-sender"
    )
    assert verdict.families["ipv6"].verdict == "ready"


@given(mixtures, st.sampled_from(FAMILIES), st.integers(60, 70_000), st.sampled_from([1500, 9000]))
@bounded(150)
def test_a_pass_needs_frames_above_their_own_segment_and_of_its_family(
    sample: TapSample, family: Family, size: int, mtu: int
) -> None:
    mute = nic(traffic=traffic(sample, size=size, mtu=mtu), features=Unasked("ethtool is not installed"))
    large = [
        frame
        for flow in sample.flows or ()
        for frame in flow.frames
        if flow.family == family and frame.segment and frame.data >= 2 * frame.segment
    ]

    if coalesced(mute, family):
        assert len(large) >= 3
    if not large:
        assert judge_nic(mute).families[family].verdict == "unknown"


def test_frames_of_one_family_do_not_stand_for_the_other() -> None:
    verdict = judge_nic(nic(traffic=traffic(recorded("host")), features=Unasked("ethtool is not installed")))

    assert {f: found.verdict for f, found in verdict.families.items()} == {"ipv4": "ready", "ipv6": "unknown"}


GOOD = json.loads(RECORDED["small-writes"].read_text())
values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.integers(-(1 << 70), 1 << 70),
    lambda inner: (
        st.lists(inner, max_size=9) | st.dictionaries(st.sampled_from(["taps", "flows", "frames"]), inner)
    ),
)


@given(values)
@bounded(100)
def test_anything_else_is_unreadable(value: Any) -> None:
    for document in (value, {"taps": value}, {"taps": [{**GOOD["taps"][0], "flows": value}]}):
        try:
            found = parse_samples(json.dumps(document))
        except UnreadableError:
            continue
        assert all(isinstance(each, TapSample) for each in found)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"taps": 1}', '{"taps": [{}]}', "[" * 100_000])
def test_what_is_no_sample_is_unreadable(text: str) -> None:
    with pytest.raises(UnreadableError):
        parse_samples(text)


# But for a clock that is set back.
@pytest.mark.parametrize(
    "pair", [p for p in product(range(8), [True, None, "1", 1.5, -2, 1 << 64]) if p != (0, -2)]
)
def test_each_number_of_a_frame_is_one_that_there_can_be(pair: tuple[int, object]) -> None:
    row: list[object] = [0, 1448, 0, 0, 0, 1, 16, 1]
    row[pair[0]] = pair[1]
    flow = {"family": 4, "frames": [row]}

    with pytest.raises(UnreadableError):
        parse_samples(json.dumps({"taps": [{"seen": 1, "tcp": 1, "flows": [flow], "trouble": ""}]}))
