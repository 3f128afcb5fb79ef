"""A host with a wire, a firewall's bridge as Proxmox VE makes it, and a guest without GRO of its own, as Windows has none."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from tests.real.demo_guest import CMDLINE, GUEST
from tests.real.hypervisor import Hypervisor, wait_for
from tests.real.preloaded import rscvm

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
    "exec qemu-system-x86_64 -accel tcg -cpu max -m 192 -nodefaults -display none -kernel $G/vmlinuz -initrd $G/initrd"
    f" -append '{CMDLINE} rsc.gro=off rsc.ip=10.77.0.2/24' -serial file:$D/vm.log -daemonize"
    " -netdev tap,id=n,ifname=tap0,script=no,downscript=no -device virtio-net-pci,netdev=n,id=nic"
    " -qmp unix:$D/vm.qmp,server=on,wait=off"
)


class Lab:
    """The host with its wire and its guest."""

    def __init__(self, host: Hypervisor, folder: Path) -> None:
        self.host, self.folder = host, folder
        host.output(["sh", "-ec", NETWORK])
        script = MACHINE.replace("$D", str(folder)).replace("$G", str(GUEST))
        host.output(["sh", "-ec", script])
        wait_for(self.booted, time.monotonic() + 120, "the guest")
        wait_for(self.listens, time.monotonic() + 30, "the guest's iperf3")

    def booted(self) -> bool:
        log = self.folder / "vm.log"
        return log.exists() and "rscvm-guest: ready" in log.read_text(errors="replace")

    def listens(self) -> bool:
        """Whether iperf3 answers, which goes into the background before it listens."""
        return self.host.run(["iperf3", "--client", "10.77.0.2", "--bytes", "1K"]).returncode == 0

    def mean(self, *sender: str) -> float:
        """The mean frame at the TAP while a sender sends some megabytes."""
        before = self.counted()
        self.host.output([*sender, "iperf3", "--client", "10.77.0.2", "--time", "1", "--interval", "0"])
        frames, octets = (now - then for now, then in zip(self.counted(), before, strict=True))
        return octets / frames

    def counted(self) -> tuple[int, int]:
        [link] = json.loads(self.host.output(["ip", "-json", "-stats", "link", "show", "tap0"]))
        return link["stats64"]["tx"]["packets"], link["stats64"]["tx"]["bytes"]

    def check(self) -> dict[str, Any]:
        done = rscvm(self.host, "check", "--json", "--qmp", str(self.folder / "vm.qmp"), timeout=120)
        assert done.returncode in (0, 1), done.stderr
        [nic] = json.loads(done.stdout)["nics"]
        found: dict[str, Any] = nic
        return found
