"""One host with all that can mislead: each NIC is judged by its own device, and nothing else is touched.

libvirt's domains, one with a NIC past libvirt, and those of a libvirt in namespaces of its own; bare QEMUs in three
network namespaces with TAPs of one name; a TAP that was handed over as a descriptor, and a monitor on TCP; a monitor that
a client holds; one of another user, and one whose user has put root's socket in its place; a process that lies in its
arguments and its name.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.real.demo_guest import CMDLINE, GUEST
from tests.real.hypervisor import Hypervisor, wait_for
from tests.real.preloaded import rscvm
from tests.real.whole import whole_host

MACHINE = (
    "exec qemu-system-x86_64 -accel tcg -cpu max -m 192 -nodefaults -display none -kernel $G/vmlinuz -initrd $G/initrd"
    f" -append '{CMDLINE}'"
    " -serial file:$D/{name}.log -name '{said}' -pidfile $D/{name}.pid -daemonize"
    " -device virtio-net-pci,netdev=n,id=nic,mac=52:54:00:00:01:{mac} {more}"
)
NAMED = "-netdev tap,id=n,ifname=tap0,script=no,downscript=no -qmp unix:$D/{name}.qmp,server=on,wait=off"
DEVICES = """
ip link set lo up
ip link add br0 type bridge && ip link set br0 up
ip tuntap add dev tap0 mode tap vnet_hdr && ip link set tap0 up master br0
"""
HANDED = """
import fcntl, os, struct, sys
tap = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tap, 0x400454CA, struct.pack("16sH22x", b"handed0", 0x0002 | 0x1000 | 0x4000))
os.set_inheritable(tap, True)
os.system("ip link set handed0 up master br0")
os.execvp("sh", ["sh", "-c", sys.argv[1].replace("FD", str(tap))])
"""
OTHERS = """
ip tuntap add dev {name}0 mode tap vnet_hdr user 65534 && ip link set {name}0 up
mkdir -p /run/others && chown 65534 /run/others
exec setpriv --reuid=65534 --clear-groups -- sh -ec '{script}'
"""
TRAP = """
import os, socket, sys
trap = socket.socket(socket.AF_UNIX)
trap.bind(sys.argv[1] + ".root")
trap.listen()
os.unlink(sys.argv[1])
os.symlink(sys.argv[1] + ".root", sys.argv[1])
while True:
    trap.accept()
    open(sys.argv[1] + ".sprung", "w").close()
