"""What is to be done about large frames that do not come whole: at the device that is to blame, and no more than helps."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provision.facts.ip import Limits
from provision.verify.collect.host_devices import TapsRead
from provision.verify.collect.ways import ways_to
from provision.verify.judge.verdict import judge_nic
from tests.builders import nic
from tests.topologies import (
    ADDRESSED,
    BRIDGE,
    FIREWALL,
    GRO,
    NIC,
    NO_TSO,
    ON,
    TAP,
    WHOLE,
    features,
    link,
    read,
)

NAMED = link("a;b", master="br0")
NO_GRO_BEHIND = features(GRO)


def fixes(host: TapsRead) -> tuple[str, ...]:
    return judge_nic(nic(ways=ways_to(host, "", "tap0"))).fix


@pytest.mark.parametrize(
    ("host", "command"),
    [
        (read([TAP, BRIDGE, NIC], told={"eno1": features(GRO)}), "ethtool -K eno1 gro on"),
        (read([TAP, BRIDGE, NAMED], told={"a;b": features(GRO)}), "ethtool -K 'a;b' gro on"),
        (read([TAP, BRIDGE, NIC], told={"eno1": {**WHOLE, "rx-gro-list": ON}}), "ethtool -K eno1 rx-gro-list off"),
        (read([TAP, BRIDGE, NIC], limits={"eno1": Limits(gro=3000, gro_ipv4=3000)}), "ip link set dev eno1 gro_max_size 65536"),
        (read([TAP, ADDRESSED, NIC], told={"br0": features(*NO_TSO)}), "ethtool -K br0 tx on sg on tso on"),
        (
            read(FIREWALL, limits={"fwpr0": Limits(segments=1)}, told={"fwln0": NO_GRO_BEHIND}),
            "ip link set dev fwpr0 gso_max_size 65536 gso_max_segs 65535",
        ),
        (read(FIREWALL, queueing={"fwpr0": "cake with split-gso"}, told={"fwln0": NO_GRO_BEHIND}), "tc qdisc del dev fwpr0 root"),
    ],
)  # fmt: skip
def test_only_what_is_wrong_with_the_device_is_to_be_mended(host: TapsRead, command: str) -> None:
    fix = fixes(host)

    said = [words.partition("; where")[0].strip("`") for words in fix]
    assert [words for words in said if words.startswith(("ethtool", "ip", "tc"))] == [command]
    assert any("PEER" in words for words in fix) == ("fwpr0" in command)


@pytest.mark.parametrize(("off", "device"), [((GRO,), "eno1"), (NO_TSO, "br0")])
def test_that_it_may_be_off_on_purpose_is_said_first(off: tuple[str, ...], device: str) -> None:
    fix = fixes(read([TAP, ADDRESSED, NIC], told={device: features(*off)}))

    assert "an e1000e that hangs" in fix[0]


def test_what_is_to_be_mended_in_another_namespace_is_said_to_be_there() -> None:
    host = read(
        [TAP, BRIDGE, link("eno2", "veth", master="br0", index=7, peer=2)],
        elsewhere=[link("sw", "veth", index=2, peer=7, addresses=("10.0.0.9/24",))],
        told={"eno2": NO_GRO_BEHIND},
    )
    [way] = ways_to(host, "", "tap0")
    cutting = replace(way, hops=(replace(way.hops[0], queueing="cake with split-gso"), *way.hops[1:]))

    assert judge_nic(nic(ways=(cutting,))).fix[0].startswith("sw is in another network namespace")
    assert not any(
        "namespace" in words for words in fixes(read([TAP, BRIDGE, NIC], told={"eno1": features(GRO)}))
    )
