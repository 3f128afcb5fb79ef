"""What stands in the way is said, with the right exit status, and nothing has been touched."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from tests.real.conftest import HEAD, Lab, guest_machine
from tests.real.demo_guest import CMDLINE, GUEST

if TYPE_CHECKING:
    from pathlib import Path

    from tests.real.hypervisor import Hypervisor

NIC = "[{bridge: br-lab}]"


def lab(host: Hypervisor, tmp_path: Path, backend: str = "qemu", *, nics: str = NIC, more: str = "") -> Lab:
    path = tmp_path / "lab.yaml"
    path.write_text(HEAD + guest_machine(backend, "vm", nics=nics, more=more))
    return Lab(host, path)


def refused(there: Lab, status: int, *words: str) -> None:
    before = there.host.snapshot()

    done = there.run("up", "--wait", "5")

    assert done.returncode == status, done.stdout + done.stderr
    assert all(word in done.stderr for word in words), done.stderr
    assert "Traceback" not in done.stderr
    after = there.host.snapshot()
    assert (after.links, after.processes, after.domains) == (before.links, before.processes, before.domains)
    assert {name for name in after.files if name.startswith("lab")} == set()


def test_a_missing_image(hypervisor: Hypervisor, backend: str, tmp_path: Path) -> None:
    refused(
        lab(hypervisor, tmp_path, backend, more="disks: [{image: /nowhere/x.qcow2}]"),
        3,
        "no disk image at /nowhere/x.qcow2",
    )


def test_an_image_of_another_format_than_its_name_says(hypervisor: Hypervisor, tmp_path: Path) -> None:
    image = tmp_path / "really.raw"
    hypervisor.output(["qemu-img", "create", "-q", "-f", "qcow2", str(image), "1M"])

    refused(
        lab(hypervisor, tmp_path, more=f"disks: [{{image: {image}}}]"),
        3,
        "is qcow2, and is taken for raw: say `format: qcow2`",
    )


def test_a_bridge_that_is_not_there(hypervisor: Hypervisor, backend: str, tmp_path: Path) -> None:
    refused(lab(hypervisor, tmp_path, backend, nics="[{bridge: br-none}]"), 3, "bridge br-none is not there")


def test_a_tap_that_is_not_ours(hypervisor: Hypervisor, backend: str, tmp_path: Path) -> None:
    hypervisor.output(["ip", "tuntap", "add", "dev", "theirs", "mode", "tap"])

    there = lab(hypervisor, tmp_path, backend, nics="[{bridge: br-lab, ifname: theirs}]")
    refused(there, 3, "a device theirs is there and is not ours")
    assert there.run("down").returncode == 0
    assert "theirs" in hypervisor.links()


def test_a_domain_that_is_not_ours(with_libvirt: Hypervisor, tmp_path: Path) -> None:
    xml = tmp_path / "theirs.xml"
    xml.write_text(
        "<domain type='qemu'><name>vm</name><memory>65536</memory>"
        "<os><type arch='x86_64' machine='q35'>hvm</type></os></domain>"
    )
    with_libvirt.virsh("define", str(xml))

    there = lab(with_libvirt, tmp_path, "libvirt")
    refused(there, 3, "a domain of that name is there and is not ours")
    plan, check = there.run("plan"), there.run("check")
    assert (plan.returncode, check.returncode) == (3, 4)
    assert "a domain of that name is there and is not ours" in plan.stderr
    assert "a domain of that name is there and is not ours" in check.stdout
    assert there.run("down").returncode == 0
    assert "vm" in with_libvirt.virsh("list", "--all", "--name").split()


def test_libvirt_that_is_not_running(hypervisor: Hypervisor, tmp_path: Path) -> None:
    refused(
        lab(hypervisor, tmp_path, "libvirt"),
        3,
        "libvirt does not answer at qemu:///system",
        "hint: is libvirtd running?",
    )


def test_bare_qemu_needs_no_libvirt(hypervisor: Hypervisor, tmp_path: Path) -> None:
    assert lab(hypervisor, tmp_path).run("status").returncode == 0


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("ethtool", "ethtool is not installed (Debian: ethtool)"),
        ("qemu-system-x86_64", "is not installed (Debian: qemu-system-x86)"),
    ],
)
def test_a_program_that_is_missing(hypervisor: Hypervisor, tmp_path: Path, program: str, words: str) -> None:
    with hypervisor.without(program):
        refused(lab(hypervisor, tmp_path), 3, words)


def test_check_without_ethtool_is_unknown_and_says_why(hypervisor: Hypervisor, tmp_path: Path) -> None:
    there = lab(hypervisor, tmp_path)
    assert there.run("up", "--wait", "60").returncode == 0

    with hypervisor.without("ethtool"):
        check = there.run("check")

    assert check.returncode == 4
    assert "ethtool is not installed" in check.stdout


def test_no_permission_to_make_taps(hypervisor: Hypervisor, open_tmp_path: Path) -> None:
    for name in ("vmlinuz", "initrd"):
        shutil.copy(GUEST / name, open_tmp_path / name)
    there = lab(hypervisor, open_tmp_path)
    there.path.write_text(there.path.read_text().replace(str(GUEST), str(open_tmp_path)))
    before = hypervisor.snapshot()

    done = there.rscvm("up", str(there.path), user="nobody")

    assert done.returncode == 3, done.stderr
    assert "making TAPs and bridges needs root" in done.stderr
    assert "/var/lib/rscvm/lab cannot be written" in done.stderr
    assert hypervisor.snapshot() == before


def test_a_qemu_that_refuses_to_start_takes_all_back(
    hypervisor: Hypervisor, backend: str, tmp_path: Path
) -> None:
    (tmp_path / "empty").write_bytes(b"")
    there = lab(hypervisor, tmp_path, backend)
    there.path.write_text(there.path.read_text().replace(f"{GUEST}/vmlinuz", f"{tmp_path}/empty"))

    refused(there, 3, "taken back: make bridge br-lab")


def test_a_machine_that_was_changed_while_it_runs_is_left_alone(
    hypervisor: Hypervisor, backend: str, tmp_path: Path
) -> None:
    there = lab(hypervisor, tmp_path, backend)
    assert there.run("up", "--no-check").returncode == 0
    there.path.write_text(there.path.read_text().replace("192MiB", "224MiB"))
    before = hypervisor.snapshot()

    up, status = there.run("up"), there.run("status")

    assert up.returncode == 3
    assert "what runs differs from the lab file" in up.stderr
    assert "differs: vm runs" in status.stdout
    assert hypervisor.snapshot().processes == before.processes
    assert there.run("down").returncode == 0


def test_a_bridge_that_others_use_is_left_by_down(hypervisor: Hypervisor, tmp_path: Path) -> None:
    there = lab(hypervisor, tmp_path)
    assert there.run("up", "--no-check").returncode == 0
    hypervisor.output(["ip", "tuntap", "add", "dev", "guest9", "mode", "tap"])
    hypervisor.output(["ip", "link", "set", "dev", "guest9", "master", "br-lab"])

    first = there.run("down")
    hypervisor.output(["ip", "link", "del", "dev", "guest9"])
    second = there.run("down")

    assert "bridge br-lab carries guest9, which we did not make" in first.stderr
    assert second.returncode == 0
    assert "br-lab" not in hypervisor.links()


def test_a_guest_that_never_boots_is_not_ready(hypervisor: Hypervisor, tmp_path: Path) -> None:
    there = lab(hypervisor, tmp_path)
    there.path.write_text(there.path.read_text().replace(CMDLINE, f"{CMDLINE} panic=-1 rdinit=/none"))

    up = there.run("up", "--wait", "4")

    assert up.returncode == 1
    assert "driver-not-loaded" in up.stdout
    assert there.run("down").returncode == 0


def test_two_lab_files_of_one_name_leave_each_other_alone(hypervisor: Hypervisor, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    first = lab(hypervisor, tmp_path / "a")
    second = lab(hypervisor, tmp_path / "b")
    assert first.run("up", "--no-check").returncode == 0
    before = hypervisor.snapshot()

    up, down = second.run("up", "--no-check"), second.run("down")

    assert up.returncode == down.returncode == 3
    assert f"is of another lab file, {first.path}" in down.stderr
    assert hypervisor.snapshot().processes == before.processes
    assert first.run("down").returncode == 0


def test_a_qemu_that_is_stopped_is_unknown_and_is_ended_by_down(
    hypervisor: Hypervisor, backend: str, tmp_path: Path
) -> None:
    there = lab(hypervisor, tmp_path, backend)
    assert there.run("up", "--wait", "60").returncode == 0
    hypervisor.output(["pkill", "-STOP", "-f", "^/?[a-z/]*qemu-system"])

    check = there.run("check")
    down = there.run("down")

    assert check.returncode == 4, check.stdout
    assert "within 5 s" in check.stdout
    assert down.returncode == 0, down.stderr
    assert not [argv for argv in hypervisor.processes().values() if "qemu-system" in argv[0]]


def test_a_tap_that_somebody_deleted_is_no_ethtool_matter(hypervisor: Hypervisor, tmp_path: Path) -> None:
    there = lab(hypervisor, tmp_path, nics="[{bridge: br-lab, ifname: gone}]")
    assert there.run("up", "--wait", "60").returncode == 0
    hypervisor.output(["ip", "link", "del", "gone"])

    up, check = there.run("up"), there.nics()["vm.net0"]

    assert up.returncode == 3
    assert "vm runs without its TAP gone, which has gone" in up.stderr
    assert (check["verdict"], check["cause"]) == ("unknown", "tap-unreadable")
    assert there.run("down").returncode == 0


def test_ctrl_c_while_it_waits_takes_back(hypervisor: Hypervisor, backend: str, tmp_path: Path) -> None:
    there = lab(hypervisor, tmp_path, backend)
    there.path.write_text(there.path.read_text().replace("ttyS0 quiet", "ttyS0 quiet rsc.driver=none"))
    before = hypervisor.snapshot()
    script = """