"""
APART = """
for own in /run /var/lib/libvirt /var/log/libvirt /var/cache/libvirt; do mount -t tmpfs tmpfs $own; done
ip link set lo up
ip link add br0 type bridge && ip link set br0 up
virtlogd --daemon && libvirtd --daemon
timeout 30 sh -c 'until [ -S /run/libvirt/libvirt-sock ]; do sleep 0.1; done'
virsh --quiet --connect qemu:///system create $D/apart.xml
"""
CLIENT = """
import socket, sys, time
held = socket.socket(socket.AF_UNIX)
held.connect(sys.argv[1])
held.recv(4096)
time.sleep(600)
"""
PAST_LIBVIRT = """<qemu:commandline>
<qemu:arg value='-netdev'/><qemu:arg value='tap,id=own,ifname=past0,script=no,downscript=no'/>
<qemu:arg value='-device'/><qemu:arg value='virtio-net-pci,netdev=own,id=past,mac=52:54:00:00:02:02,guest_tso4=off,guest_tso6=off,addr=0x10'/>
</qemu:commandline>"""


RENAMED = """
ip link set dom0 down
ip link set dom0 name moved0
ip link set moved0 up
ip tuntap add dev dom0 mode tap
ethtool -K moved0 tx-tcp-segmentation off tx-tcp6-segmentation off
"""
BACK = """
ip link del dom0
ip link set moved0 down
ip link set moved0 name dom0
ip link set dom0 up
"""


def domain(name: str, folder: Path, *, interface: str = "", more: str = "") -> str:
    return f"""<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>{name}</name><memory unit='MiB'>192</memory>
  <os><type arch='x86_64' machine='q35'>hvm</type><kernel>{GUEST}/vmlinuz</kernel><initrd>{GUEST}/initrd</initrd>
    <cmdline>{CMDLINE}</cmdline></os><features><acpi/></features><cpu mode='maximum'/>
  <devices>{interface}<serial type='file'><source path='{folder}/{name}.log'/></serial><memballoon model='none'/></devices>
  {more}</domain>"""


class Misleading:
    """The host, and what each NIC on it is."""

    def __init__(self, host: Hypervisor, folder: Path) -> None:
        self.host, self.folder = host, folder
        host.output(["sh", "-ec", DEVICES])
        host.output(["ip", "tuntap", "add", "dev", "past0", "mode", "tap", "vnet_hdr"])
        host.output(["ip", "link", "set", "past0", "up"])
        for name in ("own", "net1", "net2"):
            where = "" if name == "own" else DEVICES
            self.start(name, "twin", name[-1] if name != "own" else "0", NAMED, where, apart=name != "own")
        handed = "-netdev tap,id=n,fd=FD -qmp tcp:127.0.0.1:4444,server=on,wait=off"
        script = self.script("handed", "handed", "3", handed)
        host.output([sys.executable, "-c", HANDED, script])
        host.output(["ip", "tuntap", "add", "dev", "held0", "mode", "tap", "vnet_hdr"])
        host.output(["ip", "link", "set", "held0", "up"])
        self.start("held", "held", "4", NAMED.replace("tap0", "held0"), "")
        self.background(f"{sys.executable} -c '{CLIENT}' {folder}/held.qmp")
        interface = "<interface type='bridge'><mac address='52:54:00:00:02:01'/><source bridge='br0'/><target dev='dom0'/><model type='virtio'/></interface>"
        for name, xml in {
            "dom": domain("dom", folder, interface=interface),
            "past": domain("past", folder, more=PAST_LIBVIRT),
        }.items():
            (folder / f"{name}.xml").write_text(xml)
            host.virsh("create", str(folder / f"{name}.xml"))
        for name, mac in (("user", "5"), ("swapped", "6")):
            more = NAMED.replace("tap0", f"{name}0")
            script = self.script(name, f"{name}\x1b[31m", mac, more).replace(
                f"{folder}/{name}.", f"/run/others/{name}."
            )
            script = OTHERS.format(name=name, script=script.replace("'", '"'))
            host.output(["sh", "-ec", script.replace("$D", str(folder))])
        (folder / "trap.py").write_text(TRAP)
        self.background(f"{sys.executable} {folder}/trap.py /run/others/swapped.qmp")
        (folder / "apart.xml").write_text(
            domain("apart", folder, interface=interface.replace("02:01", "02:03"))
        )
        host.output(["unshare", "-mn", "sh", "-ec", APART.replace("$D", str(folder))])
        (folder / "lie").mkdir()
        host.output(["cp", sys.executable, str(folder / "lie" / "qemu-system-x86_64.py")])
        lie = f"-name 'guest=dom,debug-threads=on' -qmp unix:{folder}/own.qmp,server=on -netdev tap,id=n,ifname=dom0"
        self.background(f"setpriv --reuid=65534 --clear-groups -- sh -c 'sleep 600; :' {lie}")
        wait_for(self.booted, time.monotonic() + 120, "every guest's driver")

    def script(self, name: str, said: str, mac: str, more: str) -> str:
        text = MACHINE.format(name=name, said=said, mac=f"0{mac}", more=more.format(name=name))
        return text.replace("$D", str(self.folder)).replace("$G", str(GUEST))

    def start(self, name: str, said: str, mac: str, more: str, first: str, *, apart: bool = False) -> None:
        script = f"{first}\n{self.script(name, said, mac, more)}"
        self.host.output([*(["unshare", "-n"] if apart else []), "sh", "-ec", script])

    def background(self, command: str) -> None:
        self.host.output(["sh", "-c", f"({command}) >/dev/null 2>&1 </dev/null & :"])

    def booted(self) -> bool:
        names = ("own", "net1", "net2", "handed", "held", "dom", "past", "apart")
        logs = [
            *(self.folder / f"{name}.log" for name in names),
            *(self.host.path(f"/run/others/{name}.log") for name in ("user", "swapped")),
        ]
        return all(log.exists() and "rscvm-guest: ready" in log.read_text(errors="replace") for log in logs)

    def check(self, *arguments: str) -> dict[str, Any]:
        done = rscvm(self.host, "check", "--json", *arguments, timeout=120)
        assert done.returncode in (0, 1, 4), done.stderr
        return {nic["mac"]: nic for nic in json.loads(done.stdout)["nics"]}

    def pid(self, name: str) -> int:
        return int((self.folder / f"{name}.pid").read_text())


@pytest.fixture(scope="module")
def there(guest: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Misleading]:
    assert guest.is_dir()
    with Hypervisor() as host:
        host.start_libvirtd()
        host.output(["ip", "tuntap", "add", "dev", "eth0", "mode", "tap"])
        yield Misleading(host, tmp_path_factory.mktemp("misleading"))


def own_net(there: Misleading, name: str, *command: str) -> str:
    return there.host.output(["nsenter", f"--net=/proc/{there.pid(name)}/ns/net", *command])


WANTED = {
    "01:00": ("ready", None, "tap0"),
    "01:01": ("not-ready", "tap-segmentation-off", "tap0"),
    "01:02": ("ready", None, "tap0"),
    "01:03": ("ready", None, "handed0"),
    "01:04": ("ready", None, "held0"),
    "01:05": ("ready", None, "user0"),
    "01:06": ("ready", None, "swapped0"),
    "02:01": ("ready", None, "dom0"),
    "02:02": ("not-ready", "guest-offloads-off", "past0"),
    "02:03": ("ready", None, "dom0"),
}


def test_each_nic_of_the_host_is_judged_by_its_own_device(there: Misleading) -> None:
    own_net(
        there, "net1", "ethtool", "-K", "tap0", "tx-tcp-segmentation", "off", "tx-tcp6-segmentation", "off"
    )
    before = whole_host(there.host)

    found = there.check()

    verdicts = {mac[-5:]: (nic["verdict"], nic["cause"], nic["tap"]) for mac, nic in found.items()}
    assert verdicts == WANTED
    assert [found[f"52:54:00:00:01:0{n}"]["machine"] for n in (0, 1)] == [
        f"twin ({there.pid('own')})",
        f"twin ({there.pid('net1')})",
    ]
    assert found["52:54:00:00:01:05"]["machine"] == r"user\x1b[31m"
    negotiated = {
        mac[-5:]: rung for mac, nic in found.items() for rung in nic["ladder"] if rung["rung"] == "negotiated"
    }
    by_arguments = {mac: rung["seen"] for mac, rung in negotiated.items() if rung["ipv4"] == "unknown"}
    assert by_arguments.keys() == {"01:04", "01:06", "02:03"}
    assert all("judged by its arguments and its TAP" in why for why in by_arguments.values())
    assert "not a socket of user 65534" in by_arguments["01:06"]
    assert not there.host.path("/run/others/swapped.qmp.sprung").exists(), "nobody else was connected to"
    [by_socket] = there.check("--qmp", str(there.folder / "held.qmp")).values()
    assert (by_socket["verdict"], by_socket["tap"]) == ("ready", "held0")
    assert whole_host(there.host) == before, "nothing was changed"
    for name in ("own", "net1"):
        assert there.check("--qmp", str(there.folder / f"{name}.qmp")), "no monitor is kept"
    [handed] = there.check("--qmp", "tcp:127.0.0.1:4444").values()
    assert (handed["verdict"], handed["tap"]) == ("ready", "handed0"), "alone, and its monitor knows no name"


def test_a_nic_past_libvirt_is_judged_without_the_monitor_too(there: Misleading) -> None:
    [nic] = there.check("--connect", "qemu:///system", "--no-monitor", "past").values()

    assert (nic["verdict"], nic["cause"], nic["tap"]) == ("not-ready", "guest-offloads-off", "past0")
    assert next(rung for rung in nic["ladder"] if rung["rung"] == "passed")["ipv4"] == "fail"


def test_one_qemu_is_judged_by_its_tap_wherever_that_is(there: Misleading) -> None:
    found = there.check("--qmp", str(there.folder / "net2.qmp"))

    assert [(nic["verdict"], nic["tap"]) for nic in found.values()] == [("ready", "tap0")]
    there.host.output(["ethtool", "-K", "tap0", "tx-tcp-segmentation", "off", "tx-tcp6-segmentation", "off"])
    try:
        assert [nic["verdict"] for nic in there.check("--qmp", str(there.folder / "net2.qmp")).values()] == [
            "ready"
        ]
        assert [nic["verdict"] for nic in there.check("--qmp", str(there.folder / "own.qmp")).values()] == [
            "not-ready"
        ]
    finally:
        there.host.output(
            ["ethtool", "-K", "tap0", "tx-tcp-segmentation", "on", "tx-tcp6-segmentation", "on"]
        )


def test_a_monitor_is_who_listens_whatever_leads_to_it(there: Misleading) -> None:
    link = there.folder / "link.qmp"
    link.symlink_to("net1.qmp")

    [nic] = there.check("--qmp", str(link)).values()

    assert (nic["mac"], nic["tap"], nic["pid"]) == ("52:54:00:00:01:01", "tap0", there.pid("net1"))


def test_a_domain_whose_tap_was_renamed_is_judged_by_what_qemu_holds_and_fixed_there(
    there: Misleading,
) -> None:
    host = there.host
    host.output(["sh", "-ec", RENAMED])
    strangers = host.ethtool_features("dom0")
    try:
        [nic] = there.check("--connect", "qemu:///system", "dom").values()
        assert (nic["verdict"], nic["tap"]) == ("not-ready", "moved0")
        fix = host.run([sys.executable, "-m", "provision", "fix", "--connect", "qemu:///system", "dom"])
        assert fix.returncode == 0, fix.stderr.decode()
        assert host.ethtool_features("moved0")["tx-tcp-segmentation"]["active"]
        assert host.ethtool_features("dom0") == strangers
    finally:
        host.output(["sh", "-ec", BACK])


def test_evidence_of_a_whole_host_is_judged_elsewhere_as_here(there: Misleading, tmp_path: Path) -> None:
    kept = str(tmp_path / "kept")
    here = there.check("--save", kept)

    again = there.check("--from", kept)

    assert again == here
