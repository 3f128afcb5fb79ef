"""The way from the wire to the TAP: where it leads in ordinary networks, and which place cuts what comes by it."""

from __future__ import annotations

import time
from collections.abc import Mapping
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
    BOND,
    BRIDGE,
    FIREWALL,
    NIC,
    NO_TSO,
    OFF,
    ON,
    TAP,
    TOPOLOGIES,
    WHOLE,
    features,
    link,
    read,
)

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


FAULTS: Mapping[str, tuple[TapsRead, str, str]] = {
    "GRO off at the NIC": (
        read([TAP, ADDRESSED, NIC], told={"eno1": features(GRO)}),
        "gro-off",
        "from outside (eno1: generic-receive-offload off); from this host ready",
    ),
    "GRO off at one slave": (
        read(BOND, told={"eno2": features(GRO)}),
        "gro-off",
        "from outside (eno2: generic-receive-offload off); from this host ready",
    ),
    "lists": (
        read([TAP, BRIDGE, NIC], told={"eno1": {**WHOLE, "rx-gro-list": ON}}),
        "gro-off",
        "from outside (eno1: rx-gro-list on)",
    ),
    "lists of an old kernel, which are UDP's alone": (
        read([TAP, BRIDGE, NIC], told={"eno1": {**WHOLE, "rx-gro-list": ON}}, release="6.8.0-45-generic"),
        "ready",
        "from outside ready",
    ),
    "a small gro_max_size": (
        read([TAP, BRIDGE, NIC], limits={"eno1": Limits(gro=3000, gro_ipv4=3000)}),
        "gro-off",
        "from outside (eno1: gro_max_size 3000)",
    ),
    "GRO off, and hardware gathers": (
        read([TAP, BRIDGE, NIC], told={"eno1": {**features(GRO), "rx-gro-hw": ON}}),
        "ready",
        "from outside ready",
    ),
    "GRO off, and a veth that gathers nothing of a peer with TSO": (
        read(FIREWALL, told={"eno1": features(GRO)}),
        "gro-off",
        "from outside (eno1: generic-receive-offload off); from this host ready",
    ),
    "GRO off, and a veth that gathers what its peer has no TSO for": (
        read(FIREWALL, told={"eno1": features(GRO), "fwpr0": features(*NO_TSO)}),
        "ready",
        "from outside ready; from this host ready",
    ),
    "checksum off at the firewall's veth": (
        read(FIREWALL, told={"fwpr0": features("tx-checksum-ip-generic", *NO_TSO), "fwln0": features(GRO)}),
        "path-segments",
        "from outside (fwpr0: tx-checksumming off); from this host (fwpr0: tx-checksumming off)",
    ),
    "the same, and gathered again behind it": (
        read(FIREWALL, told={"fwpr0": features(*NO_TSO)}),
        "ready",
        "from outside ready; from this host ready",
    ),
    "checksum off at the bridge, which concerns its host alone": (
        read([TAP, ADDRESSED, NIC], told={"br0": features("tx-checksum-ip-generic", *NO_TSO)}),
        "path-segments",
        "from outside ready; from this host (br0: tx-checksumming off)",
    ),
    "the same without an address": (
        read([TAP, BRIDGE, NIC], told={"br0": features(*NO_TSO)}),
        "ready",
        "from outside ready",
    ),
    "NAT by a bridge without TSO": (
        read([TAP, ADDRESSED, link("eno1")], uplinks=("eno1",), told={"br0": features("tx-scatter-gather", *NO_TSO)}),
        "path-segments",
        "from this host (br0: tx-scatter-gather off); from outside (br0: tx-scatter-gather off)",
    ),
    "a limit on the way": (
        read(FIREWALL, limits={"fwpr0": Limits(segments=1)}, told={"fwln0": features(GRO)}),
        "path-segments",
        "from outside (fwpr0: gso_max_segs 1); from this host (fwpr0: gso_max_segs 1)",
    ),
    "queueing on the way": (
        read(FIREWALL, queueing={"fwpr0": "cake with split-gso"}, told={"fwln0": features(GRO)}),
        "path-segments",
        "from outside (fwpr0: cake with split-gso); from this host (fwpr0: cake with split-gso)",
    ),
    "a sender in another namespace that cuts, as on a wire": (
        read(
            [TAP, BRIDGE, link("eno2", "veth", master="br0", index=7, peer=2)],
            elsewhere=[link("sw", "veth", index=2, peer=7, addresses=("10.0.0.9/24",))],
            told={"sw": features(*NO_TSO), "eno2": features(GRO)},
        ),
        "gro-off",
        "from outside (eno2: generic-receive-offload off)",
    ),
    "a sender in another namespace that does not": (
        read(
            [TAP, BRIDGE, link("eno2", "veth", master="br0", index=7, peer=2)],
            elsewhere=[link("sw", "veth", index=2, peer=7, addresses=("10.0.0.9/24",))],
            told={"eno2": features(GRO)},
        ),
        "ready",
        "from outside ready",
    ),
    "a namespace that nobody read, alone": (
        read([TAP, BRIDGE, link("eno2", "veth", master="br0", index=7, peer=2)]),
        "ready",
        "from outside (not known, eno2 leads into a network namespace that was not read)",
    ),
    "a namespace that nobody read, beside a NIC": (
        read([TAP, BRIDGE, NIC, link("veth9", "veth", master="br0", index=7, peer=2)]),
        "ready",
        "from outside ready",
    ),
    "a tunnel": (
        read([TAP, BRIDGE, link("vx42", "vxlan", master="br0")]),
        "ready",
        "from outside (not known, vx42 is a vxlan, and nobody sees from here what comes in by it)",
    ),
}  # fmt: skip


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