"$1" -m provision up "$2" 2>"$3" &
tries=0
until grep -q 'waiting up to' "$3" || [ $tries -ge 600 ]; do sleep 0.1; tries=$((tries + 1)); done
kill -INT $!
wait $!
"""
    said = tmp_path / "said"

    done = hypervisor.run(["sh", "-c", script, "sh", sys.executable, str(there.path), str(said)])
    after = hypervisor.snapshot()
    assert "waiting up to" in said.read_text()
    assert done.returncode == 130, said.read_text()
    assert (after.links, after.processes, after.domains) == (before.links, before.processes, before.domains)
    assert {name for name in after.files if name.startswith("lab")} == set()


def test_links_that_keep_packets_away_are_the_cause(hypervisor: Hypervisor, tmp_path: Path) -> None:
    there = lab(hypervisor, tmp_path, nics="[{bridge: br-lab, ifname: t0}]")
    assert there.run("up", "--wait", "60").returncode == 0
    hypervisor.output(["ip", "link", "set", "dev", "t0", "nomaster", "mtu", "1400", "down"])

    nic = there.nics()["vm.net0"]

    assert (nic["cause"], nic["seen"]) == ("link-down", "t0 is down; t0 is not on br-lab")
    assert nic["fix"] == ["ip link set dev t0 up", "ip link set dev t0 master br-lab"]
    assert nic["notes"] == ["the MTU differs along the way: t0 1400, br-lab 1500"]
    assert there.run("down").returncode == 0
