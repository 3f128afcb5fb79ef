"""What is said of a NIC whose driver has not come, may come, or has changed its mind."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from provision.facts.ethtool_features import Feature
from provision.facts.virtio import VirtioFacts
from provision.verify.collect.monitor import UNWANTED
from provision.verify.evidence import Unasked
from provision.verify.judge.ladder import may_yet_load
from provision.verify.judge.verdict import judge_nic
from tests.builders import ON, features, nic, virtio

FIRMWARE = replace(virtio("linux"), negotiated=frozenset({"VIRTIO_NET_F_MAC", "VIRTIO_F_VERSION_1"}))
OFF = Feature(active=False, requested=False, fixed=False)


@pytest.mark.parametrize(
    ("changes", "may"),
    [
        ({"virtio": virtio("no-driver")}, True),
        ({"virtio": FIRMWARE}, True),
        ({"virtio": Unasked("not yet")}, True),
        ({"virtio": Unasked("never", final=True)}, False),
        ({}, False),
        ({"virtio": virtio("no-driver"), "state": "paused"}, False),
        ({"virtio": virtio("no-driver"), "model": "e1000e"}, False),
    ],
)
def test_a_driver_is_waited_for_where_one_may_come(changes: dict[str, Any], *, may: bool) -> None:
    assert may_yet_load(nic(**changes)) is may


def test_a_checksum_that_was_asked_for_in_vain_was_dropped_by_the_guest() -> None:
    in_vain = Feature(active=False, requested=True, fixed=False)
    dropped = {**features("guest-dropped-rsc-host-asked"), "tx-checksum-ip-generic": in_vain}

    cause = judge_nic(nic(features=dropped)).finding.cause

    assert cause is not None
    assert cause.id == "guest-disabled-rsc"


def test_a_tap_without_scatter_gather_is_accused_of_nothing_before_a_driver_is_known() -> None:
    tap = {**features("no-driver"), "tx-scatter-gather": OFF}

    verdict = judge_nic(nic(properties=UNWANTED, virtio=UNWANTED, features=tap))

    assert (verdict.verdict, verdict.finding.cause) == ("unknown", None)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (FIRMWARE, "only a firmware's driver has taken the device"),
        (virtio("no-driver"), "no driver has taken the device"),
    ],
)
def test_who_has_taken_the_device_is_told_at_its_rung(facts: VirtioFacts, words: str) -> None:
    [rung] = [each for each in judge_nic(nic(virtio=facts)).ladder if each.name == "negotiated"]

    assert rung.seen.startswith(words)


def test_a_qemu_that_has_no_engine_has_not_switched_it_on() -> None:
    without = {name: on for name, on in ON.items() if name != "guest_rsc_ext"}

    finding = judge_nic(nic(virtio=Unasked("no x-query-virtio-status"), properties=without)).finding

    assert (finding.verdict, finding.cause) == ("unknown", None)
