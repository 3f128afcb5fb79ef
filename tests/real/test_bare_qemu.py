"""The right cause for every NIC of a QEMU that was started by hand, found by its monitor alone."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.real.domains import causes, until
from tests.real.hypervisor import Hypervisor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.real

SOCKET = "/run/someone.sock"


def tap(name: str, more: str = "") -> str:
    """A TAP that QEMU makes, as a netdev that is called as it is."""
    return f"tap,id={name},ifname={name},script=no,downscript=no{more}"


# Netdev and device of each NIC, and what has to be said of it. QEMU tells devices with an id before those without.
NICS = {
    "good": (tap("t0"), "virtio-net-pci,id=good,netdev=t0", "ready"),
    "bare-frames": (tap("t1", ",vnet_hdr=off"), "virtio-net-pci,id=bare-frames,netdev=t1", "no-vnet-header"),
    "usermode": ("user,id=t2", "virtio-net-pci,id=usermode,netdev=t2", "no-vnet-header"),
    "emulated": (tap("t3"), "e1000e,id=emulated,netdev=t3", "not-virtio"),
    "onefamily": (tap("t4"), "virtio-net-pci,id=onefamily,netdev=t4,guest_tso6=off", "guest-offloads-off"),
    "hck": (tap("t5"), "virtio-net-pci,id=hck,netdev=t5,guest_rsc_ext=on", "hck-flags-in-production"),
    "modern": (tap("t6"), "virtio-net-pci-non-transitional,id=modern,netdev=t6", "ready"),
    "anonymous": (tap("t7"), "virtio-net-pci,netdev=t7", "ready"),
}
WANTED = {wanted for _, _, wanted in NICS.values()}


def argv(guest: Path) -> list[str]:
    """A QEMU with all of them, that boots the demo guest."""
    nics = [word for netdev, device, _ in NICS.values() for word in ("-netdev", netdev, "-device", device)]
    boot = ["-kernel", f"{guest}/vmlinuz", "-initrd", f"{guest}/initrd.gz", "-append", "console=ttyS0 quiet"]
    machine = ["-machine", "q35,accel=tcg", "-m", "192", "-nodefaults", "-display", "none", *boot]
    return ["qemu-system-x86_64", *machine, *nics, "-qmp", f"unix:{SOCKET},server=on,wait=off"]


def check(host: Hypervisor, *arguments: str) -> tuple[int, dict[str, Any], str]:
    """Exit status, NICs by `machine.nic`, and stderr of `check --qmp`."""
    program = [sys.executable, "-m", "provision", "check", "--qmp", SOCKET, "--json", *arguments]
    done = host.run(program, timeout=120)
    nics = json.loads(done.stdout)["nics"] if done.stdout else []
    return done.returncode, {f"{nic['machine']}.{nic['nic']}": nic for nic in nics}, done.stderr.decode()


@pytest.fixture(scope="module")
def host(guest: Path) -> Iterator[Hypervisor]:
    with Hypervisor() as host:
        host.output([*argv(guest), "-name", "guest=by-hand", "-daemonize"])
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
