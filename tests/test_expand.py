"""What a test lab expands to: machines, their NICs, and the two networks that they are on."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree

from provision.facts.domain import parse_domain
from provision.facts.ip import Link
from provision.host.marks import device_mark
from provision.host.plan.steps import Step
from provision.host.plan.up import plan_up
from provision.host.state import BRIDGE_FILTER, HostState
from provision.lab.derived import derived_mac
from provision.lab.expand import who_says
from provision.lab.file import read_lab
from provision.lab.spec import Lab
from provision.render.machine import domain_xml, qemu_argv
from provision.render.view import Choices, machine_view
from provision.tables.topology import TOPOLOGIES
from tests.builders import lab_of
from tests.hosts import EMPTY, commands, runs
from tests.labs import HLK, hlk, networks
from tests.options import read_command_line

ENGINE = {"guest_rsc_ext": "on", "rsc_interval": "1000000"}


def test_a_lab_is_machines_that_are_for_hck_on_a_control_and_a_test_bridge() -> None:
    lab = hlk()
    control, test = networks(lab)

    assert list(lab.machines) == ["rsc-controller", "rsc-dut", "rsc-support"]
    assert {machine.purpose for machine in lab.machines.values()} == {"hck"}
    nics = {name: [(nic.name, nic.model, nic.bridge, nic.profile) for nic in machine.nics]
            for name, machine in lab.machines.items()}  # fmt: skip
    assert nics == {
        "rsc-controller": [("control", "e1000e", control, "false")],
        "rsc-dut": [("control", "e1000e", control, "false"), ("test", "virtio", test, "hck")],
        "rsc-support": [("control", "e1000e", control, "false"), ("test", "virtio", test, "false")],
    }
    assert lab.machines["rsc-dut"].disks[0].image == "/srv/win.qcow2"


def test_a_lab_without_test_is_the_topology_alone() -> None:
    lab = hlk(hlk="hlk", **{"topology: hlk-two-machine": "topology: hlk-two-machine, test: none"})

    assert [nic.profile for name in ("rsc-dut", "rsc-support") for nic in lab.machines[name].nics] == [
        "false", "true", "false", "true"]  # fmt: skip


def test_dut_only_has_the_networks_and_no_peer() -> None:
    lab = lab_of("version: 1\nlabs: {one: {topology: dut-only, dut: {guest: linux, memory: 1GiB}}}\n")

    assert list(lab.machines) == ["one-dut"]
    assert [nic.name for nic in lab.machines["one-dut"].nics] == ["control", "test"]
    assert len(lab.host("local").bridges) == 2


def test_names_and_macs_are_the_same_whenever_the_file_is_read_and_others_for_another_lab() -> None:
    def names(lab: Lab) -> set[str]:
        nics = [nic for machine in lab.machines.values() for nic in machine.nics]
        return {*lab.host("local").bridges, *(nic.mac for nic in nics), *(nic.ifname for nic in nics)}

    assert names(hlk()) == names(hlk("qemu"))
    assert len(names(hlk())) == 2 + 5 + 5
    assert not names(hlk()) & names(hlk(**{"  rsc:": "  other:"}))
    assert all(re.fullmatch("[A-Za-z0-9_.:-]{1,17}", name) for name in names(hlk()))
    assert all(len(name) <= 15 for name in names(hlk()) if ":" not in name)


def test_the_duts_test_nic_alone_has_the_engine_on_a_root_port_without_vhost_and_one_queue() -> None:
    lab = hlk("qemu")

    lines = {name: read_command_line(qemu_argv(machine_view(lab, name))) for name in lab.machines}
    engines = {(name, id_) for name, line in lines.items() for id_, device in line.ids("-device").items()
               if device.items() & ENGINE.items()}  # fmt: skip
    assert engines == {("rsc-dut", "ua-test")}
    dut = lines["rsc-dut"]
    device, netdev = dut.ids("-device")["ua-test"], dut.ids("-netdev")["host-test"]
    assert (device["driver"], device["bus"]) == ("virtio-net-pci", "port-ua-test")
    assert dut.ids("-device")["port-ua-test"]["driver"] == "pcie-root-port"
    assert [id_ for id_, other in dut.ids("-device").items() if other.get("bus") == device["bus"]] == [
        "ua-test"
    ]
    assert ENGINE.items() <= device.items()
    assert (netdev["vhost"], "queues" in netdev, "mq" in device) == ("off", False, False)
    assert {line.ids("-device")["ua-control"]["driver"] for line in lines.values()} == {"e1000e"}


def test_the_domain_of_the_dut_says_the_same() -> None:
    lab = hlk()
    texts = {name: domain_xml(machine_view(lab, name)) for name in lab.machines}

    asked = {
        (name, nic.alias) for name, text in texts.items() for nic in parse_domain(text).nics if nic.rsc_asked
    }
    assert asked == {("rsc-dut", "ua-test")}
    driver = etree.fromstring(texts["rsc-dut"].encode()).find("devices/interface[2]/driver")
    assert driver is not None
    assert (driver.get("name"), driver.get("queues")) == ("qemu", None)
    assert 'value="1000000"' in texts["rsc-dut"]


def test_the_support_machine_can_leave_nothing_to_whoever_it_sends_to() -> None:
    """What it sends is like a wire whatever the DUT's TAP has on."""
    line = read_command_line(qemu_argv(machine_view(hlk("qemu"), "rsc-support")))

    device = line.ids("-device")["ua-test"]
    sent = {name: device[name] for name in ("csum", "gso", "host_tso4", "host_tso6", "host_ufo")}
    assert set(sent.values()) == {"off"}
    assert {device["guest_csum"], device["guest_tso4"], device["guest_tso6"]} == {"off"}


