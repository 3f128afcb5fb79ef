"""The right cause for every NIC of a QEMU that was started by hand, found by its monitor alone."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.real.demo_guest import CMDLINE
from tests.real.domains import causes, until
from tests.real.hypervisor import Hypervisor
from tests.real.preloaded import rscvm

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.real

SOCKET = "/run/someone.sock"


def tap(name: str, more: str = "") -> str:
    """A TAP that QEMU makes, as a netdev that is called as it is."""
    return f"tap,id={name},ifname={name},script=no,downscript=no{more}"


def end(name: str, port: int) -> str:
    """One end of a dgram netdev."""
    return f"{name}.type=inet,{name}.host=127.0.0.1,{name}.port={port}"


# A TAP without IFF_VNET_HDR (0x4000), as some launchers open it, at descriptor 20 of the program that follows.
WITH_DESCRIPTOR = """
import fcntl, os, struct, sys
tap = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tap, 0x400454CA, struct.pack("16sH22x", b"tb", 0x0002 | 0x1000))
os.dup2(tap, 20, inheritable=True)
os.execvp(sys.argv[1], sys.argv[1:])
"""
AT_MONITOR = """
import json, socket, sys
with socket.socket(socket.AF_UNIX) as there:
    there.connect(sys.argv[1])
    lines = there.makefile("rw")
    for line in ('{"execute": "qmp_capabilities"}', sys.argv[2]):
        print(line, file=lines, flush=True)
        while "return" not in (said := json.loads(next(lines))):
            assert "error" not in said, said
