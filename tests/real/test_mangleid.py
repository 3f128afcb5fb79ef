"""TAPs that take large frames of one IP ID: set by `up` and `apply`, by `fix` for traffic that shows it, and by a hook."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from provision.runtime.templates import shipped_text
from provision.tables.offloads import MANGLEID
from tests.real.conftest import guest_machine, lab_with
from tests.real.domains import define, domain, interface, until
from tests.real.hypervisor import Hypervisor
from tests.real.record_frames import SENDER

pytestmark = pytest.mark.real

NIC = "[{bridge: br-lab, ifname: tap0, mac: '52:54:00:12:34:56'MORE}]"
WIRE = """
ip netns add wire
ip link add eno2 up type veth peer name sw-eno2 netns wire
ip -n wire link set sw-eno2 up
ip netns exec wire ethtool -K sw-eno2 tx off
ethtool -K eno2 gro on
ip link set eno2 master br-lab
echo 200000 >/sys/class/net/eno2/gro_flush_timeout
echo 2 >/sys/class/net/eno2/napi_defer_hard_irqs
"""


def is_on(host: Hypervisor, tap: str = "tap0") -> bool:
    return host.ethtool_features(tap)[MANGLEID]["active"] is True


def test_a_lab_file_keeps_it_and_fix_sets_it_where_traffic_shows_it(
    hypervisor: Hypervisor, backend: str, tmp_path: Path
) -> None:
    made = guest_machine(
        backend, "vm", switch="rsc.gro=off rsc.ip=10.77.0.2/24", nics=NIC.replace("MORE", ", mangleid: true")
    )
    lab = lab_with(hypervisor, tmp_path, made)

    up = lab.run("up")
    assert (up.returncode, is_on(hypervisor)) == (0, True), up.stderr
    hypervisor.output(["ethtool", "-K", "tap0", MANGLEID, "off"])
    applied = lab.run("apply")
    assert (applied.returncode, is_on(hypervisor)) == (0, True), applied.stderr
    assert "nothing changed" in lab.run("apply").stdout
    assert lab.run("plan", "--exit-code").returncode == 0

    lab.path.write_text(lab.path.read_text().replace(", mangleid: true", ""))
    assert lab.run("plan", "--exit-code").returncode == 0, "a machine that runs is not another one for it"
    hypervisor.output(["ethtool", "-K", "tap0", MANGLEID, "off"])
    hypervisor.output(["sh", "-ec", WIRE])
    sender = [*hypervisor.entering(), "sh", "-c", f"exec {SENDER} fixed 60"]
    with subprocess.Popen(sender, start_new_session=True) as sending:
        try:
            fixed = lab.run("fix", "--observe", "2", "--json")
        finally:
            sending.kill()
            hypervisor.run(["pkill", "-f", "tcp_sender.py"])

    document = json.loads(fixed.stdout)
    assert fixed.returncode == 0, fixed.stderr
    assert [(each["cause"], each["what"]) for each in document["changed"]] == [
        ("fixed-id-sender", f"ethtool -K tap0 {MANGLEID} on")
    ]
    assert (document["nics"][0]["verdict"], document["nics"][0]["ladder"][-1]["ipv4"]) == ("ready", "pass")
    assert is_on(hypervisor)
    assert lab.run("down").returncode == 0


def test_the_printed_hook_keeps_it_on_machines_of_others(hypervisor: Hypervisor) -> None:
    text = shipped_text("libvirt-hook.sh")
    argv = [sys.executable, "-m", "provision", "explain", "tap-offloads"]
    assert text in hypervisor.run(argv).stdout.decode()
    hook = "mkdir -p /etc/libvirt/hooks && cat >/etc/libvirt/hooks/qemu && chmod 0755 /etc/libvirt/hooks/qemu"
    hypervisor.run(["sh", "-ec", hook], input=text.encode())
    hypervisor.start_libvirtd()
    hypervisor.output(["ip", "link", "add", "br0", "up", "type", "bridge"])
    define(hypervisor, domain("theirs", interface()))

    hypervisor.virsh("start", "theirs")

    until(lambda: is_on(hypervisor, "vnet0"), "the guest's driver, and what the hook has asked for")
