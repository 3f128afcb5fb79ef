"""What was set, or put back, and is not so when it is read back."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from provision.host.journal import Journal, Thing
from provision.host.plan.readback import no_longer_said, not_as_it_was, not_taken
from provision.host.read.nics import read_settings
from provision.host.state import HostState
from tests.builders import lab_of
from tests.nics import (
    Answers,
    captured_coalesce,
    captured_features,
    composed_coalesce,
    failed,
    found,
    lab_with,
)

OFF = {"active": False, "requested": False}
WAS: dict[str, dict[str, Any]] = {
    "features": {"generic-receive-offload": True, "no-longer-there": True},
    "coalesce": {"rx-usecs": 3},
}


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        (Answers(), []),
        (Answers(coalesce=captured_coalesce(rx_usecs=30)), ["rx-usecs is 30 and not 3"]),
        (
            Answers(features=captured_features(generic_receive_offload={"requested": False})),
            ["generic-receive-offload is off and not on"],
        ),
        (Answers(features=failed("gone")), ["it could not be read back (gone)"]),
    ],
)
def test_what_was_not_put_back_is_told_by_reading_it(answers: Answers, words: list[str]) -> None:
    nic = read_settings(answers, {"eth0": True})["eth0"]

    assert list(not_as_it_was(nic, WAS)) == words


def test_a_number_that_adaptive_coalescing_moves_is_as_it_was() -> None:
    answers = Answers(coalesce=composed_coalesce())
    nic = read_settings(answers, {"eth0": True})["eth0"]

    assert list(not_as_it_was(nic, {"coalesce": {"rx-usecs": 7, "adaptive-rx": True}})) == []
    assert list(not_as_it_was(nic, {"coalesce": {"rx-usecs": 7}})) == ["rx-usecs is 33 and not 7"]


GRO = "{features: {generic-receive-offload: on}}"
USECS = "{coalesce: {rx-usecs: 30}}"
ADAPTIVE = composed_coalesce(("rx-usecs: 33", "rx-usecs: 30"))
NOT_TAKEN = [
    (GRO, {}, []),
    (GRO, {"features": captured_features(generic_receive_offload=OFF)},
     ["generic-receive-offload is still off: the driver did not take it"]),
    (GRO, {"features": captured_features(generic_receive_offload={"active": False, "requested": True})},
     ["generic-receive-offload is still off: it is asked for, and the driver or a feature that it needs keeps it so"]),
    (GRO, {"features": captured_features(generic_receive_offload={"active": False, "fixed": True})},
     ["generic-receive-offload is still off: its driver has it fixed"]),
    (GRO, {"features": captured_features(generic_receive_offload=None)},
     ["generic-receive-offload could not be read back"]),
    (GRO, {"features": "[]"}, ["could not be read back: ethtool says nothing of it"]),
    (USECS, {"coalesce": captured_coalesce(rx_usecs=30)}, []),
    (USECS, {}, ["rx-usecs is 3 and not 30: the driver did not take it"]),
    (USECS, {"coalesce": composed_coalesce()},
     ["rx-usecs is 33 and not 30: adaptive coalescing is on and overrules it",
      "adaptive-rx is on and not off: the driver did not take it"]),
    (USECS, {"coalesce": ADAPTIVE}, ["adaptive-rx is on and not off: the driver did not take it"]),
    (USECS, {"coalesce": captured_coalesce(rx_usecs="n/a")}, ["rx-usecs could not be read back"]),
    (USECS, {"coalesce": failed("gone"), "coalesce_json": failed("gone")},
     ["its coalescing could not be read back: gone"]),
    ("{coalesce: {adaptive-rx: off}}", {}, []),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "answers", "sentences"), NOT_TAKEN)
def test_what_did_not_take_is_told_with_what_keeps_it(
    settings: str, answers: dict[str, Any], sentences: list[str]
) -> None:
    lab = lab_with(settings)
    said = [sentence.removeprefix("eth0: ") for sentence in not_taken(lab, "hv", found(lab, **answers).nics)]

    assert said == sentences


def test_what_an_earlier_apply_has_set_and_the_lab_file_no_longer_says_is_noted() -> None:
    was = {"features": {"tx-nocache-copy": True, "tx-tcp-segmentation": True}, "coalesce": {"rx-usecs": 33}}
    journal = Journal(things=(Thing("nic", "eth0", was=json.dumps(was)),))
    tso = "{features: {tcp-segmentation-offload: off}, coalesce: {rx-usecs: 30}}"
    gone = lab_of("version: 1\nhosts: {hv: {address: hv}}\n")

    said = {
        "the rest": [*no_longer_said(lab_with(tso), "hv", replace(found(lab_with(tso)), journal=journal))],
        "the NIC": [*no_longer_said(gone, "hv", HostState("hv", journal=journal))],
        "nothing": [*no_longer_said(lab_with(tso), "hv", found(lab_with(tso)))],
    }

    words = "which an earlier apply has set: `rscvm down` puts that back"
    assert said == {
        "the rest": [f"eth0: the lab file no longer says tx-nocache-copy, {words}"],
        "the NIC": [
            f"eth0: the lab file no longer says tx-nocache-copy, tx-tcp-segmentation, rx-usecs, {words}"
        ],
        "nothing": [],
    }


def test_what_somebody_has_put_back_by_hand_is_not_noted() -> None:
    lab = lab_with("{}")
    journal = Journal(things=(Thing("nic", "eth0", was='{"features": {"tx-nocache-copy": false}}'),))

    assert [*no_longer_said(lab, "hv", replace(found(lab), journal=journal))] == []
