"""QEMU's HCK engine: dropped at run time, and a test TAP that is not wire-like where nothing else can send."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from provision.facts.ethtool_features import Feature, Features, FeaturesRead
from provision.facts.ip import Link
from provision.tables.offloads import BY_SENDER
from provision.verify.collect.host_devices import TapsRead
from provision.verify.collect.taps import with_tap
from provision.verify.collect.wire import with_test_bridge
from provision.verify.evidence import NicEvidence, Unasked
from provision.verify.judge.verdict import NicVerdict, judge_nic
from tests.builders import features, nic, virtio
from tests.causes import HCK

OFF, RSC_OFFLOADS, ON = Feature(False, False, False), Feature(False, True, False), Feature(True, True, False)
ARMED = {**HCK, "virtio": virtio("hck-driver")}


def tap(csum: Feature, tso4: Feature, tso6: Feature) -> Features:
    names = ("tx-checksum-ip-generic", "tx-tcp-segmentation", "tx-tcp6-segmentation")
    return {**features("hck-wire-like"), **dict(zip(names, (csum, tso4, tso6), strict=True))}


def armed(csum: Feature, tso4: Feature, tso6: Feature, **changes: Any) -> NicVerdict:
    return judge_nic(nic(**{**ARMED, "features": tap(csum, tso4, tso6), **changes}))


def cause_of(verdict: NicVerdict) -> str | None:
    return verdict.finding.cause.id if verdict.finding.cause else None


def test_with_the_engine_on_tso_is_asked_for_and_kept_off() -> None:
    assert judge_nic(nic(**ARMED, features=features("hck-wire-like"))).verdict == "ready"
    assert armed(OFF, RSC_OFFLOADS, RSC_OFFLOADS).verdict == "ready"


@pytest.mark.parametrize(
    ("tso4", "tso6", "dropped"),
    [(OFF, OFF, {"ipv4", "ipv6"}), (OFF, RSC_OFFLOADS, {"ipv4"}), (RSC_OFFLOADS, OFF, {"ipv6"})],
)
def test_a_tso_that_nobody_asks_for_was_dropped_and_the_engine_with_it(
    tso4: Feature, tso6: Feature, dropped: set[str]
) -> None:
    found = armed(OFF, tso4, tso6)

    assert (found.verdict, cause_of(found)) == ("not-ready", "guest-disabled-rsc")
    assert {family for family, each in found.families.items() if each.verdict != "ready"} == dropped
    assert "QEMU's engine is off" in found.finding.seen
    assert any("Get-NetAdapterRsc" in line for line in found.fix)
    [by_hand] = [line for line in found.fix if "tso on" in line]
    assert by_hand.index("end `rscvm hck enforce`") < by_hand.index("tso on"), "it would undo that at once"


@pytest.mark.parametrize("tso", [OFF, RSC_OFFLOADS])
def test_dropped_beside_a_checksum_that_is_on_is_not_ready_on_a_quiet_bridge_too(tso: Feature) -> None:
    found = armed(ON, tso, tso, lone="br-test")

    assert (found.verdict, cause_of(found)) == ("not-ready", "guest-disabled-rsc")


def test_a_driver_that_does_not_run_has_dropped_nothing() -> None:
    found = armed(OFF, OFF, OFF, virtio=replace(virtio("no-driver"), offered=virtio("hck-driver").offered))

    assert cause_of(found) == "driver-not-loaded"


def test_a_test_tap_that_cannot_be_read_is_unknown_and_no_pass() -> None:
    found = judge_nic(nic(**ARMED, features=Unasked("ethtool is not installed")))

    assert (found.verdict, cause_of(found)) == ("unknown", "tap-unreadable")


DUT = Link(
    "tap0", "tun", "rscvm lab dut test 0", up=True, mtu=1500, master="br-test", tap=True, vnet_hdr=True
)
PEER = replace(DUT, name="tap1", alias="rscvm lab support test 0", carrier=True)
BRIDGE = Link("br-test", "bridge", "rscvm lab - br-test 0", up=True, mtu=1500, master="")
QUIET = replace(virtio("rsc-false"), offered=virtio("rsc-false").offered - BY_SENDER)
SUPPORT = nic(machine="support", tap="tap1", rsc="false", virtio=QUIET)


def seen(*links: Link, there: tuple[NicEvidence, ...] = (SUPPORT,), **routes: Any) -> NicVerdict:
    told = FeaturesRead({"tap0": features("hck-driver")})
    read = TapsRead(told, {link.name: link for link in links}, **routes)
    dut = with_tap(nic(**ARMED, bridge="br-test"), read)
    [found] = with_test_bridge([dut], read, [dut, *there])
    return judge_nic(found)


@pytest.mark.parametrize(
    "links",
    [
        (DUT, BRIDGE),
        (DUT, BRIDGE, PEER),
        (DUT, BRIDGE, replace(PEER, name="tap2", carrier=False)),
        (DUT, BRIDGE, replace(PEER, name="eno1", tap=False, kind="", master="br0")),
    ],
)
def test_where_nothing_else_can_send_with_offloads_it_is_a_note(links: tuple[Link, ...]) -> None:
    found = seen(*links)

    assert found.verdict == "ready"
    assert any("on br-test nothing else can send with offloads" in note for note in found.notes)
    assert {rung.states["ipv4"] for rung in found.ladder if rung.name == "passed"} == {"pass"}


@pytest.mark.parametrize(
    "links",
    [
        (DUT, replace(BRIDGE, addresses=("10.0.0.1/24",)), PEER),
        (DUT, replace(BRIDGE, master="vrf5"), PEER),
        (DUT, replace(BRIDGE, alias=""), PEER),  # not ours
        (DUT, replace(BRIDGE, kind="openvswitch"), PEER),
        (DUT, BRIDGE, PEER, replace(PEER, name="eno1", tap=False, kind="")),
        (DUT, BRIDGE, PEER, replace(PEER, name="veth0", tap=False, kind="veth")),
        (DUT, BRIDGE, PEER, replace(PEER, name="tap2")),  # of somebody who was not asked
        (DUT, BRIDGE, PEER, replace(PEER, name="v5", tap=False, kind="vlan", master="", lower="br-test")),
        (DUT, BRIDGE, PEER, replace(PEER, name="m0", tap=False, kind="macvlan", master="", lower="tap0")),
        (replace(DUT, master=""), BRIDGE, PEER),
        (BRIDGE, PEER),
    ],
)
def test_where_anything_else_may_it_is_not(links: tuple[Link, ...]) -> None:
    assert seen(*links).verdict != "ready"


@pytest.mark.parametrize("routes", [{"routed": frozenset({"br-test"})}, {"uplinks": ("br-test",)}])
def test_a_host_sends_without_an_address_of_the_bridges_where_a_route_leads_by_it(
    routes: dict[str, Any],
) -> None:
    assert cause_of(seen(DUT, BRIDGE, PEER, **routes)) == "not-wire-like"


@pytest.mark.parametrize(
    "there",
    [
        (),
        (replace(SUPPORT, virtio=virtio("rsc-false")),),  # with csum and TSO for what it sends
        (replace(SUPPORT, virtio=Unasked("-")),),
        (replace(SUPPORT, model="e1000e"),),
        (replace(SUPPORT, host="elsewhere"),),
        (SUPPORT, SUPPORT),
    ],
)
def test_a_peer_must_be_known_to_offer_nothing(there: tuple[NicEvidence, ...]) -> None:
    assert cause_of(seen(DUT, BRIDGE, PEER, there=there)) == "not-wire-like"


def test_what_a_sender_may_leave_to_others_is_all_of_the_hosts_side() -> None:
    assert {
        "VIRTIO_NET_F_CSUM",
        "VIRTIO_NET_F_GSO",
        "VIRTIO_NET_F_HOST_TSO4",
        "VIRTIO_NET_F_HOST_USO",
    } <= BY_SENDER
    assert not any("GUEST" in name for name in BY_SENDER)
