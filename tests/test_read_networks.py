"""What is read of libvirt's networks and of Open vSwitch, and when they are asked."""

from __future__ import annotations

from typing import Any

import pytest

from provision.facts.ip import Link
from provision.facts.network import NetworkFacts, parse_network
from provision.facts.ovs import OvsBridge, OvsPort, OvsRead, parse_ovs
from provision.host.read.ovs import read_ovs
from provision.runtime.command import Result
from provision.runtime.errors import UnreadableError
from tests.builders import FIXTURES, FakeHost

OVS_FILES = FIXTURES / "ovs-3.1.0"
ISOLATED = "<network><name>lan</name><uuid>x</uuid><bridge name='virbr3' stp='on' delay='0'/></network>"


def link(name: str, kind: str = "openvswitch", master: str = "", **more: Any) -> Link:
    return Link(name, kind, "", up=True, mtu=1500, master=master, **more)


DATAPATH = {"ovs-system": link("ovs-system"), "ovsbr0": link("ovsbr0"), "br0": link("br0", "bridge")}


@pytest.mark.parametrize("text", ["", "{}\n{}", "x", '{"data":[],"headings":[]}'])
def test_what_is_no_listing_is_unreadable(text: str) -> None:
    with pytest.raises(UnreadableError, match="ovs-vsctl's bridges"):
        parse_ovs(text)


def test_what_is_no_network_is_unreadable() -> None:
    with pytest.raises(UnreadableError, match="a libvirt network's XML"):
        parse_network("<network>")


@pytest.mark.parametrize(
    ("xml", "facts"),
    [
        (ISOLATED, NetworkFacts("", "virbr3")),
        ("<network><forward mode='bridge'/><bridge name='ovsbr0'/><virtualport type='openvswitch'/></network>", NetworkFacts("bridge", "ovsbr0")),
        ("<network><forward mode='passthrough'><interface dev='eno1'/></forward></network>", NetworkFacts("passthrough", "")),
        ("<network><forward mode='hostdev' managed='yes'><pf dev='eno1'/></forward></network>", NetworkFacts("hostdev", "")),
    ],
)  # fmt: skip
def test_whether_a_network_has_taps_its_bridge_tells(xml: str, facts: NetworkFacts) -> None:
    assert parse_network(xml) == facts


@pytest.mark.parametrize("name", ["userspace", "one-port"])
def test_what_ovs_vsctl_lists_is_read(name: str) -> None:
    found = parse_ovs((OVS_FILES / f"{name}.json").read_text())

    mark = "rscvm lab vm tap0 abc"
    ports = {"ovsbr0": OvsPort(), "tap0": OvsPort(10, mark), "int0": OvsPort()}
    kept = ports if name == "userspace" else {"ovsbr0": OvsPort()}
    assert found == {"ovsbr0": OvsBridge(userspace=True, ports=kept)}


class Answering(FakeHost):
    """A host whose ovs-vsctl answers."""

    def run(self, argv: Any, *, stdin: str = "", timeout: float = 60) -> Result:  # noqa: ARG002
        self.said.append(tuple(argv))
        return Result(self.name, tuple(argv), *self.answer)

    answer: tuple[int, str, str] = (0, "", "")


@pytest.mark.parametrize(
    ("answer", "trouble"),
    [
        ((127, "", ""), "ovs-vsctl is not installed (Debian: openvswitch-switch)"),
        ((1, "", "database connection failed"), "database connection failed"),
        ((0, "{}", ""), "bridges"),
    ],
)
def test_where_open_vswitch_does_not_answer_the_kernel_tells_its_bridges(
    answer: tuple[int, str, str], trouble: str
) -> None:
    host = Answering()
    host.answer = answer
    ports = {"eth1": link("eth1", "", "ovs-system")}

    found = read_ovs(host, {**DATAPATH, **ports})

    assert [*found.bridges] == ["ovsbr0"]
    assert trouble in found.trouble


def test_open_vswitch_is_asked_only_where_a_device_is_its() -> None:
    host = Answering()

    assert read_ovs(host, {"br0": link("br0", "bridge")}) == OvsRead()
    assert host.said == []
    host.answer = (0, (OVS_FILES / "userspace.json").read_text(), "")
    assert [*read_ovs(host, {"ovs-netdev": link("ovs-netdev", "tun", tap=True)}).bridges] == ["ovsbr0"]
