"""Bridges and TAPs that are there and not as the lab file has them, on hosts that are plain data."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from provision.facts.ip import Link
from provision.host.journal import Journal, Thing, merged
from provision.host.plan.down import plan_down
from provision.host.plan.settings import plan_apply
from provision.host.plan.up import plan_up
from provision.host.state import HostState
from tests.builders import one_vm
from tests.hosts import BRIDGE, EMPTY, LAB, TAP, commands, running, whats

SET = ("ip", "link", "set", "dev")


@pytest.mark.parametrize(
    ("device", "changes", "command"),
    [
        (TAP, {"master": ""}, (*SET, "tap0", "master", "br-lab")),
        (TAP, {"master": "br-other"}, (*SET, "tap0", "master", "br-lab")),
        (TAP, {"up": False}, (*SET, "tap0", "up")),
        (BRIDGE, {"up": False}, (*SET, "br-lab", "up")),
        (BRIDGE, {"addresses": ()}, ("ip", "address", "add", "10.9.0.1/24", "dev", "br-lab")),
    ],
)
def test_what_has_drifted_is_put_right_and_can_be_taken_back(
    device: Any, changes: dict[str, Any], command: tuple[str, ...]
) -> None:
    found = running()
    drifted = replace(found, links={**found.links, device.name: replace(device, **changes)})

    [step] = plan_up(LAB, "local", ["vm"], drifted).steps

    assert commands(step) == [command]
    assert len(step.undo) == 1
    assert [thing.name for thing in step.makes] == (["br-lab"] if device is BRIDGE else [])
    assert step.diff[0].strip().endswith(device.name)


def test_an_mtu_is_put_right_where_the_lab_file_says_one() -> None:
    lab = one_vm(**{"ifname: tap0": "ifname: tap0, mtu: 9000", "address: 10.9.0.1/24": "mtu: 9000"})

    steps = plan_up(lab, "local", ["vm"], running()).steps

    assert whats(steps) == ["put bridge br-lab right", "put TAP tap0 right"]
    assert [commands(step) for step in steps] == [
        [(*SET, "br-lab", "mtu", "9000")],
        [(*SET, "tap0", "mtu", "9000")],
    ]


def test_a_bridge_that_was_there_before_us_is_left_alone_and_its_difference_said() -> None:
    found = running()
    theirs = replace(found, links={**found.links, "br-lab": replace(BRIDGE, alias="theirs", addresses=())})

    plan = plan_up(LAB, "local", ["vm"], theirs)

    assert plan.steps == ()
    assert plan.notes == (
        "bridge br-lab was there before us and is left alone; it has no address 10.9.0.1/24",
    )


@pytest.mark.parametrize("master", ["", "br-lab"])
def test_a_bridge_with_an_uplink_is_made_and_put_right_behind_the_hosts_own_undo(master: str) -> None:
    """The uplink may be the NIC by which we reach the host."""
    lab = one_vm(**{"address: 10.9.0.1/24": "uplink: eno1"})
    eno1 = Link("eno1", "", "", up=not master, mtu=1500, master=master)
    there = replace(running(), links={**running().links, "eno1": eno1})
    absent = replace(there, links={"eno1": replace(eno1, master="")}, journal=EMPTY.journal)

    for found, what in ((there, "put bridge br-lab right"), (absent, "make bridge br-lab")):
        [step] = plan_apply(lab, "local", found).steps
        assert (step.what, step.guarded) == (what, True)


GIVEN = {
    "uplinks": {"eno1": True, "eno2": False},
    "addresses": {"10.9.0.1/24": True},
    "mtus": {"1400": True},
}


def given(*uplinks: str) -> HostState:
    """A host where we have made a bridge with all that one can have; which NICs are under it."""
    nics = {name: Link(name, "", "", up=True, mtu=1500, master="br-lab") for name in uplinks}
    bridge = replace(BRIDGE, mtu=1400, addresses=("10.9.0.1/24", "fe80::1/64"))
    things = (Thing("bridge", "br-lab", was=json.dumps(GIVEN)),)
    return replace(EMPTY, links={"br-lab": bridge, **nics}, journal=Journal(LAB.file, things))


def test_what_the_lab_file_no_longer_says_of_a_bridge_of_ours_is_taken_from_it() -> None:
    """A second uplink beside the first would be a loop; an address of somebody else's stays."""
    lab = one_vm(**{"address: 10.9.0.1/24": "uplink: eno3"})
    eno3 = Link("eno3", "", "", up=True, mtu=1500, master="")
    found = given("eno1", "eno2")

    [step] = plan_apply(lab, "local", replace(found, links={**found.links, "eno3": eno3})).steps

    assert [argv[4:] for argv in commands(step)] == [
        ("eno1", "nomaster"),
        ("eno2", "nomaster"),
        ("eno2", "down"),
        ("dev", "br-lab"),
        ("br-lab", "mtu", "1500"),
        ("eno3", "master", "br-lab"),
    ]
    assert step.diff[1:] == (
        "-   uplink eno1",
        "-   uplink eno2",
        "-   eno2 up",
        "+   eno2 down",
        "-   address 10.9.0.1/24",
        "-   mtu 1400",
        "+   mtu 1500, as a bridge has it",
        "-   uplink eno3 on no bridge",
        "+   uplink eno3 on bridge br-lab",
    )
    assert step.guarded
    assert len(step.undo) == len(step.do)
    [thing] = step.makes
    assert json.loads(merged(found.journal.things[0], thing).was)["uplinks"] == {
        **GIVEN["uplinks"],
        "eno3": True,
    }


