"""What legs come to: ratios of pairs, frames, processor time a GB, and plain sentences."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.verify.gain.figures import Side, Spread, spread
from provision.verify.gain.words import limit, oddities, sentence
from provision.verify.report.plots import Bar, plot, step
from tests.gains import gain, leg


def test_a_gain_is_the_median_of_the_pairs_and_not_of_the_legs() -> None:
    found = gain(((1.0, 1.0), (9.0, 3.0), (10.0, 2.0)))

    assert found.ratios == (1.0, 3.0, 5.0)
    assert found.ratio == Spread(3.0, 1.0, 5.0)
    assert found.on.gbps.median / found.off.gbps.median == 4.5


def test_a_leg_in_which_nothing_arrived_divides_nothing() -> None:
    assert gain(((1.0, 0.0), (3.0, 1.0))).ratios == (3.0,)
    assert gain(((1.0, 0.0),)).ratio.median == 0


def test_the_mean_frame_is_of_all_frames_and_not_of_the_legs_means() -> None:
    small, large = leg("on", 1, frames=999, octets=999_000), leg("on", 1, frames=1, octets=61_000)

    assert replace(gain(), legs=(small, large)).on.mean_frame == 1060


def test_processor_time_is_told_by_who_spends_it() -> None:
    side = gain().on

    assert side.host_seconds == pytest.approx(0.9 / 0.6)
    assert side.seconds("vcpu") == pytest.approx(5.7 / 0.6)
    assert side.seconds("vhost") is None
    assert side.guest_seconds == pytest.approx(10)


def test_vhosts_time_is_the_hosts_too() -> None:
    threads = {"vhost": (0.6,), "qemu": (0.3,), "vcpu": (3.0,)}
    side = replace(gain(), legs=(leg("on", 1, threads=threads),)).on

    assert side.host_seconds == pytest.approx(1.5)
    assert side.seconds("vhost") == pytest.approx(1.0)


def test_what_cannot_be_told_apart_is_not_told() -> None:
    unnamed = leg("on", 1, named=False, threads={"qemu": (6.0,), "vhost": (0.6,)}, guest_busy=None)
    side = replace(gain(), legs=(unnamed, leg("on", 1))).on

    assert side.host_seconds is side.seconds("vcpu") is side.guest_seconds is None
    assert replace(gain(), legs=(unnamed,)).on.seconds("vhost") == pytest.approx(1.0)


def test_retransmits_of_a_sender_that_does_not_tell_are_not_known() -> None:
    assert gain().on.retransmits == 10
    assert replace(gain(), legs=(leg("on", 1), leg("on", 1, retransmits=None))).on.retransmits is None


def test_the_sentence_says_what_rsc_is_worth() -> None:
    assert sentence(gain()) == "RSC is worth 3.8x here (0.88 → 3.36 Gb/s); mean frame 1.5 → 60 kB"


@pytest.mark.parametrize(("on", "words"), [(0.99, "0.99x"), (1.04, "1.04x"), (1.06, "1.1x"), (12.3, "12.3x")])
def test_what_is_no_gain_is_not_rounded_to_one(on: float, words: str) -> None:
    assert f"worth {words} here" in sentence(gain(((on, 1.0),)))


def test_each_leg_is_bound_by_who_has_no_time_left() -> None:
    assert limit(gain()) == (
        "RSC on: a processor of the guest is busy all the time (95% of one CPU); RSC off: no CPU is busy all the time, "
        "most of all a processor of the guest (50% of one): latency or the sender's TCP (cubic) bounds it"
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sender_busy": 0.97}, "the sender is busy all the time (97% of one CPU)"),
        ({"threads": {"vhost": (5.9,), "vcpu": (5.5,)}}, "vhost's thread is busy all the time (98% of one CPU) and a processor"),
        ({"threads": {"qemu": (5.9,)}, "named": False}, "a thread of QEMU's is busy all the time"),
        ({"threads": {"vcpu": (3.0, 3.0)}, "host_busy": 1.0}, "all CPUs of the host are busy (100%), with other work or this"),
        ({"threads": {}, "seconds": 0.0}, "no CPU is busy all the time, most of all the sender (10% of one)"),
    ],
)  # fmt: skip
def test_the_limit_names_whom_it_is(changes: dict[str, object], words: str) -> None:
    found = replace(gain(), legs=(leg("on", 3, **changes), leg("off", 1, **changes)))

    assert f"RSC on: {words}" in limit(found)
    assert f"RSC off: {words}" in limit(found)


def test_frames_that_do_not_fit_their_leg_are_told() -> None:
    even = replace(gain(), legs=(leg("on", 1, frames=400_000), leg("off", 1, frames=10_000)))

    small, large = oddities(even)
    assert not [*oddities(gain())]
    assert small.startswith(
        "frames of 60 kB on the mean reached the guest with RSC off, more than the MTU of 1500"
    )
    assert large.startswith("frames of 1.5 kB on the mean reached the guest with RSC on")


def test_a_jumbo_tap_s_frames_are_held_against_its_own_mtu() -> None:
    jumbo = leg("off", 1, frames=66_700)

    assert [*oddities(replace(gain(), mtu=9000, legs=(leg("on", 2), jumbo)))] == []


def test_pairs_that_contradict_each_other_are_told() -> None:
    assert "some pairs show a gain and some a loss" in next(oddities(gain(((1.2, 1.0), (0.8, 1.0)))))


@given(st.lists(st.floats(0.01, 1e3), min_size=1, max_size=9))
def test_a_median_lies_within_its_range(values: list[float]) -> None:
    found = spread(values)

    assert found.least <= found.median <= found.most


@given(st.floats(0, 1e12))
def test_an_axis_reaches_what_it_shows_and_not_far_beyond(most: float) -> None:
    assert step(most) * 4 >= most * 0.999_999
    assert most < 1e-300 or step(most) * 4 <= most * 10


def test_a_bar_is_as_long_as_its_parts_and_its_points_lie_on_the_axis() -> None:
    drawn = plot("t", [Bar("a", {"x": 1.0, "y": 3.0}, "4", (2.0, 4.0)), Bar("b", {"x": 0.0}, "0")])
    (_, first, wide), (_, second, wider) = drawn.bars[0].parts

    assert second == pytest.approx(first + wide)
    assert wider == pytest.approx(3 * wide)
    assert drawn.bars[0].ends is not None
    assert list(drawn.bars[0].ends) == pytest.approx([first + 2 * wide, first + 4 * wide])
    assert drawn.ticks[-1][0] == pytest.approx(first + 4 * wide)
    assert drawn.bars[1].ends is None
    assert drawn.words == "t: a 4, b 0"


def test_what_a_guest_tells_of_its_work_is_left_out_where_it_is_more_than_its_processors_ran() -> None:
    told, more = (Side("on", (leg("on", 3, guest_busy=busy),)) for busy in (6.0, 6.5))

    assert told.guest_seconds == pytest.approx(10.0)
    assert more.guest_seconds is None


def test_a_gain_is_held_against_the_smaller_of_both_figures() -> None:
    legs = (*gain().legs, leg("reference", 1.68))

    assert gain(legs=legs).least_ratio == pytest.approx(2.0)
    assert gain().least_ratio == gain().ratio.median


def test_a_figure_that_a_driver_makes_too_large_is_called_that() -> None:
    assert sentence(gain(at_most=True)).startswith("RSC is worth at most 3.8x here")
    assert any("mrg_rxbuf" in note for note in oddities(gain(at_most=True)))
