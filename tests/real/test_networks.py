"""NICs on libvirt's networks and on Open vSwitch's bridges, of both backends, on a real libvirtd and ovs-vswitchd.

Without the kernel's datapath, which not every kernel has that tests run on: packets go by ovs-vswitchd, as `plan` must say.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.real.conftest import Lab, comparable, guest_machine
from tests.real.hypervisor import Hypervisor, Snapshot

LAN = "<network><name>lan</name><bridge name='virbr7' stp='on' delay='4'/></network>"
"""Its TAPs forward 8 s after they came, by when the guest has long booted: `up` waits for that."""
OVS = """
mkdir -p /run/openvswitch /etc/openvswitch
ovsdb-tool create /run/openvswitch/conf.db /usr/share/openvswitch/vswitch.ovsschema
ovsdb-server /run/openvswitch/conf.db --remote=punix:/run/openvswitch/db.sock --pidfile --detach --no-chdir
ovs-vsctl --no-wait init
ovs-vswitchd --pidfile --detach --no-chdir --disable-system
for bridge in ovsbr0 ovsbr1; do ovs-vsctl add-br $bridge -- set Bridge $bridge datapath_type=netdev; done
"""
NICS = "[{network: lan}, {bridge: ovsbr0, vlan: 10, ifname: tap10, rsc: off}]"
BARE = "[{bridge: ovsbr0, vlan: 20, ifname: tap20, rsc: off}]"


def ports(host: Hypervisor, bridge: str = "ovsbr0") -> dict[str, str]:
    """The ports of a bridge, with their tags."""
    names = host.output(["ovs-vsctl", "list-ports", bridge]).split()
    return {name: host.output(["ovs-vsctl", "get", "Port", name, "tag"]).strip() for name in names}


def there(host: Hypervisor) -> Snapshot:
    """What there is; of a bridge whose last port has gone the kernel lets tso_max_size be another than before the first."""
    found = comparable(host.snapshot())
    return replace(found, links={name: {} for name in found.links})


@pytest.fixture
def host(with_libvirt: Hypervisor) -> Hypervisor:
    with_libvirt.output(["sh", "-ec", OVS])
    return with_libvirt


def test_machines_on_a_network_and_on_open_vswitch_come_up_and_go_without_a_trace(
    host: Hypervisor, tmp_path: Path
) -> None:
    machines = (guest_machine("libvirt", "net", nics=NICS), guest_machine("qemu", "bare", nics=BARE))
    lab = Lab(host, tmp_path / "lab.yaml")
    lab.path.write_text("version: 1\nmachines:\n" + "".join(machines))
    (tmp_path / "lan.xml").write_text(LAN)

    none = lab.run("plan")
    host.virsh("net-define", str(tmp_path / "lan.xml"))
    idle = lab.run("up", "--no-check")
    host.virsh("net-start", "lan")
    before = there(host)
    up = lab.run("up", "--wait", "90")

    assert (none.returncode, idle.returncode) == (3, 3)
    assert "net.net0: libvirt has no network lan" in none.stderr
    assert "net.net0: libvirt's network lan is not active (virsh net-start lan)" in idle.stderr
    assert up.returncode == 0, up.stdout + up.stderr
    assert up.stdout.count("\nREADY ") == 4  # three NICs, and what that rests on
    assert ports(host) == {"tap10": "10", "tap20": "20"}
    again = lab.run("up", "--json")
    assert json.loads(again.stdout)["changed"] == [], again.stdout
    assert lab.run("plan").stdout == "nothing to change\n"

    _put_right(lab)
    assert lab.run("down", "net").returncode == 0
    assert ports(host) == {"tap20": "20"}
    _without_its_tap(lab)
    assert there(host) == before


def _put_right(lab: Lab) -> None:
    """What somebody does to ports of ours and of libvirt's is undone."""
    lab.host.output(["ovs-vsctl", "set", "Port", "tap10", "tag=11"])
    lab.host.output(["ovs-vsctl", "del-port", "tap20", "--", "add-port", "ovsbr1", "tap20"])
    plan = lab.run("plan")
    up = lab.run("up", "--no-check")

    assert "-   vlan 11\n  +   vlan 10\n" in plan.stdout, plan.stdout
    assert "-   on bridge ovsbr1\n  +   on bridge ovsbr0\n" in plan.stdout, plan.stdout
    assert up.returncode == 0, up.stderr
    assert (ports(lab.host), ports(lab.host, "ovsbr1")) == ({"tap10": "10", "tap20": "20"}, {})


def _without_its_tap(lab: Lab) -> None:
    """A port outlives a TAP that somebody has removed; `down` finds it by its mark."""
    lab.host.output(["ip", "link", "del", "tap20"])
    assert ports(lab.host) == {"tap20": "20"}
    down = lab.run("down")

    assert down.returncode == 0, down.stderr
    assert ports(lab.host) == {}


def test_what_a_bridge_of_the_host_cannot_do_is_refused_before_anything_is_changed(
    host: Hypervisor, tmp_path: Path
) -> None:
    host.output(["ip", "link", "add", "br0", "up", "type", "bridge"])
    host.output(["ovs-vsctl", "add-port", "ovsbr0", "theirs"])
    nics = "[{bridge: br0, vlan: 10}, {bridge: ovsbr0}, {bridge: ovsbr0, ifname: theirs, rsc: off}]"
    lab = Lab(host, tmp_path / "lab.yaml")
    lab.path.write_text(f"version: 1\nmachines:\n{guest_machine('qemu', 'vm', nics=nics)}")
    before = comparable(host.snapshot())

    up = lab.run("up")

    assert up.returncode == 3
    assert (
        "vm.net0: br0 is a Linux bridge: vlan needs an OVS bridge (libvirt 11.0 and later could" in up.stderr
    )
    assert "vm.net1: ovsbr0 is an OVS bridge whose packets go by ovs-vswitchd" in up.stderr
    assert "vm.net2: ovsbr0 has a port theirs already, which is not ours" in up.stderr
    assert comparable(host.snapshot()) == before


def test_a_script_takes_its_port_off_again(host: Hypervisor, tmp_path: Path) -> None:
    lab = Lab(host, tmp_path / "lab.yaml")
    lab.path.write_text(f"version: 1\nmachines:\n{guest_machine('qemu', 'bare', nics=BARE)}")
    before = comparable(host.snapshot())
    script = tmp_path / "bare.sh"
    script.write_text(lab.run("render", "bare", "--as", "script").stdout)
    seen = "until ovs-vsctl get Port tap20 tag; do sleep 0.1; done; kill $!; wait $! || :"

    shown = host.output(["sh", "-c", f"sh {script} >/dev/null 2>&1 </dev/null & {seen}"])

    assert shown == "20\n"
    assert ports(host) == {}
    assert comparable(host.snapshot()).links == before.links
