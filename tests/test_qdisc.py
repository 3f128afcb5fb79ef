"""Queueing disciplines as tc tells them: those that cut large frames, and no others."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from provision.facts.qdisc import parse_queueing
from provision.runtime.errors import UnreadableError


def test_queueing_that_cuts_large_frames_is_told_from_queueing_that_does_not(
    fixture_text: Callable[[str], str],
) -> None:
    assert parse_queueing(fixture_text("iproute2-6.1/qdisc.json")).devices == {
        "tap0": "tbf with a burst of 10237 bytes"
    }


@pytest.mark.parametrize(
    ("options", "cuts"),
    [({}, True), ({"split_gso": True}, True), ({"split_gso": False}, False)],
)
def test_cake_cuts_large_frames_unless_it_is_told_not_to(options: dict[str, bool], cuts: bool) -> None:  # noqa: FBT001
    """By tc's source (q_cake.c): there is no cake here to capture."""
    text = json.dumps([{"kind": "cake", "dev": "tap0", "root": True, "options": options}, {}])

    assert parse_queueing(text).devices == ({"tap0": "cake with split-gso"} if cuts else {})


@pytest.mark.parametrize(
    "text", ["{", "7", '[{"kind": "tbf"}]', '[{"kind": "tbf", "dev": "a", "options": {"burst": "x"}}]']
)
def test_queueing_that_is_none_is_unreadable(text: str) -> None:
    with pytest.raises(UnreadableError):
        parse_queueing(text)


@pytest.mark.parametrize(("root", "whole"), [("htb", False), ("prio", False), ("mq", True)])
def test_what_a_class_alone_has_is_not_the_devices_unless_each_queue_has_its_own(
    root: str, *, whole: bool
) -> None:
    leaf = {"kind": "tbf", "dev": "tap0", "parent": "1:20", "options": {"burst": 5000}}
    found = parse_queueing(json.dumps([leaf, {"kind": root, "dev": "tap0", "root": True, "options": {}}]))

    words = {"tap0": "tbf with a burst of 5000 bytes"}
    assert (found.devices, found.classes) == ((words, {}) if whole else ({}, words))
