"""`plan` says what `up` does, and `status` what somebody has changed, on real hosts."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.real.conftest import HEAD, Lab, guest_machine
from tests.real.hypervisor import Hypervisor


def lab(host: Hypervisor, tmp_path: Path, backend: str) -> Lab:
    path = tmp_path / "lab.yaml"
    path.write_text(HEAD + guest_machine(backend, "vm", nics="[{bridge: br-lab, ifname: t0}]"))
    return Lab(host, path)


def test_up_does_exactly_what_plan_printed(hypervisor: Hypervisor, backend: str, tmp_path: Path) -> None:
    there = lab(hypervisor, tmp_path, backend)
    before = hypervisor.snapshot()

    plan = there.run("plan", "--json", "--exit-code")
    after = hypervisor.snapshot()
    text = there.run("plan")
    up = there.run("up", "--no-check", "--json")
    again = there.run("plan", "--exit-code")

    [host] = json.loads(plan.stdout)["hosts"]
    assert plan.returncode == 1
    assert (after.links, after.processes, after.domains) == (before.links, before.processes, before.domains)
    assert all(step["why"] and step["diff"] for step in host["steps"])
    assert "+ bridge br-lab" in text.stdout
    assert json.loads(up.stdout)["changed"] == [step["what"] for step in host["steps"]]
    assert again.returncode == 0
    assert "nothing to change" in again.stdout
    assert there.run("down").returncode == 0


def test_a_domain_that_was_edited_by_hand_is_shown_and_mended(
    with_libvirt: Hypervisor, tmp_path: Path
) -> None:
    there = lab(with_libvirt, tmp_path, "libvirt")
    assert there.run("up", "--no-check").returncode == 0
    assert there.run("plan", "--exit-code").returncode == 0
    [mac] = re.findall("<mac address='(.+?)'/>", with_libvirt.virsh("dumpxml", "vm"))
    edited = tmp_path / "edited.xml"
    edited.write_text(with_libvirt.virsh("dumpxml", "--inactive", "vm").replace("tso4='on'", "tso4='off'"))
    with_libvirt.virsh("define", str(edited))

    status, plan = there.run("status"), there.run("plan", "--exit-code")
    up = there.run("up", "--no-check")

    line = f"+ devices/interface[{mac}]/offloads@guest_tso4: on"
    assert line in status.stdout
    assert line in plan.stdout
    assert line.replace("+", "-").replace(": on", ": off") in plan.stdout
    assert "define vm anew: it was edited by hand" in plan.stdout
    assert (plan.returncode, up.returncode) == (1, 0)
    assert there.run("plan", "--exit-code").returncode == 0
    assert there.run("down").returncode == 0


def test_a_nic_that_was_unplugged_is_drift(with_libvirt: Hypervisor, tmp_path: Path) -> None:
    there = lab(with_libvirt, tmp_path, "libvirt")
    assert there.run("up", "--wait", "60").returncode == 0
    nic = tmp_path / "nic.xml"
    nic.write_text(
        "<interface type='bridge'><mac address='52:54:00:00:00:77'/><source bridge='br-lab'/><model type='virtio'/></interface>"
    )
    with_libvirt.virsh("attach-device", "vm", str(nic), "--live")

    status, up = there.run("status"), there.run("up")

    assert "vm runs with what somebody has changed by hand" in status.stdout
    assert "- devices/interface[" in status.stdout
    assert up.returncode == 3
    assert there.run("down").returncode == 0


def test_what_a_changed_lab_file_would_change_is_a_diff(with_libvirt: Hypervisor, tmp_path: Path) -> None:
    there = lab(with_libvirt, tmp_path, "libvirt")
    assert there.run("up", "--no-check").returncode == 0
    with_libvirt.virsh("destroy", "vm")
    there.path.write_text(there.path.read_text().replace("192MiB", "224MiB"))

    plan = there.run("plan")

    assert '-  <memory unit="KiB">196608</memory>' in plan.stdout
    assert '+  <memory unit="KiB">229376</memory>' in plan.stdout
    assert "define vm anew: the lab file has changed" in plan.stdout
    assert there.run("up", "--no-check").returncode == 0
    assert there.run("plan", "--exit-code").returncode == 0
    assert there.run("down").returncode == 0


def test_devices_that_have_drifted_are_shown_and_put_right(
    hypervisor: Hypervisor, backend: str, tmp_path: Path
) -> None:
    there = lab(hypervisor, tmp_path, backend)
    assert there.run("up", "--no-check").returncode == 0
    for line in (
        "ip link add name elsewhere type bridge",
        "ip link set dev t0 master elsewhere",
        "ip link set dev t0 down",
        "ip address flush dev br-lab",
    ):
        hypervisor.output(line.split())

    status, plan = there.run("status"), there.run("plan", "--exit-code")
    up = there.run("up", "--no-check")
    after = hypervisor.links()["t0"]

    for shown in (status.stdout, plan.stdout):
        assert "-   on bridge elsewhere" in shown
        assert "+   on bridge br-lab" in shown
        assert "+   up" in shown
        assert "+   address 10.9.0.1/24" in shown
    assert (plan.returncode, up.returncode) == (1, 0)
    assert (after["master"], "UP" in after["flags"]) == ("br-lab", True)
    assert there.run("plan", "--exit-code").returncode == 0
    hypervisor.output(["ip", "link", "del", "dev", "elsewhere"])
    assert there.run("down").returncode == 0
