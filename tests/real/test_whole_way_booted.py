"""The way to the TAP over bonds, teams, VLANs, macvlans, Open vSwitch and shapers: the verdict against what traffic shows.

On a host of its own, booted, since the tests' own kernel may have none of these; read over SSH. What it measures is the
mean frame at a TAP whose holder takes TSO; two things it only draws: a macvtap, and a tunnel, which nobody sees into.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from provision.verify.collect.ways import hop, ways_to
from provision.verify.judge.fold import arrivals, drawn_words, told, walked
from provision.verify.judge.verdict import judge_nic
from tests.builders import nic
from tests.real.booted import SENDERS, BootedHost, booted_host

BRIDGE = """
ip link add br0 up type bridge
ip link set tap0 master br0
ip address add 10.77.0.1/24 dev br0
"""
TAGGED = """
ip -n wire address flush dev eth3
ip -n wire link add link eth3 name eth3.10 up type vlan id 10
ip -n wire address add 10.77.0.9/24 dev eth3.10
"""
NETWORKS = {
    "bridge": f"{BRIDGE} ip link set eth1 master br0",
    "bond": f"""{BRIDGE}
ip link add bond0 type bond mode active-backup miimon 50
for nic in eth1 eth2; do ip link set $nic down; ip link set $nic master bond0; done
ip link set bond0 up master br0 type bond primary eth1""",
    "team": f"""{BRIDGE}
ip link add team0 type team
teamnl team0 setoption mode activebackup
for nic in eth1 eth2; do ip link set $nic down; ip link set $nic master team0; ip link set $nic up; done
teamnl team0 setoption activeport $(cat /sys/class/net/eth1/ifindex)
ip link set team0 up master br0""",
    "VLAN below the bridge": f"""{BRIDGE} {TAGGED}
ip link add link eth1 name eth1.10 up master br0 type vlan id 10""",
    "VLAN on the bridge": f"""{TAGGED}
ip link add br0 up type bridge vlan_filtering 1
for port in eth1 tap0; do ip link set $port master br0; done
bridge vlan add vid 10 dev tap0 pvid untagged
bridge vlan add vid 10 dev eth1
bridge vlan add vid 10 dev br0 self
ip link add link br0 name br0.10 up type vlan id 10
ip address add 10.77.0.1/24 dev br0.10""",
    "macvlan below the bridge": f"{BRIDGE} ip link add link eth1 name mv0 up master br0 type macvlan mode passthru",
    "Open vSwitch": """