"""


# Netdev and device of each NIC, and what has to be said of it. QEMU tells devices with an id before those without.
NICS = {
    "good": (tap("t0"), "virtio-net-pci,id=good,netdev=t0", "ready"),
    "bare-frames": (tap("t1", ",vnet_hdr=off"), "virtio-net-pci,id=bare-frames,netdev=t1", "no-vnet-header"),
    "usermode": ("user,id=t2", "virtio-net-pci,id=usermode,netdev=t2", "no-vnet-header"),
    "emulated": (tap("t3"), "e1000e,id=emulated,netdev=t3", "not-virtio"),
    "onefamily": (tap("t4"), "virtio-net-pci,id=onefamily,netdev=t4,guest_tso6=off", "guest-offloads-off"),
    "hck": (tap("t5"), "virtio-net-pci,id=hck,netdev=t5,guest_rsc_ext=on", "hck-flags-in-production"),
    "modern": (tap("t6"), "virtio-net-pci-non-transitional,id=modern,netdev=t6", "ready"),
    "legacy": (tap("th"), "virtio-net-pci,id=legacy,netdev=th,disable-modern=on", "ready"),
    "standby": (tap("t8"), "virtio-net-pci,id=standby,netdev=t8,failover=on", "failover-standby"),
    "vmxnet3": (tap("t9"), "vmxnet3,id=vmxnet3,netdev=t9", "not-virtio"),
    "headerless": (tap("ta", ",vnet_hdr=off"), "vmxnet3,id=headerless,netdev=ta", "no-vnet-header"),
    "handed": ("tap,id=tb,fd=20", "virtio-net-pci,id=handed,netdev=tb", "no-vnet-header"),
    "hubbed": ("hubport,id=tc,hubid=1", "virtio-net-pci,id=hubbed,netdev=tc", "no-vnet-header"),
    "alone": ("", "virtio-net-pci,id=alone", "no-vnet-header"),
    "stream": (
        "stream,id=td,server=on,addr.type=unix,addr.path=/run/stream.sock",
        "virtio-net-pci,id=stream,netdev=td",
        "no-vnet-header",
    ),
    "dgram": (
        f"dgram,id=te,{end('local', 15000)},{end('remote', 15001)}",
        "virtio-net-pci,id=dgram,netdev=te",
        "no-vnet-header",
    ),
    "anonymous": (tap("t7"), "virtio-net-pci,netdev=t7", "ready"),
}
OWN_WORDS = {
    "handed": "guest_csum is on at the device, and is not offered",
    "hubbed": "a hub is between the NIC and its backend",
    "alone": "no netdev is attached to the device",
    "stream": "stream netdev",
    "dgram": "dgram netdev",
    "headerless": "its TAP was opened without a vnet header",
}
WANTED = {wanted for _, _, wanted in NICS.values()}


def argv(guest: Path) -> list[str]:
    """A QEMU with all of them, that boots the demo guest."""
    pairs = [(("-netdev", netdev) if netdev else (), device) for netdev, device, _ in NICS.values()]
    nics = [word for netdev, device in pairs for word in (*netdev, "-device", device)]
    nics += ["-netdev", tap("tf"), "-netdev", "hubport,id=tg,hubid=1,netdev=tf"]
    boot = ["-kernel", f"{guest}/vmlinuz", "-initrd", f"{guest}/initrd", "-append", CMDLINE]
    machine = ["-machine", "q35,accel=tcg", "-m", "192", "-nodefaults", "-display", "none", *boot]
    qemu = ["qemu-system-x86_64", *machine, *nics, "-qmp", f"unix:{SOCKET},server=on,wait=off"]
    return [sys.executable, "-c", WITH_DESCRIPTOR, *qemu]


def bring_up(host: Hypervisor) -> None:
    """The TAPs, which QEMU makes and leaves down."""
    for name, link in host.links().items():
        if link.get("linkinfo", {}).get("info_kind") == "tun":
            host.output(["ip", "link", "set", name, "up"])


def ask(host: Hypervisor, command: str, **arguments: object) -> None:
    """One command at the monitor."""
    line = json.dumps({"execute": command, "arguments": arguments})
    host.output([sys.executable, "-c", AT_MONITOR, SOCKET, line])


def check(host: Hypervisor, *arguments: str) -> tuple[int, dict[str, Any], str]:
    """Exit status, NICs by `machine.nic`, and stderr of `check --qmp`."""
    done = rscvm(host, "check", "--qmp", SOCKET, "--json", *arguments, timeout=120)
    nics = json.loads(done.stdout).get("nics", []) if done.stdout else []
    return done.returncode, {f"{nic['machine']}.{nic['nic']}": nic for nic in nics}, done.stderr


@pytest.fixture(scope="module")
def host(guest: Path) -> Iterator[Hypervisor]:
    with Hypervisor() as host:
        host.output([*argv(guest), "-name", "guest=by-hand", "-daemonize"])
        bring_up(host)
        yield host


@pytest.fixture(scope="module")
def nics(host: Hypervisor) -> dict[str, Any]:
    until(
        lambda: causes(check(host)[1]).get("by-hand.good") != "driver-not-loaded", "the guest's driver", 150
    )
    return {name.removeprefix("by-hand."): nic for name, nic in check(host)[1].items()}


def test_before_the_guest_has_booted_nothing_is_ready(guest: Path) -> None:
    with Hypervisor() as host:
        host.output([*argv(guest), "-S", "-daemonize"])
        bring_up(host)

        status, found, _ = check(host)

    assert status == 1  # some NICs can never be
    assert causes(found)["someone.good"] == "machine-paused"
    assert not [nic for nic in found.values() if nic["verdict"] == "ready"]


@pytest.mark.parametrize("name", [name for name in NICS if name != "anonymous"])
def test_each_nic_has_its_cause(nics: dict[str, Any], name: str) -> None:
    assert (nics[name]["cause"] or nics[name]["verdict"]) == NICS[name][2], json.dumps(nics[name], indent=1)


def test_a_nic_without_an_id_is_found_and_numbered(nics: dict[str, Any]) -> None:
    [name] = set(nics) - set(NICS)

    assert name == f"net{len(NICS) - 1}"
    assert (nics[name]["tap"], nics[name]["verdict"]) == ("t7", "ready")


def test_what_the_monitor_tells_is_told(nics: dict[str, Any]) -> None:
    assert {nic["host"] for nic in nics.values()} == {"local"}
    assert {nics[name]["tap"] for name in ("good", "bare-frames", "emulated")} == {"t0", "t1", "t3"}
    assert nics["usermode"]["tap"] is None
    assert nics["onefamily"]["families"]["ipv4"] == {"verdict": "ready", "cause": None}


@pytest.mark.parametrize("name", OWN_WORDS)
def test_each_backend_is_told_in_its_own_words(nics: dict[str, Any], name: str) -> None:
    assert nics[name]["seen"] == OWN_WORDS[name]


def test_whose_own_driver_decides_is_unknown(nics: dict[str, Any]) -> None:
    assert {nics[name]["verdict"] for name in ("standby", "vmxnet3")} == {"unknown"}


def test_what_qemu_does_not_tell_of_a_cable_is_said(nics: dict[str, Any]) -> None:
    told = {
        name: any("set_link" in note for note in nics[name]["notes"]) for name in ("good", "modern", "legacy")
    }
    assert told == {"good": False, "modern": False, "legacy": True}


def test_a_link_that_is_off_is_the_cause_and_ends_with_it(host: Hypervisor, nics: dict[str, Any]) -> None:
    """By the NIC's name, by its netdev's, and of a NIC without an id; and the TAP of one."""
    assert nics["good"]["verdict"] == "ready"
    for name in ("good", "t6", "t7"):
        ask(host, "set_link", name=name, up=False)
    host.output(["ip", "link", "set", "t4", "down"])

    cut = causes(check(host)[1])
    for name in ("good", "t6", "t7"):
        ask(host, "set_link", name=name, up=True)
    host.output(["ip", "link", "set", "t4", "up"])
    whole = causes(check(host)[1])

    anonymous = f"net{len(NICS) - 1}"
    names = {f"by-hand.{name}" for name in ("good", "modern", anonymous, "onefamily")}
    assert {name for name, cause in cut.items() if cause == "link-down"} == names
    assert not [name for name, cause in whole.items() if cause == "link-down"]


def test_virtio_on_its_own_bus_is_asked_too() -> None:
    machine = ["-machine", "microvm,accel=tcg", "-nodefaults", "-display", "none", "-S", "-daemonize"]
    nic = ["-netdev", tap("t0"), "-device", "virtio-net-device,netdev=t0,id=mmio"]
    with Hypervisor() as host:
        host.output(["qemu-system-x86_64", *machine, *nic, "-qmp", f"unix:{SOCKET},server=on,wait=off"])
        host.output(["ip", "link", "set", "t0", "up"])

        found = check(host)[1]["someone.mmio"]

    ladder = {rung["rung"]: rung["ipv4"] for rung in found["ladder"]}
    assert (ladder["configured"], ladder["offered"], found["cause"]) == ("pass", "pass", "machine-paused")


def test_what_the_host_switches_off_is_seen_and_not_changed(host: Hypervisor, nics: dict[str, Any]) -> None:
    assert nics["good"]["verdict"] == "ready"
    host.output(["ethtool", "-K", "t0", "tx", "off"])
    before = (host.ethtool_features("t0"), host.snapshot())

    status, found, errors = check(host)
    host.output(["ethtool", "-K", "t6", "tso", "off"])

    assert (status, errors) == (1, "")
    assert found["by-hand.good"]["cause"] == "host-disabled-checksum"
    assert before == (host.ethtool_features("t0"), host.snapshot())
    assert causes(check(host)[1])["by-hand.modern"] == "tap-segmentation-off"


def test_a_socket_that_nobody_listens_at_is_a_fault_of_the_host(host: Hypervisor) -> None:
    done = host.run([sys.executable, "-m", "provision", "check", "--qmp", "/run/nobody.sock"])

    assert done.returncode == 3
    assert b"/run/nobody.sock" in done.stderr
    assert b"Traceback" not in done.stderr
