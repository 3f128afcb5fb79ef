"""From lab file to verdict and down again, on real QEMU, libvirt, TAPs and a booted guest."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.real.conftest import SWITCHES, Lab, comparable, guest_machine, lab_with

if TYPE_CHECKING:
    from pathlib import Path

    from tests.real.hypervisor import Hypervisor


def test_a_lab_comes_up_ready_and_goes_down_without_a_trace(
    hypervisor: Hypervisor, backend: str, tmp_path: Path
) -> None:
    vm = guest_machine(backend, "vm", nics="[{bridge: br-lab, queues: 2}, {tap: true}]")
    there = lab_with(hypervisor, tmp_path, vm)
    before = comparable(hypervisor.snapshot())

    up = there.run("up", "--wait", "60")
    running = hypervisor.links()
    again = there.run("up", "--json")
    status = there.run("status", "--json")
    down = there.run("down")

    assert up.returncode == 0, up.stdout + up.stderr
    assert up.stdout.count("\nREADY ") == 3  # two NICs, and what that rests on
    taps = [link for link in running.values() if link.get("linkinfo", {}).get("info_kind") == "tun"]
    assert sorted(tap["linkinfo"]["info_data"]["multi_queue"] for tap in taps) == [False, True]
    assert all(tap["linkinfo"]["info_data"]["vnet_hdr"] for tap in taps)
    assert again.returncode == 0
    assert json.loads(again.stdout)["changed"] == []
    assert [(row["state"], row["steps"]) for row in json.loads(status.stdout)["machines"]] == [
        ("running", [])
    ]
    assert down.returncode == 0, down.stderr
    assert comparable(hypervisor.snapshot()) == before


def test_each_condition_gets_its_cause(hypervisor: Hypervisor, backend: str, tmp_path: Path) -> None:
    """One lab, one boot: a guest that is willing, declines TSO, has no driver, drops RSC; a device without tso4."""
    nic = "[{bridge: br-lab}]"
    machines = [
        guest_machine(backend, name, switch=SWITCHES[name], nics=nic)
        for name in ("willing", "declining", "driverless", "dropping")
    ]
    machines.append(guest_machine(backend, "halved", nics="[{bridge: br-lab, offloads: {guest_tso4: off}}]"))
    machines.append(
        guest_machine(backend, "off", nics="[{bridge: br-lab, rsc: off}, {user: true, rsc: off}]")
    )
    there = lab_with(hypervisor, tmp_path, *machines)

    drivers = there.run("up", "willing", "declining", "dropping", "halved", "off", "--wait", "60")
    none = there.run("up", "driverless", "--wait", "2")
    nics = there.nics()

    assert drivers.returncode == none.returncode == 1, drivers.stderr + none.stderr
    assert "driver-not-loaded" in none.stdout
    causes = {name: nic["cause"] for name, nic in nics.items()}
    assert causes == {
        "willing.net0": None,
        "declining.net0": "driver-declined",
        "driverless.net0": "driver-not-loaded",
        "dropping.net0": "tap-segmentation-off",
        "halved.net0": "guest-offloads-off",
        "off.net0": None,
        "off.net1": None,
    }
    assert nics["driverless.net0"]["verdict"] == "unknown"
    assert nics["off.net0"]["verdict"] == nics["off.net1"]["verdict"] == "ready"
    assert nics["halved.net0"]["families"] == {
        "ipv4": {"verdict": "not-ready", "cause": "guest-offloads-off"},
        "ipv6": {"verdict": "ready", "cause": None},
    }
    assert there.run("check", "willing").returncode == 0
    assert there.run("check", "driverless").returncode == 4
    _host_switches_off(there, nics["willing.net0"]["tap"])
    assert there.run("down").returncode == 0


def _host_switches_off(there: Lab, tap: str) -> None:
    """What somebody's script does to a TAP after boot, and the check's own fix for it."""
    there.host.output(["ethtool", "-K", tap, "tx", "off"])
    found = there.nics("willing")["willing.net0"]
    assert (found["verdict"], found["cause"]) == ("not-ready", "host-disabled-checksum")
    assert found["fix"][0] == f"ethtool -K {tap} tx on"
    there.host.output(found["fix"][0].split())
    assert there.run("check", "willing").returncode == 0

    there.host.output(["ethtool", "-K", tap, "sg", "off"])
    found = there.nics("willing")["willing.net0"]
    assert found["cause"] == "host-disabled-segmentation"
    there.host.output(found["fix"][0].split())
    assert there.run("check", "willing").returncode == 0


def test_an_hck_machine_offers_rsc_ext_and_is_held_to_be_wire_like(
    hypervisor: Hypervisor, backend: str, tmp_path: Path
) -> None:
    dut = guest_machine(
        backend, "dut", switch=SWITCHES["hck"], nics="[{bridge: br-lab, rsc: hck}]", more="purpose: hck"
    )
    there = lab_with(hypervisor, tmp_path, dut)

    up = there.run("up", "--wait", "60")
    nic = there.nics()["dut.net0"]

    assert up.returncode == 1
    assert "RSC_EXT, GUEST_TSO6 taken by the guest's driver" in up.stdout
    assert (nic["cause"], nic["rsc"], nic["purpose"]) == ("not-wire-like", "hck", "hck")
    hypervisor.output(["ethtool", "-K", nic["tap"], "tx", "off"])
    assert there.nics()["dut.net0"]["verdict"] == "ready"
    assert there.run("down").returncode == 0


def test_a_machine_that_is_not_up_is_unknown(hypervisor: Hypervisor, backend: str, tmp_path: Path) -> None:
    there = lab_with(hypervisor, tmp_path, guest_machine(backend, "vm", nics="[{bridge: br-lab}]"))

    check = there.run("check", "--json")

    assert check.returncode == 4
    assert json.loads(check.stdout)["nics"][0]["cause"] == "machine-off"


def test_down_also_takes_machines_that_the_lab_file_has_lost(
    hypervisor: Hypervisor, backend: str, tmp_path: Path
) -> None:
    there = lab_with(hypervisor, tmp_path, guest_machine(backend, "gone", nics="[{bridge: br-lab}]"))
    before = comparable(hypervisor.snapshot())
    assert there.run("up", "--no-check").returncode == 0

    lab_with(hypervisor, tmp_path, guest_machine(backend, "other", nics="[{bridge: br-lab}]"))
    down = there.run("down")

    assert down.returncode == 0, down.stderr
    assert comparable(hypervisor.snapshot()) == before


def test_an_overlay_leaves_its_base_image_alone(hypervisor: Hypervisor, backend: str, tmp_path: Path) -> None:
    base = tmp_path / "base, with <blanks>.qcow2"
    hypervisor.output(["qemu-img", "create", "-q", "-f", "qcow2", str(base), "8M"])
    untouched = base.read_bytes()
    vm = guest_machine(
        backend,
        "vm",
        nics="[{bridge: br-lab}]",
        more=f'disks: [{{image: "{base}"}}, {{image: "{base}", bus: sata}}]',
    )
    there = lab_with(hypervisor, tmp_path, vm)

    assert there.run("up", "--no-check").returncode == 0
    overlay = json.loads(
        hypervisor.output(["qemu-img", "info", "-U", "--output=json", "/var/lib/rscvm/lab/vm-0.qcow2"])
    )
    assert overlay["backing-filename"] == str(base)
    assert there.run("down", "--keep-disks").returncode == 0
    assert set(hypervisor.snapshot().files) >= {"lab/vm-0.qcow2", "lab/vm-1.qcow2", "lab/journal.json"}
    assert there.run("up", "--no-check").returncode == 0
    assert there.run("down").returncode == 0
    assert not {name for name in hypervisor.snapshot().files if name.startswith("lab")}
    assert base.read_bytes() == untouched
