"""Every place between the wire and the TAP that can cut, on real devices: the verdict against what traffic shows.

A wire (a veth whose peer cuts in a namespace of its own), a bridge with the host's address, Proxmox VE's firewall bridge
behind it, and a guest without GRO of its own, as Windows' NetKVM has none. The truth is the mean frame at the TAP.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.real.hypervisor import Hypervisor
from tests.real.wired import Lab

SEGMENT = 1600
"""Bytes: a mean frame below is that of single segments."""


@dataclass(frozen=True)
class Fault:
    make: str
    mend: str
    outside: bool
    """Whether large frames come from the wire, as traffic has to show."""
    host: bool
    cause: str = ""
    at: str = ""


FAULTS = {
    "nothing": Fault("true", "true", outside=True, host=True),
    "GRO off at the uplink": Fault("ethtool -K eno2 gro off", "ethtool -K eno2 gro on", False, True, "gro-off", "eno2"),
    "the same, and GRO behind a veth that has TSO, which gathers nothing": Fault(
        "ethtool -K eno2 gro off; ethtool -K fwln gro on", "ethtool -K eno2 gro on; ethtool -K fwln gro off", False, True,
        "gro-off", "eno2"),
    "the same, and GRO behind one that has none": Fault(
        "ethtool -K eno2 gro off; ethtool -K fwpr tx off; ethtool -K fwln gro on",
        "ethtool -K eno2 gro on; ethtool -K fwpr tx on; ethtool -K fwln gro off", True, True),
    "GRO into lists": Fault("ethtool -K eno2 rx-gro-list on", "ethtool -K eno2 rx-gro-list off", False, True, "gro-off", "eno2"),
    "a small gro_max_size": Fault(
        "ip link set eno2 gro_max_size 2000", "ip link set eno2 gro_max_size 65536", False, True, "gro-off", "eno2"),
    "checksum off at the firewall": Fault("ethtool -K fwpr tx off", "ethtool -K fwpr tx on", False, False, "path-segments", "fwpr"),
    "the same, and gathered behind it": Fault(
        "ethtool -K fwpr tx off; ethtool -K fwln gro on", "ethtool -K fwpr tx on; ethtool -K fwln gro off", True, True),
    "a limit at the firewall": Fault(
        "ip link set fwpr gso_max_size 3000", "ip link set fwpr gso_max_size 65536", False, False, "path-segments", "fwpr"),
    "queueing at the firewall": Fault(
        "tc qdisc add dev fwpr root tbf rate 400mbit burst 10kb latency 50ms", "tc qdisc del dev fwpr root", False, False,
        "path-segments", "fwpr"),
    "checksum off at the bridge": Fault("ethtool -K br0 tx off", "ethtool -K br0 tx on", True, False, "path-segments", "br0"),
    "segments at the TAP": Fault("ip link set tap0 gso_max_segs 1", "ip link set tap0 gso_max_segs 65535", False, False, "segment-limit"),
    "a limit at the TAP": Fault("ip link set tap0 gso_max_size 3000", "ip link set tap0 gso_max_size 65536", False, False, "segment-limit"),
    "queueing at the TAP": Fault(
        "tc qdisc add dev tap0 root tbf rate 400mbit burst 10kb latency 50ms", "tc qdisc del dev tap0 root", False, False,
        "queueing-segments"),
}  # fmt: skip


@pytest.fixture(scope="module")
def lab(guest: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    assert guest.is_dir()
    with Hypervisor() as host:
        yield Lab(host, tmp_path_factory.mktemp("way"))


@pytest.mark.parametrize("name", FAULTS)
def test_the_verdict_is_what_traffic_shows(lab: Lab, name: str) -> None:
    fault = FAULTS[name]
    lab.host.output(["sh", "-ec", fault.make])
    try:
        found = lab.check()
        measured = {"outside": lab.mean("ip", "netns", "exec", "wire"), "host": lab.mean()}
    finally:
        lab.host.output(["sh", "-ec", fault.mend])

    assert {source: mean > SEGMENT for source, mean in measured.items()} == {
        "outside": fault.outside,
        "host": fault.host,
    }, measured
    assert (found["verdict"], found["cause"]) == (
        ("not-ready", fault.cause) if fault.cause else ("ready", None)
    )
    if fault.at or not fault.cause:
        told = {source["from"]: set(source["families"].values()) for source in found["sources"]}
        states = {True: {"pass"}, False: {"fail"}}
        assert told == {"outside": states[fault.outside], "host": states[fault.host]}
        assert {source["cuts"]["device"] for source in found["sources"] if source["cuts"]} == (
            {fault.at} if fault.at else set()
        )
