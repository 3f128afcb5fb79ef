"""What a user without rights, and anybody while libvirtd is down, is shown of a lab: all that can be seen, and what it would take."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.real.conftest import HEAD, Lab, guest_machine
from tests.real.demo_guest import GUEST

if TYPE_CHECKING:
    from pathlib import Path
    from subprocess import CompletedProcess

    from tests.real.hypervisor import Hypervisor

NIC = "[{bridge: br-lab}]"
STEPS = {"make bridge br-lab", "start vm", "define dom", "start dom"}


@pytest.fixture
def there(hypervisor: Hypervisor, open_tmp_path: Path) -> Lab:
    """A lab of either backend that everybody may read, on a host whose libvirtd does not run."""
    for name in ("vmlinuz", "initrd"):
        shutil.copy(GUEST / name, open_tmp_path / name)
    text = HEAD + guest_machine("qemu", "vm", nics=NIC) + guest_machine("libvirt", "dom", nics=NIC)
    path = open_tmp_path / "lab.yaml"
    path.write_text(text.replace(str(GUEST), str(open_tmp_path)))
    return Lab(hypervisor, path)


def by_user(there: Lab, command: str, *more: str) -> CompletedProcess[str]:
    done = there.rscvm(command, str(there.path), *more, user="nobody")
    assert "Traceback" not in done.stderr
    return done


def test_a_user_without_rights_sees_the_plan_and_what_it_takes_and_changes_nothing(there: Lab) -> None:
    before = there.host.snapshot()

    plan, bare = by_user(there, "plan"), by_user(there, "plan", "vm", "--exit-code")
    status = by_user(there, "status")

    assert plan.returncode == 3, "libvirt does not answer"
    assert all(any(line.startswith(f"{step}: ") for line in plan.stdout.splitlines()) for step in STEPS)
    assert "define dom: supposed that libvirt does not have it" in plan.stdout
    assert "not seen: libvirt does not answer at qemu:///system" in plan.stdout
    assert "`up` would refuse: making TAPs and bridges needs root" in plan.stdout
    assert "`up` would refuse: /var/lib/rscvm/lab cannot be written" in plan.stdout
    assert bare.returncode == 1, "of its machine everything can be seen"
    assert "start vm: " in bare.stdout
    assert "seen as an ordinary user" in bare.stdout
    assert status.returncode == 3
    assert "vm  qemu on local  absent: `up` would make it, in " in status.stdout
    assert "dom  libvirt on local  unknown" in status.stdout
    assert there.host.snapshot() == before


def test_a_user_is_not_told_that_what_root_has_made_is_not_there(there: Lab) -> None:
    assert there.run("up", "vm", "--no-check").returncode == 0

    plan, status = by_user(there, "plan", "vm", "--json"), by_user(there, "status")
    check = by_user(there, "check", "vm")

    [host] = json.loads(plan.stdout)["hosts"]
    assert plan.returncode == 4, "what is there of it root alone may read"
    assert host["steps"] == []
    assert "journal" in host["unseen"][0]
    assert check.returncode == 4
    assert "root may ask more of QEMU" in check.stderr
    assert "vm  qemu on local  running" in status.stdout, "the process itself everybody sees"


def test_while_libvirtd_is_down_all_else_is_seen_and_a_missing_image_is_a_miss(there: Lab) -> None:
    assert there.run("plan", "vm", "--exit-code").returncode == 1
    assert there.run("status", "--exit-code").returncode == 3
    there.path.write_text(there.path.read_text() + "    disks: [{image: /nowhere/x.qcow2}]\n")

    doctor = there.rscvm("doctor", "-f", str(there.path))
    plan, check = there.run("plan"), there.run("check")

    assert doctor.returncode == 3
    assert "✗ lab: dom: no disk image at /nowhere/x.qcow2" in doctor.stdout
    assert "✗ libvirt: libvirt does not answer" in doctor.stdout
    assert "QEMU is not installed" not in doctor.stdout
    assert plan.returncode == 3
    assert "libvirt does not answer" in plan.stderr
    assert "dom: no disk image at /nowhere/x.qcow2" in plan.stderr
    assert check.returncode == 4
    assert "vm.net0" in check.stdout
    assert "libvirt does not answer" in check.stdout


def test_status_has_an_exit_code_for_what_is_otherwise_and_a_line_for_what_is_off(
    with_libvirt: Hypervisor, tmp_path: Path
) -> None:
    path = tmp_path / "lab.yaml"
    path.write_text(HEAD + guest_machine("libvirt", "dom", nics=NIC))
    there = Lab(with_libvirt, path)

    before = there.run("status", "--exit-code")
    assert there.run("up", "--no-check").returncode == 0
    up = there.run("status", "--exit-code")
    with_libvirt.virsh("destroy", "dom")
    off, plain = there.run("status", "--exit-code"), there.run("status")

    assert before.returncode == 1
    assert (up.returncode, up.stdout) == (0, "dom  libvirt on local  running\n")
    assert (off.returncode, plain.returncode) == (1, 0)
    assert off.stdout == plain.stdout == "dom  libvirt on local  off: `up` would start dom\n"
    assert there.run("down").returncode == 0
