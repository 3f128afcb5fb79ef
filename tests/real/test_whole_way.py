"""Every place between the wire and the TAP that can cut, on real devices: the verdict against what traffic shows.

A wire (a veth whose peer cuts in a namespace of its own), a bridge with the host's address, Proxmox VE's firewall bridge
behind it, and a guest without GRO of its own, as Windows' NetKVM has none. The truth is the mean frame at the TAP.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.real.conftest import GUEST
from tests.real.hypervisor import Hypervisor, wait_for

NETWORK = """
ip link set lo up
ip netns add wire
ip link add eno2 up type veth peer name sw-eno2 netns wire
ip link add br0 up type bridge
ip address add 10.77.0.1/24 dev br0
ip link set eno2 master br0
ip -n wire address add 10.77.0.9/24 dev sw-eno2
ip -n wire link set sw-eno2 up
ip netns exec wire ethtool -K sw-eno2 tx off
ethtool -K eno2 gro on
ip link add fwpr up type veth peer name fwln
ip link set fwln up
ip link add fwbr up type bridge
ip link set fwpr master br0
ip link set fwln master fwbr
ip tuntap add dev tap0 mode tap vnet_hdr
ip link set tap0 up master fwbr
"""
MACHINE = (
    "exec qemu-system-x86_64 -accel tcg -cpu max -m 192 -nodefaults -display none -kernel $G/vmlinuz -initrd $G/initrd.gz"
    " -append 'console=ttyS0 quiet rsc.gro=off rsc.ip=10.77.0.2/24' -serial file:$D/vm.log -daemonize"
    " -netdev tap,id=n,ifname=tap0,script=no,downscript=no -device virtio-net-pci,netdev=n,id=nic"
    " -qmp unix:$D/vm.qmp,server=on,wait=off"
)
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


class Lab:
    """The host with its wire and its guest."""

    def __init__(self, host: Hypervisor, folder: Path) -> None:
        self.host, self.folder = host, folder
        host.output(["sh", "-ec", NETWORK])
        script = MACHINE.replace("$D", str(folder)).replace("$G", str(GUEST))
        host.output(["sh", "-ec", script])
        wait_for(self.booted, time.monotonic() + 120, "the guest")

    def booted(self) -> bool:
        log = self.folder / "vm.log"
        return log.exists() and "rscvm-guest: ready" in log.read_text(errors="replace")

    def mean(self, *sender: str) -> float:
        """The mean frame at the TAP while a sender sends some megabytes."""
        before = self.counted()
        self.host.output([*sender, "iperf3", "--client", "10.77.0.2", "--bytes", "12M", "--interval", "0"])
        frames, octets = (now - then for now, then in zip(self.counted(), before, strict=True))
        return octets / frames

    def counted(self) -> tuple[int, int]:
        [link] = json.loads(self.host.output(["ip", "-json", "-stats", "link", "show", "tap0"]))
        return link["stats64"]["tx"]["packets"], link["stats64"]["tx"]["bytes"]

    def check(self) -> dict[str, Any]:
        argv = [sys.executable, "-m", "provision", "check", "--json", "--qmp", str(self.folder / "vm.qmp")]
        done = self.host.run(argv, timeout=120)
        assert done.returncode in (0, 1), done.stderr.decode()
        [nic] = json.loads(done.stdout)["nics"]
        found: dict[str, Any] = nic
        return found


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
