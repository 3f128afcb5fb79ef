"""Networks as a real host told them (iproute2 6.1, Linux 6.1): the ways to the TAP, and what their queues cut."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provision.facts.ethtool_features import FeaturesRead
from provision.facts.ip import parse_links
from provision.facts.qdisc import QueueingRead, parse_queueing
from provision.verify.collect.host_devices import TapsRead
from provision.verify.collect.ways import ways_to
from provision.verify.evidence import NicEvidence
from provision.verify.judge.fold import drawn_words, told, walked
from provision.verify.judge.verdict import judge_nic
from tests.builders import nic
from tests.topologies import WHOLE, features

CAPTURED = Path(__file__).parent / "fixtures" / "iproute2-6.1"
GRO = "generic-receive-offload"
NETWORKS = {
    "bond": "outside: eth1 → bond0 → br0 → tap0; this host: br0 → tap0",
    "team": "outside: eth1 → team0 → br0 → tap0; outside: eth2 → team0 → br0 → tap0; this host: br0 → tap0",
    "vlan": "outside: eth1 → br0 → tap0; this host: br0.10 → br0 → tap0",
    "macvlan": "outside: eth1 → mv0 → br0 → tap0; this host: br0 → tap0",
    "openvswitch": "outside: eth1 → tap0; this host: ovsbr0 → tap0",
}


def captured(name: str, *off: str, queueing: QueueingRead | None = None) -> TapsRead:
    """A captured network; GRO is off at these devices, and everything else is on everywhere."""
    return of((CAPTURED / f"links-{name}.json").read_text(), *off, queueing=queueing)


def of(text: str, *off: str, queueing: QueueingRead | None = None) -> TapsRead:
    links = parse_links(text)
    all_on = {link: features(GRO) if link in off else WHOLE for link in links}
    return TapsRead(FeaturesRead(all_on), links, queueing=queueing or QueueingRead())


def on(host: TapsRead) -> NicEvidence:
    return nic(ways=ways_to(host, "", "tap0"))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_walked_as_it_was_told(name: str) -> None:
    assert drawn_words(on(captured(name))) == NETWORKS[name]


def with_bond(**changes: Any) -> str:
    rows = json.loads((CAPTURED / "links-bond.json").read_text())
    for row in rows:
        if row.get("ifname") == "bond0":
            row["linkinfo"]["info_data"].update(changes)
    return json.dumps(rows)


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [({}, "ready"), ({"mode": "balance-alb"}, "not-ready"), ({"all_slaves_active": 1}, "not-ready")],
)
def test_what_a_bonds_backup_gathers_counts_where_the_bond_hears_it(
    changes: dict[str, Any], verdict: str
) -> None:
    """eth2 is the backup."""
    assert judge_nic(on(of(with_bond(**changes), "eth2"))).verdict == verdict
    assert judge_nic(on(of(with_bond(**changes), "eth1"))).verdict == "not-ready"


def test_a_port_that_spanning_tree_blocks_is_no_way_in() -> None:
    host = captured("vlan")
    blocked = json.loads((CAPTURED / "links-vlan.json").read_text())
    for row in blocked:
        if row["ifname"] == "eth1":
            row["linkinfo"]["info_slave_data"]["state"] = "blocking"

    assert any(way.source == "outside" for way in ways_to(host, "", "tap0"))
    assert not any(way.source == "outside" for way in ways_to(of(json.dumps(blocked)), "", "tap0"))


def test_which_port_of_a_team_is_active_is_not_guessed() -> None:
    one, both = judge_nic(on(captured("team", "eth2"))), judge_nic(on(captured("team", "eth1", "eth2")))

    assert one.verdict == "ready"
    assert "which ports of team0 are active `teamdctl team0 state` tells" in told(walked(one.evidence))
    assert both.finding.cause is not None
    assert both.finding.cause.id == "gro-off"


def test_queues_cut_by_their_splitting_and_by_their_smallest_burst() -> None:
    found = parse_queueing((CAPTURED / "qdiscs.json").read_text())

    assert found.devices == {
        "eth1": "cake with split-gso",
        "tap0": "tbf with a minburst of 3000 bytes",
        "ifb0": "tbf with a burst of 65500 bytes",
    }
    assert found.inward == {"eth1", "eth2"}


@pytest.mark.parametrize(("burst", "cuts"), [(65536, True), (69405, True), (69406, False), (204800, False)])
def test_a_burst_holds_a_large_frame_with_the_headers_of_all_its_segments(burst: int, *, cuts: bool) -> None:
    row = {"kind": "tbf", "dev": "tap0", "options": {"rate": 1, "burst": burst, "lat": 1}}

    assert bool(parse_queueing(json.dumps([row])).devices) is cuts


def test_what_a_shaper_may_be_handed_on_its_way_in_is_not_known() -> None:
    """An ifb that cuts, and a filter that nobody read: it may be about this device, or about another."""
    links = json.loads((CAPTURED / "links-vlan.json").read_text())
    ifb = {
        "ifname": "ifb0",
        "flags": ["UP", "LOWER_UP"],
        "mtu": 1500,
        "linkinfo": {"info_kind": "ifb"},
    }
    queueing = parse_queueing((CAPTURED / "qdiscs.json").read_text())
    host = of(json.dumps([*links, ifb]), queueing=replace(queueing, inward=frozenset({"eth1", "br0"})))
    elsewhere = replace(host, queueing=replace(queueing, inward=frozenset({"br0"})))

    assert told(walked(on(host))) == (
        "from outside (not known, whether what comes in by eth1 goes by ifb0 (tbf with a burst of 65500 bytes),"
        " `tc filter show dev eth1 ingress` tells); from this host ready"
    )
    assert told(walked(on(elsewhere))) == "from outside ready; from this host ready"