Golden = Callable[[str, str], None]


@pytest.mark.parametrize("name", ["rsc-dut", "rsc-support"])
def test_the_machines_of_a_lab_stay_as_they_are(name: str, golden: Golden) -> None:
    view = machine_view(hlk("qemu"), name, Choices(kvm=True, vhost=True))

    golden(f"{name}.argv.json", json.dumps(qemu_argv(view), indent=1) + "\n")
    golden(f"{name}.xml", domain_xml(machine_view(hlk(), name, Choices(kvm=True, vhost=True))))


def steps_for(found: HostState = EMPTY) -> dict[str, Step]:
    """What is to be done for the lab's bridges, by bridge."""
    lab = hlk()
    every = plan_up(lab, "local", [], found).steps
    return {name: step for name in networks(lab) for step in every if name in step.what}


def test_the_test_bridge_is_made_like_a_wire_and_the_control_bridge_like_any() -> None:
    control, test = networks(hlk())
    steps = steps_for()

    add, *_ = commands(steps[test])
    assert add == ("ip", "link", "add", "name", test, "address", derived_mac("lab", "bridge", test), "txqueuelen", "11000", "type", "bridge", "stp_state", "0",
                   "forward_delay", "0", "nf_call_iptables", "0", "nf_call_ip6tables", "0", "nf_call_arptables", "0")  # fmt: skip
    [made, *_] = runs(steps[test].do)
    assert "silent" in made.argv
    assert not any("address" in words[:2] for words in commands(steps[test]))
    assert steps[test].diff == (f"+ bridge {test}", "+   a wire: no address, txqueuelen 11000, nf_call_* 0")
    assert steps[control].diff == (f"+ bridge {control}",)
    assert commands(steps[control])[0][-4:] == ("stp_state", "0", "forward_delay", "0")


def test_what_somebody_did_to_the_test_bridge_is_put_right() -> None:
    lab = hlk()
    _, test = networks(lab)
    mark = device_mark(lab, "", test)
    good = Link(test, "bridge", mark, up=True, mtu=1500, master="", queue=11000)
    bad = replace(good, queue=1000, addresses=("10.0.0.1/24",), filters=("nf_call_iptables",))

    assert test not in steps_for(replace(EMPTY, links={test: good}))
    assert commands(steps_for(replace(EMPTY, links={test: bad}))[test]) == [
        ("ip", "address", "del", "10.0.0.1/24", "dev", test),
        ("ip", "link", "set", "dev", test, "txqueuelen", "11000"),
        ("ip", "link", "set", "dev", test, "type", "bridge", "nf_call_iptables", "0"),
    ]


def test_that_the_host_filters_every_bridge_is_said_because_no_bridge_can_take_itself_out() -> None:
    lab = hlk()
    _, test = networks(lab)

    assert plan_up(lab, "local", [], replace(EMPTY, bridge_filter=True)).notes == (
        f"{test}: {BRIDGE_FILTER}",
    )
    assert plan_up(lab, "local", [], EMPTY).notes == ()


def test_a_control_bridge_may_be_declared_with_an_address() -> None:
    control, _ = networks(hlk())
    lab = lab_of(
        HLK.replace("BACKEND", "")
        + f"hosts: {{local: {{bridges: {{{control}: {{address: 10.1.0.1/24}}}}}}}}\n"
    )

    assert lab.host("local").bridges[control].address == "10.1.0.1/24"
    assert len(lab.host("local").bridges) == 2


def test_a_bridge_that_a_lab_makes_is_said_to_come_from_it_and_a_declared_one_from_its_host() -> None:
    control, test = networks(hlk())
    declared = f"hosts: {{local: {{bridges: {{{control}: {{address: 10.1.0.1/24}}, br0: {{}}}}}}}}\n"
    lab = lab_of(HLK.replace("BACKEND", "") + declared)

    why = {step.what: step.why for step in plan_up(hlk(), "local", [], EMPTY).steps}

    assert why[f"make bridge {test}"] == "labs.rsc declares it, and it is not there"
    assert [who_says(hlk(), "local", name) for name in (control, test)] == ["labs.rsc"] * 2
    assert [who_says(lab, "local", name) for name in (control, test, "br0")] == [
        f"hosts.local.bridges.{control}",
        "labs.rsc",
        "hosts.local.bridges.br0",
    ]


def test_every_topology_has_a_device_under_test() -> None:
    assert all("dut" in row.roles for row in TOPOLOGIES.values())


def test_the_example_gives_each_client_an_image_of_its_own_and_neither_secure_boot_nor_sleep() -> None:
    lab = read_lab(str(Path(__file__).parent.parent / "examples" / "hlk-rsc.yaml"))

    assert len({disk.image for machine in lab.machines.values() for disk in machine.disks}) == len(
        lab.machines
    )
    for name in lab.machines:
        view = machine_view(lab, name)
        assert view.firmware == "uefi"
        pm = etree.fromstring(domain_xml(view)).find("pm")
        assert pm is not None
        assert [(each.tag, each.get("enabled")) for each in pm] == [
            ("suspend-to-mem", "no"),
            ("suspend-to-disk", "no"),
        ]
        assert {"ICH9-LPC.disable_s3=1", "ICH9-LPC.disable_s4=1"} <= {*qemu_argv(view)}
