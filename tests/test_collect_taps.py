"""What a host's devices say of a NIC: notes on the way of its packets, and what was handed to its guest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from provision.facts.ethtool_features import Feature, FeaturesRead
from provision.facts.ip import Link
from provision.runtime.command import Result
from provision.verify.collect.host_devices import TapsRead, read_taps
from provision.verify.collect.taps import with_tap
from provision.verify.collect.traffic import sample_tcp, with_traffic
from provision.verify.evidence import NicEvidence, Traffic, Unasked
from provision.verify.judge.verdict import judge_nic
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
        on_bridge(), read(counted(10, 1000), uptime=5.0), read(counted(15, 61000), uptime=7.5)
    )

    assert watched.traffic == Traffic(5, 60000, 2.5, 1500)


def test_a_macvtaps_guest_is_handed_what_it_received() -> None:
    first = replace(TAP, received_packets=1, received_bytes=100)
    last = replace(TAP, received_packets=3, received_bytes=3100, sent_packets=99)

    assert with_traffic(on_bridge(kind="direct"), read(first), read(last)).traffic == Traffic(
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
    assert with_traffic(on_bridge(**changes), before, after).traffic == Unasked(reason)


def test_a_host_that_does_not_answer_is_why_nothing_was_read() -> None:
    assert read_taps(FakeHost(lost_at="ethtool")) == TapsRead.none("local is gone")


BULK = Traffic(5000, 5000 * 1514, 1.0, 1500)


@dataclass
class Sampling(FakeHost):
    """Stands for a host whose sample comes to this."""

    out: str = ""
    status: int = 0

    def run(self, argv: Sequence[str], *, stdin: str = "", timeout: float = 60) -> Result:  # noqa: ARG002
        self.said.append(tuple(argv))
        return Result(self.name, tuple(argv), self.status, self.out, "")


@pytest.mark.parametrize(
    ("out", "status", "share"),
    [
        ("500 500\n", 0, 1.0),
        ("200 50\n", 0, 0.25),
        ("99 99\n", 0, None),
        ("", 0, None),
        ("500 500\n", 1, None),
        ("python3: not found", 127, None),
        ("many few\n", 0, None),
    ],
)
def test_a_sample_tells_the_share_of_tcp_or_nothing(out: str, status: int, share: float | None) -> None:
    [found] = sample_tcp(Sampling(out=out, status=status), [nic(traffic=BULK)])

    assert found.traffic == replace(BULK, tcp=share)


def test_only_what_could_be_a_stream_is_sampled_and_all_of_it_at_once() -> None:
    few = replace(BULK, frames=3, octets=300)
    nics = [
        nic(tap="tap1", traffic=BULK),
        nic(tap="tap2", traffic=few),
        nic(tap="tap3", traffic=BULK),
        nic(tap=None),
    ]
    host = Sampling(out="500 500\n500 0\n")

    found = sample_tcp(host, nics)

    assert [one.traffic.tcp if isinstance(one.traffic, Traffic) else None for one in found] == [
        1.0,
        None,
        0.0,
        None,
    ]
    assert [argv[-2:] for argv in host.said] == [("tap1", "tap3")]
    assert sample_tcp(Sampling(), nics[1:2]) == nics[1:2]


def test_a_host_that_is_lost_while_it_samples_costs_the_sample_alone() -> None:
    assert sample_tcp(FakeHost(lost_at="tap0"), [nic(traffic=BULK)]) == [nic(traffic=BULK)]


@pytest.mark.parametrize("kind", ["macvtap", "ipvtap"])
def test_a_macvtap_is_one_also_where_libvirt_was_handed_it_as_a_tap(kind: str) -> None:
    """`<interface type='ethernet'>` with managed='no': its features are on whatever the guest took."""
    features_on = FeaturesRead({"tap0": features("negotiated-by-linux")})
    found = with_tap(nic(kind="ethernet"), TapsRead(features_on, {"tap0": replace(TAP, kind=kind)}))

    assert judge_nic(found).verdict == "unknown"
    assert judge_nic(with_tap(nic(kind="ethernet"), TapsRead(features_on, {"tap0": TAP}))).verdict == "ready"


def test_a_command_that_is_to_be_pasted_has_its_devices_quoted() -> None:
    down = replace(TAP, name="a;reboot", up=False, master="")
    found = with_tap(nic(tap="a;reboot"), TapsRead(FeaturesRead({}), {"a;reboot": down}))

    assert judge_nic(found).fix[0] == "ip link set dev 'a;reboot' up"
