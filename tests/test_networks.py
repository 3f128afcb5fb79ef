"""libvirt's networks and Open vSwitch's bridges: what is rendered, planned, refused and taken down."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace

import pytest

from provision.facts.network import NetworkFacts
from provision.facts.ovs import OvsBridge, OvsPort, OvsRead
from provision.host.plan.domain_drift import edits
from provision.host.plan.resolved import resolved_view
from provision.host.state import HostState, VirtualNetwork
from provision.render.machine import domain_xml, qemu_argv
from provision.render.view import machine_view
from provision.runtime.errors import RequestError
from provision.verbs.script import machine_script
from tests.builders import lab_of
from tests.hosts import EMPTY, lacking, running
from tests.ovs_host import DATAPATH, bare, link, with_ovs

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
        ("bridge: ovsbr0, ifname: tap0", with_ovs(running(), tap0=OvsPort()), "qemu"),
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
