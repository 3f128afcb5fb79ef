"""What a host's devices say of a NIC: notes on the way of its packets, and what was handed to its guest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from provision.facts.ethtool_features import Feature, FeaturesRead
from provision.facts.frames import TapSample
from provision.facts.ip import Link
from provision.facts.qdisc import QueueingRead
from provision.runtime.command import UNRECORDED, Result
from provision.verify.collect.host_devices import TapsRead, read_taps
from provision.verify.collect.sampling import OF_0_1, place, sample
from provision.verify.collect.taps import with_tap
from provision.verify.collect.traffic import with_traffic
from provision.verify.evidence import NicEvidence, Traffic, Unasked
from tests.builders import FakeHost, features, nic

TAP = Link("tap0", "tun", "", up=True, mtu=1500, master="br0", tap=True, index=7)
BRIDGE = Link("br0", "bridge", "", up=True, mtu=1500, master="")
PORT = Link("eno1", "", "", up=True, mtu=1500, master="br0")
ON = FeaturesRead({"tap0": features("negotiated-by-linux")})


def read(*links: Link, told: FeaturesRead = ON, uptime: float = 0.0) -> TapsRead:
    return TapsRead(told, {link.name: link for link in links}, uptime)


def on_bridge(**changes: Any) -> NicEvidence:
    return nic(**{"bridge": "br0", "features": Unasked("not asked"), **changes})


@pytest.mark.parametrize(
    ("links", "changes", "note"),
    [
        ((TAP, replace(BRIDGE, mtu=9000)), {}, "the MTU differs along the way: tap0 1500, br0 9000"),
        (
            (TAP, BRIDGE),
            {"mtu": 9000},
            "the MTU differs along the way: tap0 1500, br0 1500, the guest is told 9000",
        ),
    ],
)
def test_what_stands_in_the_way_is_noted(
    links: tuple[Link, ...], changes: dict[str, object], note: str
) -> None:
    assert with_tap(on_bridge(**changes), read(*links)).notes == (note,)


def test_a_way_that_is_clear_is_not_noted() -> None:
    assert with_tap(on_bridge(), read(TAP, BRIDGE, PORT)).notes == ()


def test_queueing_that_could_not_be_read_is_said_and_not_passed_over() -> None:
    there = read(TAP, BRIDGE, PORT)
    unread = replace(there, queueing=QueueingRead(trouble="tc is not installed"))

    assert with_tap(on_bridge(), replace(there, queueing=QueueingRead())).notes == ()
    assert with_tap(on_bridge(), unread).notes == (
        "whether queueing cuts large frames is not known: tc is not installed",
    )


def test_a_port_of_open_vswitch_is_where_it_belongs() -> None:
    switch = replace(BRIDGE, kind="openvswitch")

    assert with_tap(on_bridge(), read(replace(TAP, master="ovs-system"), switch)).notes == ()


def test_a_port_to_the_outside_without_gro_is_noted() -> None:
    off = {"generic-receive-offload": Feature(active=False, requested=False, fixed=False)}
    told = FeaturesRead({**ON.devices, "eno1": off, "tap1": off})
    other = replace(TAP, name="tap1")

    [note] = with_tap(on_bridge(), read(TAP, BRIDGE, PORT, other, told=told)).notes

    assert note.startswith("eno1, on the same bridge, has generic-receive-offload off")


def counted(frames: int, octets: int, index: int = 7) -> Link:
    return replace(TAP, sent_packets=frames, sent_bytes=octets, index=index)


def test_traffic_is_what_the_host_sent_to_the_tap_by_the_hosts_clock() -> None:
    watched = with_traffic(
        on_bridge(), read(counted(10, 1000), uptime=5.0), read(counted(15, 61000), uptime=7.5), {}
    )

    assert watched.traffic == Traffic(5, 60000, 2.5, 1500)


def test_a_macvtaps_guest_is_handed_what_it_received() -> None:
    first = replace(TAP, received_packets=1, received_bytes=100)
    last = replace(TAP, received_packets=3, received_bytes=3100, sent_packets=99)

    assert with_traffic(on_bridge(kind="direct"), read(first), read(last), {}).traffic == Traffic(
        2, 3000, 0.0, 1500
    )


@pytest.mark.parametrize(
    ("before", "after", "changes", "reason"),
    [
        (read(), read(TAP), {}, "no device tap0 on local"),
        (read(TAP), TapsRead.none("no connection"), {}, "no connection"),
        (read(counted(9, 9)), read(counted(1, 1)), {}, "tap0 was made anew meanwhile"),
        (read(counted(1, 1)), read(counted(9, 9, index=8)), {}, "tap0 was made anew meanwhile"),
        (read(TAP), read(TAP), {"tap": None}, "there is no device to watch"),
        (read(TAP), read(TAP), {"state": "off"}, "the machine is not running"),
    ],
)
def test_traffic_that_could_not_be_watched_says_why(
    before: TapsRead, after: TapsRead, changes: dict[str, object], reason: str
) -> None:
    assert with_traffic(on_bridge(**changes), before, after, {}).traffic == Unasked(reason)


def test_a_host_that_does_not_answer_is_why_nothing_was_read() -> None:
    assert read_taps(FakeHost(lost_at="ethtool")) == TapsRead.none("local is gone")


@dataclass
class Sampling(FakeHost):
    """Stands for a host whose sample comes to this."""

    out: str = ""
    status: int = 0
    argv: tuple[str, ...] = ()
    err: str = ""

    def run(self, argv: Sequence[str], *, stdin: str = "", timeout: float = 60) -> Result:  # noqa: ARG002
        self.said.append(tuple(argv))
        return Result(self.name, self.argv or tuple(argv), self.status, self.out, self.err)


TAPS = [("tap0", "", ""), ("tap1", "net:[1]", "/proc/7/ns/net")]
NOTHING = '{"seen":0,"tcp":0,"flows":[],"trouble":""}'


def test_a_sample_is_of_all_taps_at_once() -> None:
    gone = NOTHING.replace('""', '"No such device"')
    host = Sampling(out=f'{{"taps":[{gone},{NOTHING}]}}')

    assert sample(host, TAPS) == {
        TAPS[0]: TapSample(trouble="No such device"),
        TAPS[1]: TapSample(flows=()),
    }
    assert host.said[0][-6:] == ("tap0", "", "", "tap1", "net:[1]", "/proc/7/ns/net")
    assert sample(host, []) == {}
    assert len(host.said) == 1


@pytest.mark.parametrize(
    ("host", "why"),
    [
        (Sampling(status=127), "python3 not found on local"),
        (Sampling(status=1, err="Traceback\nPermissionError: no"), "PermissionError: no"),
        (Sampling(out="{"), "cannot read a sample of frames: '{'"),
        (Sampling(out=f'{{"taps":[{NOTHING}]}}'), "the sample is not of these TAPs"),
    ],
)
def test_a_sample_that_could_not_be_taken_says_why(host: Sampling, why: str) -> None:
    assert {each.trouble for each in sample(host, TAPS).values()} == {why}


@pytest.mark.parametrize(
    ("out", "counts"),
    [
        ("500 400\n", (500, 400)),
        ("100 0\n", (100, 0)),
        ("99 99\n", None),
        ("", None),
        ("many few\n", None),
        ("500\n", None),
    ],
)
def test_a_sample_of_0_1_0_tells_the_share_of_tcp_or_nothing(
    out: str, counts: tuple[int, int] | None
) -> None:
    old = Sampling(out=out, argv=(*OF_0_1, "tap0"))

    assert sample(old, TAPS) == ({TAPS[0]: TapSample(*counts)} if counts else {})


def test_evidence_without_a_sample_has_none() -> None:
    assert sample(Sampling(status=UNRECORDED), TAPS) == {}


@pytest.mark.parametrize(
    ("changes", "at"),
    [
        ({}, ("tap0", "", "")),
        ({"network": "net:[1]", "pid": 7}, ("tap0", "net:[1]", "/proc/7/ns/net")),
        ({"tap": None}, None),
        ({"state": "off"}, None),
        ({"kind": "direct"}, None),
        ({"kind": "what"}, None),
    ],
)
def test_only_a_tap_is_sampled_where_it_is(changes: dict[str, Any], at: object) -> None:
    assert place(nic(**changes)) == at
