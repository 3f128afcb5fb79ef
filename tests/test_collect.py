"""What is made of each source's answer, and of each one's silence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from provision.facts.ethtool_features import FeaturesRead
from provision.host.state import HostState
from provision.render.machine import domain_xml
from provision.render.view import machine_view
from provision.runtime.errors import HostError, RefusedError
from provision.runtime.protocols import Domain
from provision.verify.collect.host_devices import TapsRead
from provision.verify.collect.machines import collect_domain, collect_lab
from provision.verify.collect.monitor import read_properties, read_virtio, with_monitor
from provision.verify.collect.taps import with_tap
from provision.verify.evidence import Unasked, named_apart
from provision.verify.judge.verdict import judge_nic
from tests.builders import FIXTURES, FakeEdges, FakeMonitor, features, nic, one_vm
from tests.cases import next_start
from tests.recordings import OneDomain

STATUS = json.loads((FIXTURES / "qemu-7.2.22" / "virtio-status-linux.json").read_text())


def qom(answers: Mapping[str, Any]) -> Any:
    def answer(arguments: dict[str, Any]) -> object:
        return answers.get(arguments["property"], RefusedError("no such property", "GenericError"))

    return answer


PATH = "/machine/peripheral/ua-net0"
ON = {"guest_csum": True, "guest_tso4": True, "guest_tso6": False, "guest_rsc_ext": False}


def test_a_property_that_this_qemu_does_not_have_is_left_out() -> None:
    told = {name: on for name, on in ON.items() if name != "guest_rsc_ext"}

    assert read_properties(FakeMonitor({"qom-get": qom(told)}), PATH) == told


def test_a_device_that_is_not_there_is_unasked() -> None:
    gone = RefusedError("Device 'ua-net0' not found", "DeviceNotFound")

    assert read_properties(FakeMonitor({"qom-get": gone}), PATH) == Unasked("QEMU has no device ua-net0")


def test_a_qemu_without_the_status_command_is_unknown_with_the_reason() -> None:
    old = FakeMonitor(
        {"qom-get": qom(ON), "x-query-virtio-status": RefusedError("no such command", "CommandNotFound")}
    )

    asked = with_monitor(nic(properties=Unasked("-"), features=features("no-driver")), old)
    verdict = judge_nic(asked)

    assert asked.properties == ON
    assert verdict.families["ipv4"].verdict == "unknown"
    assert "x-query-virtio-status" in verdict.families["ipv4"].seen
    rungs = {rung.name: (rung.states["ipv4"], rung.seen) for rung in verdict.ladder}
    assert rungs["offered"][0] == rungs["negotiated"][0] == "unknown"
    assert "7.2 and later" in rungs["negotiated"][1]


def test_a_monitor_that_falls_silent_costs_only_what_it_had_not_told() -> None:
    silent = FakeMonitor({"qom-get": qom(ON), "x-query-virtio-status": HostError("did not answer")})

    asked = with_monitor(nic(), silent)

    assert asked.properties == ON
    assert asked.virtio == Unasked("did not answer")


def test_another_refusal_is_said_in_qemus_words() -> None:
    refusing = FakeMonitor(
        {"x-query-virtio-status": RefusedError("Path is not a VirtIO device", "GenericError")}
    )

    assert read_virtio(refusing, PATH) == Unasked("Path is not a VirtIO device")


@pytest.mark.parametrize(
    ("changes", "read", "reason"),
    [
        ({"state": "off"}, FeaturesRead({}), "the machine is not running"),
        (
            {"tap": None},
            FeaturesRead({}),
            "QEMU was handed its TAP as a descriptor, and nobody looked which one that is",
        ),
        ({}, FeaturesRead({}, "ethtool is not installed"), "ethtool is not installed"),
        ({}, FeaturesRead({}), "no device tap0 on local"),
        ({}, FeaturesRead({"tap0": {}}), "ethtool tells no tx-checksum-ip-generic"),
    ],
)
def test_a_tap_that_does_not_tell_says_why(changes: dict[str, Any], read: FeaturesRead, reason: str) -> None:
    assert with_tap(nic(**changes), TapsRead(read)).features == Unasked(reason)


def domain(**changes: str) -> Domain:
    xml = domain_xml(machine_view(one_vm("libvirt"), "vm"))
    for old, new in changes.items():
        assert old in xml
        xml = xml.replace(old, new)
    return Domain("vm", "off", xml, xml)


@pytest.mark.parametrize("model", ["virtio", "virtio-transitional", "virtio-non-transitional"])
def test_every_kind_of_virtio_is_virtio(model: str) -> None:
    [found] = collect_domain(
        FakeEdges(), "local", domain(**{'<model type="virtio"/>': f'<model type="{model}"/>'})
    )

    assert found.model == "virtio"


def test_a_nic_is_called_as_the_lab_file_calls_it_else_by_its_alias() -> None:
    [ours] = collect_domain(FakeEdges(), "local", domain())
    [theirs] = collect_domain(
        FakeEdges(), "local", domain(**{'<alias name="ua-net0"/>': '<alias name="ua-hand"/>'})
    )
    [nameless] = collect_domain(FakeEdges(), "local", domain(**{'<alias name="ua-net0"/>': ""}))

    assert [(found.nic, found.rsc) for found in (ours, theirs, nameless)] == [
        ("net0", "true"), ("ua-hand", None), ("net0", None)]  # fmt: skip


def test_a_nic_that_the_domain_has_lost_is_not_passed_over() -> None:
    lab = one_vm("libvirt")
    edited = domain(**{'<alias name="ua-net0"/>': '<alias name="ua-hand"/>'})
    found = HostState("local", domains={"vm": edited})

    nics = collect_lab(FakeEdges(), lab, ["vm"], found)

    assert [one.nic for one in nics] == ["ua-hand", "net0"]
    assert nics[1].virtio == Unasked("the domain has no NIC ua-net0", final=True)
    assert judge_nic(nics[1]).verdict == "unknown"


@pytest.mark.parametrize("state", ["running", "off"])
def test_of_a_strangers_domain_that_bears_a_machines_name_nothing_is_told_as_the_machines(state: str) -> None:
    lab = one_vm("libvirt")
    theirs = domain(**{'lab="lab"': 'lab="another"'})
    found = HostState("local", domains={"vm": replace(theirs, state=state)})

    [nic] = collect_lab(FakeEdges(), lab, ["vm"], found)
    verdict = judge_nic(nic)

    assert (nic.nic, nic.tap, nic.properties) == ("net0", None, nic.virtio)
    assert verdict.verdict == "unknown"
    assert "a domain of that name is there and is not ours" in verdict.finding.seen


def past_libvirt(*words: str) -> Domain:
    arguments = "".join(f"<qemu:arg value='{word}'/>" for word in words)
    xml = domain().live_xml.replace("</domain>", f"<qemu:commandline>{arguments}</qemu:commandline></domain>")
    return replace(
        domain(),
        live_xml=xml.replace(
            "<domain ", '<domain xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0" ', 1
        ),
        state="running",
    )


def test_flags_past_libvirt_are_said_also_where_the_monitor_is_left_out() -> None:
    asked = past_libvirt("-global", "virtio-net-pci.guest_rsc_ext=on")
    [nic_there] = collect_domain(FakeEdges(), "local", asked, monitor=False)
    [without_flags] = collect_domain(FakeEdges(), "local", past_libvirt("-global", "x=y"), monitor=False)

    assert (nic_there.rsc_asked, without_flags.rsc_asked) == (True, False)


def test_nics_past_libvirt_are_there_also_where_the_monitor_is_left_out() -> None:
    words = ("-netdev", "user,id=u", "-device", "virtio-net-pci,netdev=u,id=past")
    [_, found] = collect_domain(FakeEdges(), "local", past_libvirt(*words), monitor=False)

    assert (found.nic, found.kind) == ("past", "user")
    assert "libvirt does not tell of it" in found.notes[-1]


@pytest.mark.parametrize(
    ("word", "asked"),
    [
        ("virtio-net-pci.guest_rsc_ext=true", True),
        ("virtio-net-pci.guest_rsc_ext=yes", True),
        ("virtio-net-pci,id=n,guest_rsc_ext=on,netdev=u", True),
        ("{&quot;driver&quot;: &quot;virtio-net-pci&quot;, &quot;guest_rsc_ext&quot;: true}", True),
        ("virtio-net-pci.guest_rsc_ext=off", False),
        ("virtio-net-pci.guest_rsc_ext=only", False),
    ],
)
def test_flags_past_libvirt_are_known_however_they_are_written(word: str, asked: bool) -> None:  # noqa: FBT001
    [found] = collect_domain(FakeEdges(), "local", past_libvirt("-global", word), monitor=False)

    assert found.rsc_asked is asked


def test_nics_of_one_name_are_named_apart() -> None:
    """libvirt calls what is plugged in `net0` beside our `ua-net0`."""
    nics = [nic(), nic(mac="52:54:00:12:34:57"), nic(mac=""), nic(nic="net1")]

    assert [each.nic for each in named_apart(nics)] == ["net0", "52:54:00:12:34:57", "net0 2", "net1"]


PAST = (
    "-netdev",
    "tap,id=n,ifname=t",
    "-device",
    "virtio-net-pci,netdev=n,id=past,guest_tso4=off",
    "-device",
    "e1000,id=old",
)


def test_of_nics_past_libvirt_the_monitor_tells_the_virtio_ones_and_the_arguments_the_others() -> None:
    telling, dumb = FakeMonitor({"x-query-virtio": []}), FakeMonitor({})

    def found(monitor: FakeMonitor) -> list[str]:
        edges = FakeEdges(daemon=OneDomain(qmp=monitor))
        return [nic.nic for nic in collect_domain(edges, "local", past_libvirt(*PAST))]

    assert [name for name in found(telling) if name in ("past", "old")] == ["old"], "it was plugged out"
    assert [name for name in found(dumb) if name in ("past", "old")] == ["past", "old"]


@pytest.mark.parametrize(
    ("kept", "definition"),
    [
        (PAST, None),
        ((*PAST[:3], "virtio-net-pci,netdev=n,id=past"), ("ready", "")),
        (("-S",), ("not-ready", "")),
    ],
)
def test_what_the_next_start_makes_of_a_nic_past_libvirt_is_told_where_it_is_another(
    kept: tuple[str, ...], definition: tuple[str, str] | None
) -> None:
    domain = replace(past_libvirt(*PAST), persistent_xml=past_libvirt(*kept).live_xml)
    nics = {nic.nic: nic for nic in collect_domain(FakeEdges(), "local", domain, monitor=False)}

    assert next_start(judge_nic(nics["past"])) == definition
