"""What watched traffic says, and what the TAP alone says where the monitor is left out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provision.facts.frames import TapSample
from provision.verify.collect.monitor import UNWANTED
from provision.verify.evidence import Traffic, Unasked
from provision.verify.judge.causes.catalogue import CATALOGUE
from provision.verify.judge.flows import coalesced
from provision.verify.judge.verdict import judge_nic
from provision.verify.report.text import as_text
from tests.builders import features, nic
from tests.frames import recorded, traffic

BULK = traffic(recorded("gro-off"))
LARGE = traffic(recorded("host"), size=60_000)
OLD = traffic(TapSample(500, 500))
"""As 0.1.0 sampled it."""
BLIND = {"properties": UNWANTED, "virtio": UNWANTED}


@pytest.mark.parametrize(
    ("traffic", "answer"),
    [
        (LARGE, True),
        (BULK, False),
        (OLD, False),
        (replace(OLD, frames=999, octets=999 * 1514), None),
        (replace(OLD, frames=1000, octets=1000 * 1514), False),
        (replace(OLD, octets=5000 * 66), None),
        (replace(OLD, octets=5000 * 9014, mtu=9000), False),
        (replace(OLD, octets=5000 * 1530), False),
        (replace(OLD, octets=5000 * 1531), None),
        (replace(OLD, sample=TapSample(500, 449)), None),
        (replace(OLD, sample=TapSample()), None),
        (replace(OLD, sample=None), None),
        (replace(LARGE, sample=None), None),
        (Traffic(0, 0, 1.0, 1500), None),
        (Unasked("there is no device to watch"), None),
        (None, None),
    ],
)
def test_only_large_frames_or_many_single_segments_tell(
    traffic: Traffic | Unasked | None, answer: object
) -> None:
    assert coalesced(nic(traffic=traffic), "ipv4") is answer


def test_traffic_that_tells_nothing_speaks_against_nothing() -> None:
    verdict = judge_nic(nic(traffic=Traffic(3, 200, 1.0, 1500)))

    assert verdict.verdict == "ready"
    assert verdict.ladder[-1].states == {"ipv4": "unknown", "ipv6": "unknown"}
    assert "3 frames of 67 bytes on average (MTU 1500)" in verdict.ladder[-1].seen


def test_no_traffic_is_explained_where_it_was_watched() -> None:
    [rule] = [cause for cause in CATALOGUE if cause.id == "no-traffic"]

    assert rule.holds(nic(traffic=Traffic(0, 0, 1.0, 1500)), "ipv4")
    assert not rule.holds(nic(), "ipv4")
    assert not rule.holds(nic(traffic=LARGE), "ipv4")
    assert rule.holds(nic(traffic=LARGE), "ipv6")


@pytest.mark.parametrize("traffic", [LARGE, BULK])
def test_a_macvtap_counts_before_it_cuts_so_nothing_follows_from_it(traffic: Traffic) -> None:
    verdict = judge_nic(nic(kind="direct", traffic=traffic))

    assert verdict.verdict == "unknown"
    assert verdict.ladder[-1].states == {"ipv4": "unknown", "ipv6": "unknown"}
    assert "before it cuts them" in verdict.ladder[-1].seen


def test_frames_above_the_mtu_stand_for_the_features_of_a_tap_that_cannot_be_read() -> None:
    mute = {"features": Unasked("ethtool is not installed")}

    assert judge_nic(nic(**mute, traffic=LARGE)).families["ipv4"].verdict == "ready"
    assert judge_nic(nic(**mute, traffic=BULK)).families["ipv4"].verdict == "unknown"
    assert judge_nic(nic(**BLIND, **mute, traffic=LARGE)).families["ipv4"].verdict == "unknown"


def test_frames_that_are_not_tcp_speak_against_nothing() -> None:
    verdict = judge_nic(nic(traffic=traffic(TapSample(500, 0), size=1502)))

    assert verdict.verdict == "ready"
    assert "0% of a sample TCP" in verdict.ladder[-1].seen


def test_frames_above_the_mtu_do_not_mend_a_broken_rung() -> None:
    mute = Unasked("ethtool is not installed")
    broken = judge_nic(nic(features=mute, traffic=LARGE, virtio=Unasked("the monitor is silent")))
    off = judge_nic(nic(traffic=LARGE, features=features("host-tx-off")))

    assert broken.verdict == "unknown"
    assert off.verdict == "not-ready"


def test_frames_of_mtu_size_are_told_at_the_broken_rung_where_there_is_one() -> None:
    verdict = judge_nic(nic(traffic=BULK, features=features("host-tx-off")))

    assert verdict.finding.cause is not None
    assert verdict.finding.cause.id == "host-disabled-checksum"
    assert "1 flow in frames of one segment, back to back" in verdict.ladder[-1].seen


@pytest.mark.parametrize("watched", [BULK, OLD])
def test_single_segments_alone_make_nobody_not_ready(watched: Traffic) -> None:
    verdict = judge_nic(nic(traffic=watched))
    [rule] = [cause for cause in CATALOGUE if cause.id == "not-coalesced"]

    assert (verdict.verdict, verdict.ladder[-1].states["ipv4"]) == ("ready", "unknown")
    assert rule.holds(nic(traffic=watched), "ipv4")
    assert rule.verdict(nic(traffic=watched)) == "unknown"


def test_without_monitor_the_tap_alone_makes_a_nic_ready() -> None:
    verdict = judge_nic(nic(**BLIND))

    assert verdict.verdict == "ready"
    assert [rung.states["ipv4"] for rung in verdict.ladder[:4]] == ["unknown"] * 3 + ["pass"]


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"features": features("no-driver")}, None),
        ({"features": features("host-tx-off")}, None),
        ({"features": features("guest-dropped-rsc")}, "tap-segmentation-off"),
        ({"features": features("guest-dropped-rsc-host-asked")}, "tap-segmentation-off"),
        ({"features": features("host-sg-off")}, "host-disabled-segmentation"),
        ({"kind": "direct"}, "tap-unreadable"),
        ({"kind": "user", "features": Unasked("there is no TAP")}, "no-vnet-header"),
        ({"model": "e1000e"}, "not-virtio"),
        ({"state": "off"}, "machine-off"),
        ({"rsc_asked": True, "purpose": None, "rsc": None}, "hck-flags-in-production"),
        ({"features": Unasked("ethtool is not installed")}, "tap-unreadable"),
    ],
)
def test_without_monitor_nothing_else_is_ready(changes: dict[str, object], cause: str | None) -> None:
    verdict = judge_nic(nic(**{**BLIND, **changes}))

    assert verdict.verdict != "ready"
    assert (verdict.finding.cause.id if verdict.finding.cause else None) == cause


def test_without_monitor_neither_hck_nor_off_is_known() -> None:
    hck = judge_nic(nic(**BLIND, rsc="hck", purpose="hck", features=features("hck-wire-like")))
    off = judge_nic(nic(**BLIND, rsc="false"))

    assert (hck.verdict, off.verdict) == ("unknown", "unknown")


def test_a_monitor_that_could_not_be_asked_is_not_one_that_was_left_out() -> None:
    assert judge_nic(nic(virtio=Unasked("nothing within 10 s"))).verdict == "unknown"


def test_a_nic_of_no_known_model_is_unknown_and_not_called_emulated() -> None:
    verdict = judge_nic(nic(model="", virtio=Unasked("-"), features=Unasked("-")))

    assert (verdict.verdict, verdict.finding.cause) == ("unknown", None)
    assert verdict.finding.seen == "libvirt tells no model of this NIC"


def test_a_nic_of_another_host_is_told_by_it_where_its_fix_is_read() -> None:
    [head, *_] = as_text([judge_nic(nic(host="hv1"))])
    [near, *_] = as_text([judge_nic(nic())])

    assert head.plain.startswith("vm.net0 on hv1  ")
    assert near.plain.startswith("vm.net0  ")


def test_words_for_lab_files_are_for_machines_of_lab_files() -> None:
    off = {"guest_csum": True, "guest_tso4": False, "guest_tso6": False}

    assert any(words.startswith("lab file: ") for words in judge_nic(nic(properties=off)).fix)
    assert not any(words.startswith("lab file: ") for words in judge_nic(nic(properties=off, rsc=None)).fix)
