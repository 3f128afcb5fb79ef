"""The way from the wire to the TAP: where it leads in ordinary networks, and which place cuts what comes by it."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from provision.facts.ip import Limits
from provision.verify.collect.host_devices import TapsRead
from provision.verify.collect.ways import ways_to
from provision.verify.evidence import NicEvidence
from provision.verify.judge.fold import arrivals, drawn_words, told, walked
from provision.verify.judge.verdict import NicVerdict, judge_nic
from tests.builders import nic
from tests.topologies import (
    ADDRESSED,
    BRIDGE,
    FIREWALL,
    NIC,
    NO_TSO,
    OFF,
    TAP,
    TOPOLOGIES,
    features,
    link,
    read,
)
from tests.way_faults import FAULTS

GRO = "generic-receive-offload"


def on(host: TapsRead, **changes: Any) -> NicEvidence:
    """A NIC whose TAP is tap0 there."""
    return nic(ways=ways_to(host, "", "tap0"), **changes)


def judged(host: TapsRead, **changes: Any) -> NicVerdict:
    return judge_nic(on(host, **changes))


def cause(verdict: NicVerdict) -> str:
    return verdict.finding.cause.id if verdict.finding.cause else verdict.verdict


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_a_healthy_host_is_walked_and_stays_ready(name: str) -> None:
    host, words = TOPOLOGIES[name]
    found = on(host)

    assert drawn_words(found) == words
    assert {each.whole for family in ("ipv4", "ipv6") for _, each in arrivals(found, family)} <= {True}
    assert judge_nic(found).verdict == "ready"


def test_a_tap_that_may_be_a_port_of_an_open_vswitch_without_the_kernel_is_not_walked() -> None:
    host = read([link("tap0", "tun"), link("ovs-netdev", "tun")])

    assert drawn_words(on(host)) == (
        "outside: not walked, tap0 may be a port of ovs-vswitchd's, which works without the kernel; this host: tap0"
    )
    assert drawn_words(on(read([link("tap0", "tun")]))) == "this host: tap0"


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_whatever_is_switched_off_anywhere_is_found_unless_it_is_gathered_again(name: str) -> None:
    host, _ = TOPOLOGIES[name]
    for way in ways_to(host, "", "tap0"):
        for number, hop in enumerate(way.hops):
            if hop.act == "hands on":
                continue
            off = (GRO,) if hop.act == "receives" else NO_TSO
            broken = replace(hop, features={**(hop.features or {}), **dict.fromkeys(off, OFF)})
            hops = (*way.hops[:number], broken, *way.hops[number + 1 :])
            later = next((each for each in way.hops[number + 1 :] if each.act != "hands on"), None)
            after = hop.act == "sends" and later is not None and later.act == "receives"
            alone = (
                hop.act == "receives" and number > 0
            )  # what came to it was whole, or is gathered by nobody before it
            verdict = judge_nic(nic(ways=(replace(way, hops=hops),)))

            assert verdict.verdict == ("ready" if after or alone else "not-ready"), (name, hop.device)
            if verdict.verdict != "ready":
                assert hop.device in verdict.finding.seen


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_said_with_its_place_and_whose_traffic(name: str) -> None:
    host, wanted, words = FAULTS[name]
    verdict = judged(host)

    assert told(walked(verdict.evidence)) == words
    assert cause(verdict) == wanted
    if wanted != "ready":
        assert verdict.finding.seen == words


def test_families_are_told_apart() -> None:
    found = judged(read([TAP, ADDRESSED, NIC], told={"br0": features("tx-tcp6-segmentation")}))

    assert [found.families[family].verdict for family in ("ipv4", "ipv6")] == ["ready", "not-ready"]


def test_which_ports_of_open_vswitch_are_on_one_bridge_is_not_guessed() -> None:
    links = [
        link("tap0", "tun", master="ovs-system"),
        link("ovs-system", "openvswitch", up=False),
        link("eno1", master="ovs-system"),
        link("eno2", master="ovs-system"),
    ]
    one = judged(read(links, told={"eno2": features(GRO)}))
    both = judged(read(links, told={"eno1": features(GRO), "eno2": features(GRO)}))

    assert one.verdict == "ready"
    rung = next(rung for rung in one.ladder if rung.name == "gathered")
    assert rung.states["ipv4"] == "unknown"
    assert "`ovs-vsctl show` tells" in told(walked(one.evidence))
    assert cause(both) == "gro-off"


def test_what_is_not_to_receive_large_frames_is_not_judged_by_its_way() -> None:
    host = read([TAP, BRIDGE, NIC], told={"eno1": features(GRO)})

    for changes in ({"rsc": "hck", "purpose": "hck"}, {"rsc": "false"}):
        rung = next(rung for rung in judged(host, **changes).ladder if rung.name == "gathered")
        assert rung.states == {"ipv4": "skipped", "ipv6": "skipped"}


def test_a_device_of_which_ethtool_tells_nothing_is_unknown() -> None:
    found = on(read([TAP, BRIDGE, NIC], told={"eno1": {}}))

    assert told(walked(found)) == "from outside (not known, ethtool tells nothing of eno1)"
    assert judge_nic(found).verdict == "ready"


def test_a_ring_of_veths_is_gone_round_once_in_either_direction() -> None:
    ring = [
        link("a", "veth", master="br0", lower="b"),
        link("b", "veth", master="br1", lower="a"),
        link("br1", "bridge"),
        link("c", "veth", master="br1", lower="d"),
        link("d", "veth", master="br0", lower="c"),
    ]

    found = ways_to(read([TAP, ADDRESSED, NIC, *ring]), "", "tap0")

    around = ["d c br1 b a", "a b br1 c d"]
    assert {" ".join(hop.device for hop in way.hops) for way in found} == {
        f"{start}br0{turn}" for start in ("", "eno1 ") for turn in ("", *(f" {each} br0" for each in around))
    }


def test_hundreds_of_firewall_bridges_cost_seconds_and_no_minutes() -> None:
    """Each has a bridge of its own, from which all the others' are walked to."""
    rows = [[replace(each, name=f"{each.name}.{n}", master=each.master if each.master == "br0" else f"{each.master}.{n}",
                     lower=f"{each.lower}.{n}") for each in FIREWALL[:4]] for n in range(300)]  # fmt: skip
    host = read([ADDRESSED, NIC, *(each for row in rows for each in row)])

    begun = time.process_time()
    found = {len(ways_to(host, "", f"tap0.{n}")) for n in range(300)}

    assert found == {2}
    assert time.process_time() - begun < 2


def test_a_limit_below_what_the_uplink_gathers_is_the_taps_own() -> None:
    """Big TCP: the NIC gathers more than the TAP takes."""
    host = read([TAP, BRIDGE, NIC], limits={"eno1": Limits(gro=200_000, gro_ipv4=200_000)})
    [way] = ways_to(host, "", "tap0")
    sender = replace(way.hops[0], device="tap0", act="sends", limits=Limits())

    found = judged(host, sender=sender)

    assert cause(found) == "segment-limit"
    assert found.finding.seen.startswith("gso_max_size 65536 on the TAP")
