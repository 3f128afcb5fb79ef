"""Bridges and TAPs that are there and not as the lab file has them, on hosts that are plain data."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from provision.facts.ip import Link
from provision.plan import plan_apply, plan_up
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
    assert step.makes == ()
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
        "bridge br-lab was there before us and is left alone; it has address none, not address 10.9.0.1/24",
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


def test_an_address_is_the_same_however_it_is_written() -> None:
    lab = one_vm(**{"address: 10.9.0.1/24": 'address: "fd00:0::1/64"'})
    found = running()
    there = replace(found, links={**found.links, "br-lab": replace(BRIDGE, addresses=("fd00::1/64",))})

    assert plan_up(lab, "local", ["vm"], there).steps == ()
