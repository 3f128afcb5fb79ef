"""libvirt's networks and Open vSwitch's bridges: what is rendered, planned, refused and taken down."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from provision.facts.ip import Link
from provision.facts.network import NetworkFacts
from provision.facts.ovs import OvsBridge, OvsPort, OvsRead
from provision.host.plan.domain_drift import edits
from provision.host.plan.down import plan_down
from provision.host.plan.ovs import port_mark
from provision.host.plan.resolved import resolved_view
from provision.host.plan.steps import Step
from provision.host.plan.taps import drifted_tap_steps
from provision.host.plan.up import plan_up
from provision.host.state import HostState, VirtualNetwork
from provision.render.machine import domain_xml, qemu_argv
from provision.render.view import machine_view
from provision.runtime.command import Run
from provision.runtime.errors import RequestError
from provision.verbs.forecast import way_notes
from provision.verbs.script import machine_script
from tests.builders import lab_of
from tests.hosts import EMPTY, LAB, TAP, commands, lacking, running

Golden = Callable[[str, str], None]
NETWORKS = """\
version: 1
machines:
  networked:
    guest: linux
    memory: 192MiB
    accel: tcg
    kernel: {image: /srv/vmlinuz}
    nics: [{network: "lan <&>"}, {bridge: ovsbr0, vlan: 10}, {bridge: br0}]
  bare:
    backend: qemu
    guest: linux
    memory: 192MiB
    accel: tcg
    kernel: {image: /srv/vmlinuz}
    nics: [{bridge: ovsbr0, vlan: 10, ifname: tap0}]
"""
PORTS = {"eth1": OvsPort(), "ovsbr0": OvsPort()}


def bare(nic: str, backend: str = "qemu") -> Any:
    """The machine of `tests.hosts.running`, with another NIC."""
    text = f"""\
version: 1
hosts: {{local: {{bridges: {{br-lab: {{address: 10.9.0.1/24}}}}}}}}
machines:
  vm:
    backend: {backend}
    guest: linux
    memory: 192MiB
    accel: tcg
    kernel: {{image: /srv/vmlinuz, initrd: /srv/initrd.gz}}
    nics: [{{{nic}}}]
"""
    return lab_of(text)


def link(name: str, kind: str = "openvswitch", master: str = "", **more: Any) -> Link:
    return Link(name, kind, "", up=True, mtu=1500, master=master, **more)


DATAPATH = {"ovs-system": link("ovs-system"), "ovsbr0": link("ovsbr0"), "br0": link("br0", "bridge")}


def with_ovs(found: HostState = EMPTY, trouble: str = "", **ports: OvsPort) -> HostState:
    """The host with two bridges of Open vSwitch's, and these ports beside those of ovsbr0."""
    bridges = {"ovsbr0": OvsBridge(ports={**PORTS, **ports}), "ovsbr1": OvsBridge()}
    return replace(found, links={**found.links, **DATAPATH}, ovs=OvsRead(bridges, trouble))


def on_ovs(tag: int | None = 10, bridge: str = "ovsbr0", mark: str = "", nic: str = "") -> list[Step]:
    """The steps for a running machine whose TAP is a port of Open vSwitch's."""
    lab = bare(nic or "bridge: ovsbr0, vlan: 10, ifname: tap0")
    port = OvsPort(tag, mark or port_mark(lab, "vm", "tap0"))
    found = with_ovs(running())
    bridges = {**found.ovs.bridges, bridge: OvsBridge(ports={"tap0": port})}
    links = {**found.links, "tap0": replace(TAP, master="ovs-system")}
    state = replace(found, links=links, ovs=OvsRead(bridges))
    return [step for step in plan_up(lab, "local", ["vm"], state).steps if "TAP" in step.what]


def words(step: Step) -> list[str]:
    """What a step runs, scripts by their first words and their arguments."""
    argvs = (run.argv for run in step.do if isinstance(run, Run))
    return [" ".join(argv[4:] if argv[:2] == ("sh", "-c") else argv) for argv in argvs]


@pytest.mark.parametrize("name", ["networked", "bare"])
def test_xml_names_the_network_and_the_port_of_open_vswitch(name: str, golden: Golden) -> None:
    golden(f"{name}.xml", domain_xml(machine_view(lab_of(NETWORKS), name)))