def test_what_somebody_else_has_given_a_bridge_of_ours_stays() -> None:
    lab = one_vm(**{"{address: 10.9.0.1/24}": "{}"})
    found = given("eno9")
    theirs = replace(BRIDGE, mtu=9000, addresses=("10.9.7.1/24",))

    assert plan_apply(lab, "local", replace(found, links={**found.links, "br-lab": theirs})).steps == ()


def test_down_removes_a_bridge_whose_uplink_the_lab_file_has_lost_and_sets_down_what_was_down() -> None:
    lab = one_vm(**{"{address: 10.9.0.1/24}": "{}"})

    plan = plan_down(lab, None, given("eno1", "eno2"))

    assert [commands(step) for step in plan.steps] == [
        [(*SET, "eno2", "down"), ("ip", "link", "del", "dev", "br-lab")]
    ]
    assert plan.notes == ()


def test_an_address_is_the_same_however_it_is_written() -> None:
    lab = one_vm(**{"address: 10.9.0.1/24": 'address: "fd00:0::1/64"'})
    found = running()
    there = replace(found, links={**found.links, "br-lab": replace(BRIDGE, addresses=("fd00::1/64",))})

    assert plan_up(lab, "local", ["vm"], there).steps == ()


def test_a_tap_that_an_interrupted_run_left_without_its_settings_is_put_right() -> None:
    half_made = replace(TAP, up=False, master="")
    found = replace(running(), links={"br-lab": BRIDGE, "tap0": half_made}, processes={})

    assert whats(plan_up(LAB, "local", ["vm"], found).steps) == ["start vm", "put TAP tap0 right"]


@pytest.mark.parametrize(
    ("declared", "noted"),
    [
        ("{}", {"uplinks": {}, "addresses": {}, "mtus": {}}),
        ("{mtu: 9000}", {"uplinks": {}, "addresses": {}, "mtus": {"9000": True}}),
        ("{address: 10.9.0.1/24}", {"uplinks": {}, "addresses": {"10.9.0.1/24": True}, "mtus": {}}),
        ("{uplink: eno1}", {"uplinks": {"eno1": False}, "addresses": {}, "mtus": {}}),
    ],
)
def test_what_a_bridge_has_from_us_is_noted_so_that_it_can_be_taken_from_it(
    declared: str, noted: dict[str, Any]
) -> None:
    lab = one_vm(**{"{address: 10.9.0.1/24}": declared})
    eno1 = Link("eno1", "", "", up=False, mtu=1500, master="")

    [step] = plan_apply(lab, "local", replace(EMPTY, links={"eno1": eno1})).steps

    assert [json.loads(thing.was) for thing in step.makes] == [noted]
    words = declared.strip("{}").replace(":", "")
    assert step.diff == ("+ bridge br-lab", *([f"+   {words}"] if words else []))
