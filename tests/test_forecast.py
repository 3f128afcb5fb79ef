"""What *gathered* will find is said before a machine runs: of bridges that are there, and of those that `up` makes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from provision.facts.ip import Link
from provision.lab.load import parse_lab
from provision.verbs.forecast import way_notes
from tests.topologies import ADDRESSED, FIREWALL, NIC, WHOLE, features, link

LAB = """
version: 1
hosts: {local: {bridges: {br0: {%s}}, nics: {%s}}}
machines:
  vm: {guest: linux, memory: 64MiB, kernel: {image: /k}, nics: [{bridge: br0%s}]}
"""
OFF = features("generic-receive-offload")


def notes(
    links: list[Link], told: Mapping[str, Any], bridge: str = "", nics: str = "", more: str = ""
) -> list[str]:
    lab = parse_lab(LAB % (bridge, nics, more), "lab.yaml", "/", {})
    there = {each.name: each for each in links}
    return [*way_notes(lab, "local", ["vm"], there, {name: told.get(name, WHOLE) for name in there})]


def test_a_bridge_whose_uplink_does_not_gather_is_said_before() -> None:
    [note] = notes([ADDRESSED, NIC], {"eno1": OFF})

    assert note.startswith(
        "large frames do not come whole to br0: from outside (eno1: generic-receive-offload off)"
    )
    assert "`rscvm explain gro-off`" in note


@pytest.mark.parametrize(
    ("links", "told", "words"),
    [
        ([ADDRESSED, NIC], {}, {}),
        (FIREWALL, {}, {}),
        ([ADDRESSED, NIC], {"eno1": OFF}, {"nics": "eno1: {features: {generic-receive-offload: true}}"}),
        ([ADDRESSED, NIC], {"eno1": OFF}, {"more": ", rsc: false"}),
        ([link("eno1")], {}, {"bridge": "uplink: eno1"}),
        ([link("eno1")], {"eno1": OFF}, {}),
    ],
)
def test_what_is_whole_or_will_be_or_need_not_be_is_not_said(
    links: list[Link], told: Mapping[str, Any], words: dict[str, str]
) -> None:
    assert notes(links, told, **words) == []


def test_a_bridge_that_up_makes_is_looked_at_with_its_uplink() -> None:
    [note] = notes([link("eno1")], {"eno1": OFF}, bridge="uplink: eno1")

    assert "from outside (eno1: generic-receive-offload off)" in note