def test_a_script_makes_the_tap_a_port_and_takes_it_off_again(golden: Golden) -> None:
    lab = lab_of(NETWORKS)

    golden("bare.sh", machine_script(lab, "bare"))
    golden("bare.argv.json", json.dumps(qemu_argv(machine_view(lab, "bare")), indent=1) + "\n")
    done = subprocess.run(
        ["shellcheck", "--severity=warning", "-"],
        input=machine_script(lab, "bare"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_what_only_libvirt_can_attach_is_no_command_line() -> None:
    with pytest.raises(RequestError, match=r"network \(nic net0\) needs libvirt"):
        qemu_argv(machine_view(lab_of(NETWORKS), "networked"))


def test_whether_a_bridge_is_open_vswitchs_the_host_tells_and_render_takes_one_with_a_vlan_for_one() -> None:
    lab = bare("bridge: ovsbr0", "libvirt")

    assert "openvswitch" not in domain_xml(machine_view(lab, "vm"))
    assert "openvswitch" not in domain_xml(resolved_view(lab, "vm", EMPTY))
    assert '<virtualport type="openvswitch"/>' in domain_xml(resolved_view(lab, "vm", with_ovs()))


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


def refusals(nic: str, state: HostState, backend: str = "qemu") -> list[str]:
    found = lacking(bare(nic, backend), ["vm"], state)
    return [sentence.removeprefix("vm.net0: ") for sentence in found if "/dev" not in sentence]


USERSPACE = replace(with_ovs(), ovs=OvsRead({"ovsbr0": OvsBridge(userspace=True)}))


@pytest.mark.parametrize(
    ("nic", "state", "said"),
    [
        ("bridge: br0, vlan: 10", with_ovs(), "br0 is a Linux bridge: vlan needs an OVS bridge (libvirt 11.0"),
        ("bridge: br-lab, vlan: 10", with_ovs(), "br-lab is a Linux bridge: vlan needs an OVS bridge"),
        ("bridge: ovs-system", with_ovs(), "vm: ovs-system is there and is no bridge"),
        ("bridge: ovsbr0, ifname: t", with_ovs(t=OvsPort()), "ovsbr0 has a port t already, which is not ours"),
        ("bridge: ovsbr0", USERSPACE, "ovsbr0 is an OVS bridge whose packets go by ovs-vswitchd"),
        ("bridge: ovsbr0", with_ovs(trouble="not there"), "Open vSwitch, whose bridge ovsbr0 is, cannot be asked: not there"),
    ],
)  # fmt: skip
def test_what_a_bridge_cannot_do_is_refused_with_the_reason(nic: str, state: HostState, said: str) -> None:
    [sentence] = refusals(nic, state)

    assert sentence.startswith(said)


@pytest.mark.parametrize(
    ("nic", "state", "backend"),
    [
        ("bridge: ovsbr0, vlan: 10", with_ovs(), "qemu"),
        ("bridge: ovsbr0", with_ovs(trouble="x"), "libvirt"),
        ("bridge: ovsbr0, rsc: false", USERSPACE, "qemu"),
    ],
)
def test_what_can_be_had_is_not_refused(nic: str, state: HostState, backend: str) -> None:
    assert refusals(nic, state, backend) == []


def test_the_engine_is_not_put_on_open_vswitch_whichever_way_its_packets_go() -> None:
    lab = bare("bridge: ovsbr0, rsc: hck", "qemu\n    purpose: hck")
    state = replace(USERSPACE, links={**DATAPATH, "ovsbr0": link("ovsbr0", "tun", tap=True)})

    assert any(
        "is Open vSwitch's: what else it carries cannot be seen" in each
        for each in lacking(lab, ["vm"], state)
    )


NAT = VirtualNetwork(active=True, facts=NetworkFacts("nat", "virbr0"))


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (None, "libvirt has no network lan (`virsh net-list --all`"),
        (replace(NAT, active=False), "libvirt's network lan is not active (virsh net-start lan)"),
        (VirtualNetwork(active=True, facts=NetworkFacts("hostdev", "")), "libvirt's network lan has no bridge (forward mode hostdev)"),
    ],
)  # fmt: skip
def test_a_network_that_gives_no_tap_is_refused_with_the_reason(
    network: VirtualNetwork | None, said: str
) -> None:
    [sentence] = refusals(
        "network: lan", replace(EMPTY, networks={"lan": network} if network else {}), "libvirt"
    )

    assert sentence.startswith(said)


def test_a_machine_on_a_network_beside_the_engine_is_refused() -> None:
    links = {"virbr0": link("virbr0", "bridge"), "t": link("t", "tun", "virbr0", tap=True)}
    state = replace(EMPTY, networks={"lan": NAT}, links=links, engines={"t": "dut"})

    assert any(
        "that runs with QEMU's HCK engine" in each for each in refusals("network: lan", state, "libvirt")
    )
    assert refusals("network: lan", replace(state, engines={}), "libvirt") == []


def test_what_libvirt_adds_to_a_nic_that_runs_is_nobodys_edit() -> None:
    """The bridge and port of a network, and the id of a port of Open vSwitch's."""
    wanted = domain_xml(machine_view(lab_of(NETWORKS), "networked"))
    there = wanted.replace('<virtualport type="openvswitch"/>', OWN_ID).replace(
        '<interface type="network">', '<interface type="bridge">'
    )
    there = there.replace('<source network="lan &lt;&amp;&gt;"/>', ACTUAL)

    assert there.count("portid") == there.count("interfaceid") - 1 == 1
    assert edits(wanted, there) == ()
    assert edits(wanted, there.replace('id="10"', 'id="11"')) != ()
    assert edits(wanted, there.replace("lan &lt;", "wan &lt;")) != ()


OWN_ID = '<virtualport type="openvswitch"><parameters interfaceid="0a"/></virtualport>'
ACTUAL = f'<source network="lan &lt;&amp;&gt;" portid="p" bridge="ovsbr0"/><vlan><tag id="7"/></vlan>{OWN_ID}'


def test_a_forecast_sees_the_ports_of_the_datapath_behind_a_bridge_of_open_vswitchs() -> None:
    lab = bare("bridge: ovsbr0")
    uplink = replace(link("eth1", "", "ovs-system"), carrier=True)

    assert not [*way_notes(lab, "local", ["vm"], {**DATAPATH, "eth1": uplink}, {})]