ovs-dpctl add-dp ovs-system
ovs-dpctl add-if ovs-system eth1 tap0 ovsbr0,type=internal
for flow in 1/2,3 2/1,3 3/1,2; do ovs-dpctl add-flow ovs-system "in_port(${flow%/*}),eth()" ${flow#*/}; done
ip link set ovsbr0 up
ip address add 10.77.0.1/24 dev ovsbr0""",
    "routed": """
ip link set eth2 down
echo 1 >/proc/sys/net/ipv4/ip_forward
ip address add 10.77.0.1/24 dev tap0
ip address add 192.0.2.1/24 dev eth1
ip route add default via 192.0.2.9
ip -n wire address flush dev eth3
ip -n wire address add 192.0.2.9/24 dev eth3
ip -n wire route add 10.77.0.0/24 via 192.0.2.1""",
}
DRAWN = {
    "bridge": "outside: eth1 → br0 → tap0; this host: br0 → tap0",
    "bond": "outside: eth1 → bond0 → br0 → tap0; this host: br0 → tap0",
    "team": "outside: eth1 → team0 → br0 → tap0; outside: eth2 → team0 → br0 → tap0; this host: br0 → tap0",
    "VLAN below the bridge": "outside: eth1 → eth1.10 → br0 → tap0; this host: br0 → tap0",
    "VLAN on the bridge": "outside: eth1 → br0 → tap0; this host: br0.10 → br0 → tap0",
    "macvlan below the bridge": "outside: eth1 → mv0 → br0 → tap0; this host: br0 → tap0",
    "Open vSwitch": "outside: eth1 → tap0; this host: ovsbr0 → tap0",
    "routed": "this host: tap0; outside: eth1 → tap0",
}


@dataclass(frozen=True)
class Fault:
    make: str
    mend: str
    whole: tuple[str, ...]
    """From where large frames arrive, as traffic has to show."""
    cause: str
    """Or the verdict, where it is ready."""
    words: str
    """What is said of it."""


def off(feature: str, device: str, words: str = "") -> Fault:
    """A feature of a device is off; GRO concerns what comes from outside, and all else what the host sends."""
    gro = feature == "gro"
    said = f"{device}: {words or 'generic-receive-offload off'}"
    return Fault(
        f"ethtool -K {device} {feature} off",
        f"ethtool -K {device} {feature} on",
        ("host",) if gro else ("outside",),
        "gro-off" if gro else "path-segments",
        f"from outside ({said})" if gro else f"from this host ({said})",
    )


def queue(
    device: str,
    discipline: str,
    whole: tuple[str, ...] = ("outside", "host"),
    *,
    cause: str = "ready",
    words: str = "from outside ready",
) -> Fault:
    """A queueing discipline at a device; ready unless said otherwise."""
    make, mend = f"tc qdisc add dev {device} root {discipline}", f"tc qdisc del dev {device} root"
    return Fault(make, mend, whole, cause, words)


NO_TSO = "tx-tcp-segmentation off, {0}: tx-tcp6-segmentation off"
QUEUEING = "queueing-segments"
SHAPED = """
ip link add ifb0 up type ifb
tc qdisc add dev ifb0 root cake
tc qdisc add dev eth1 ingress
tc filter add dev eth1 ingress protocol all matchall action mirred egress redirect dev ifb0"""
FAULTS = {
    "bridge": {
        "GRO off": off("gro", "eth1"),
        "cake at the TAP": queue("tap0", "cake", (), cause=QUEUEING),
        "cake that does not split": queue("tap0", "cake no-split-gso"),
        "tbf with a large burst": queue("tap0", "tbf rate 4gbit burst 200kb latency 50ms"),
        "tbf with a peak rate": queue(
            "tap0", "tbf rate 1gbit burst 200kb latency 50ms peakrate 2gbit minburst 3000", (), cause=QUEUEING
        ),
        "cake at the bridge, by which the host sends": queue(
            "br0", "cake", ("outside",), cause="path-segments", words="from this host (br0: cake with split-gso)"
        ),
        "cake at the NIC, for what goes out": queue("eth1", "cake"),
        "a shaper for what comes in": Fault(
            SHAPED, "tc qdisc del dev eth1 ingress; ip link delete ifb0", ("host",), "ready",
            "from outside (not known, whether what comes in by eth1 goes by ifb0 (cake with split-gso),"),
    },
    "bond": {
        "GRO off at the active NIC": off("gro", "eth1"),
        "GRO off at the backup": Fault(
            "ethtool -K eth2 gro off", "ethtool -K eth2 gro on", ("outside", "host"), "ready", "from outside ready"),
    },
    "team": {
        "GRO off at the active NIC, which nobody tells": Fault(
            "ethtool -K eth1 gro off", "ethtool -K eth1 gro on", ("host",), "ready",
            "from outside (not known, eth1: generic-receive-offload off; which ports of team0 are active"),
        "GRO off at both": Fault(
            "for nic in eth1 eth2; do ethtool -K $nic gro off; done", "for nic in eth1 eth2; do ethtool -K $nic gro on; done",
            ("host",), "gro-off", "from outside (eth1: generic-receive-offload off, eth2: generic-receive-offload off)"),
    },
    "VLAN below the bridge": {"GRO off": off("gro", "eth1")},
    "VLAN on the bridge": {
        "GRO off": off("gro", "eth1"),
        "TSO off at the VLAN": off("tso", "br0.10", NO_TSO.format("br0.10")),
        "checksum off at the bridge": Fault(
            "ethtool -K br0 tx off", "ethtool -K br0 tx on", ("outside",), "path-segments",
            "from this host (br0.10: tx-checksumming off)"),
    },
    "macvlan below the bridge": {"GRO off": off("gro", "eth1")},
    "Open vSwitch": {
        "GRO off": off("gro", "eth1"),
        "TSO off at the internal port": off("tso", "ovsbr0", NO_TSO.format("ovsbr0")),
    },
    "routed": {"GRO off": off("gro", "eth1")},
}  # fmt: skip
HEALTHY = Fault("true", "true", ("outside", "host"), "ready", "from outside ready")
CASES = {
    f"{name}: {fault}": (name, found)
    for name in NETWORKS
    for fault, found in {"healthy": HEALTHY, **FAULTS[name]}.items()
}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BootedHost]:
    """One host for this file: it boots in seconds, which add up."""
    with booted_host(tmp_path_factory.mktemp("booted")) as found:
        yield found


@pytest.mark.parametrize("name", CASES)
def test_the_verdict_is_what_traffic_shows(host: BootedHost, name: str) -> None:
    network, fault = CASES[name]
    host.have(NETWORKS[network])
    host.run(fault.make)
    try:
        read = host.read()
        measured = {
            source for source in SENDERS if host.arrives_whole(source, expected=source in fault.whole)
        }
    finally:
        host.run(fault.mend)
    ways, sender = ways_to(read, "", "tap0"), hop(read, "", read.links["tap0"], "sends")
    found = judge_nic(nic(ways=ways, sender=sender))

    assert measured == set(fault.whole)
    assert (found.finding.cause.id if found.finding.cause else found.verdict) == fault.cause
    assert fault.words in told(walked(found.evidence))
    for source in SENDERS if fault.cause != QUEUEING else ():  # a TAP's own cutting is no part of the way
        fates = {each.whole for way, each in arrivals(found.evidence, "ipv4") if way.source == source}
        assert None in fates or fates == {source in measured}
    if fault is HEALTHY:
        assert drawn_words(found.evidence) == DRAWN[network]
        assert {rung.states["ipv4"] for rung in found.ladder if rung.name == "gathered"} == {"pass"}


DRAWN_ONLY = {
    "macvtap": ("ip link add link eth1 name tap1 up type macvtap mode bridge", "tap1", "outside: eth1 → tap1"),
    "tunnel": (
        f"{BRIDGE} ip link add vx42 up master br0 type vxlan id 42 dev eth1 dstport 4789 remote 192.0.2.9",
        "tap0",
        "outside: not walked, vx42 is a vxlan, and nobody sees from here what comes in by it; this host: br0 → tap0",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DRAWN_ONLY)
def test_what_is_not_measured_is_drawn(host: BootedHost, name: str) -> None:
    network, tap, words = DRAWN_ONLY[name]
    host.have(network)

    assert drawn_words(nic(tap=tap, ways=ways_to(host.read(), "", tap))) == words
