"""TAPs as ports of Open vSwitch's bridges: made, put right, taken off."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from provision.facts.network import NetworkFacts
from provision.facts.ovs import OvsBridge, OvsPort, OvsRead
from provision.host.plan.down import plan_down
from provision.host.plan.ovs import port_mark
from provision.host.plan.resolved import resolved_view
from provision.host.plan.steps import Step
from provision.host.plan.taps import drifted_tap_steps
from provision.host.plan.up import plan_up
from provision.host.state import HostState, VirtualNetwork
from provision.runtime.command import Run
from tests.hosts import EMPTY, LAB, TAP, commands, running
from tests.ovs_host import DATAPATH, bare, with_ovs, words

NAT = VirtualNetwork(active=True, facts=NetworkFacts("nat", "virbr0"))


def on_ovs(tag: int | None = 10, bridge: str = "ovsbr0", mark: str = "", nic: str = "") -> list[Step]:
    """The steps for a running machine whose TAP is a port of Open vSwitch's."""
    lab = bare(nic or "bridge: ovsbr0, vlan: 10, ifname: tap0")
    port = OvsPort(tag, mark or port_mark(lab, "vm", "tap0"))
    found = with_ovs(running())
    bridges = {**found.ovs.bridges, bridge: OvsBridge(ports={"tap0": port})}
    links = {**found.links, "tap0": replace(TAP, master="ovs-system")}
    state = replace(found, links=links, ovs=OvsRead(bridges))
    return [step for step in plan_up(lab, "local", ["vm"], state).steps if "TAP" in step.what]


def test_a_new_tap_becomes_a_port_before_it_is_up_and_its_port_goes_first() -> None:
    lab = bare("bridge: ovsbr0, vlan: 10, ifname: tap0")
    [step] = [
        each for each in plan_up(lab, "local", ["vm"], with_ovs()).steps if each.what == "make TAP tap0"
    ]
    mark = port_mark(lab, "vm", "tap0")

    assert [argv[-4:] for argv in commands(step)][1:2] == [("ovsbr0", "tap0", mark, "10")]
    assert commands(step)[2] == ("ip", "link", "set", "dev", "tap0", "up")
    assert [run.argv[4] for run in step.undo if isinstance(run, Run)] == ["tap0", "tap0"]
    assert "+   vlan 10" in step.diff


def test_a_port_that_is_as_it_should_be_is_left_alone() -> None:
    assert on_ovs() == []


@pytest.mark.parametrize(
    ("changes", "before", "after", "done"),
    [
        ({"tag": 11}, "-   vlan 11", "+   vlan 10", "ovs-vsctl --timeout=10 set Port tap0 tag=10"),
        ({"tag": None}, "-   no VLAN", "+   vlan 10", "ovs-vsctl --timeout=10 set Port tap0 tag=10"),
        ({"nic": "bridge: ovsbr0, ifname: tap0"}, "-   vlan 10", "+   no VLAN", "ovs-vsctl --timeout=10 clear Port tap0 tag"),
        ({"bridge": "ovsbr1"}, "-   on bridge ovsbr1", "+   on bridge ovsbr0", "ovsbr0 tap0 MARK 10"),
        ({"bridge": "ovsbr1", "nic": "bridge: br0, ifname: tap0"}, "-   on bridge ovsbr1", "+   on bridge br0", "ovs-vsctl --timeout=10 --if-exists del-port tap0"),
    ],
)  # fmt: skip
def test_a_port_that_somebody_has_changed_is_put_right(
    changes: dict[str, Any], before: str, after: str, done: str
) -> None:
    [step] = on_ovs(**changes)

    assert {before, after} <= {*step.diff}
    assert words(step)[0] == done.replace("MARK", port_mark(LAB, "vm", "tap0"))
    assert not [run.argv for run in step.undo if isinstance(run, Run) and run.argv[-1] == "ovs-system"]


@pytest.mark.parametrize("nic", ["tap: on, ifname: tap0", "network: lan, ifname: tap0"])
def test_a_port_of_a_nic_that_names_no_bridge_is_somebody_elses_business(nic: str) -> None:
    lab = bare(nic, "libvirt")
    state = with_ovs(running(), tap0=OvsPort(10))
    state = replace(
        state,
        links={**state.links, "tap0": replace(TAP, master="ovs-system")},
        networks={"lan": VirtualNetwork(active=True, facts=NetworkFacts("bridge", "ovsbr0"))},
    )

    assert [*drifted_tap_steps(lab, resolved_view(lab, "vm", state), state)] == []


def test_a_tap_that_has_left_its_networks_bridge_is_put_back() -> None:
    lab = bare("network: lan, ifname: tap0", "libvirt")
    state = replace(running(), networks={"lan": NAT}, held={"vm": frozenset({"tap0"})})
    [step] = drifted_tap_steps(lab, resolved_view(lab, "vm", state), state)

    assert words(step) == ["ip link set dev tap0 master virbr0"]


def test_a_tap_that_is_no_port_becomes_one_and_leaves_the_linux_bridge() -> None:
    lab = bare("bridge: ovsbr0, vlan: 10, ifname: tap0")
    [step] = [each for each in plan_up(lab, "local", ["vm"], with_ovs(running())).steps if "TAP" in each.what]

    assert words(step)[:2] == [
        "ip link set dev tap0 nomaster",
        f"ovsbr0 tap0 {port_mark(lab, 'vm', 'tap0')} 10",
    ]


def test_ports_that_are_not_known_have_not_drifted() -> None:
    lab = bare("bridge: ovsbr0, vlan: 10, ifname: tap0")
    found = with_ovs(running(), trouble="no answer")
    found = replace(found, ovs=OvsRead({"ovsbr0": OvsBridge()}, "no answer"))

    assert not [step for step in plan_up(lab, "local", ["vm"], found).steps if "TAP" in step.what]


def gone(state: HostState) -> list[str]:
    """What `down` runs for TAPs."""
    return [each for step in plan_down(LAB, None, state).steps if "TAP" in step.what for each in words(step)]


def test_down_takes_the_port_off_before_its_tap() -> None:
    mark = port_mark(LAB, "vm", "tap0")
    there = with_ovs(running(), tap0=OvsPort(10, mark))

    assert gone(there) == [f"tap0 {mark}", "ip link del dev tap0"]
    assert gone(replace(there, links={**DATAPATH})) == [f"tap0 {mark}"], "it outlives its TAP"
    assert gone(replace(there, journal=EMPTY.journal, links={**DATAPATH})) == [f"tap0 {mark}"], (
        "and a journal"
    )
    assert gone(with_ovs(running(), tap0=OvsPort(10, "anybody's"))) == ["ip link del dev tap0"]


def test_down_does_not_forget_the_port_while_open_vswitch_does_not_answer() -> None:
    mark, there = port_mark(LAB, "vm", "tap0"), with_ovs(running())
    links = {**there.links, "tap0": replace(TAP, master="ovs-system")}

    silent = replace(there, links=links, ovs=OvsRead({"ovsbr0": OvsBridge()}, "no answer"))
    assert gone(silent) == [f"tap0 {mark}", "ip link del dev tap0"]
