"""`down` beside careless admins: what it leaves alone keeps its disks, on real hosts."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.real.conftest import Lab, comparable, guest_machine, lab_with, with_trouble
from tests.real.hypervisor import Hypervisor, wait_for

DISK = "/var/lib/rscvm/lab/vm-0.qcow2"


def with_overlay(host: Hypervisor, backend: str, tmp_path: Path) -> Lab:
    base = tmp_path / "base.qcow2"
    host.output(["qemu-img", "create", "-q", "-f", "qcow2", str(base), "8M"])
    nics, disks = "[{bridge: br-lab}]", f'disks: [{{image: "{base}"}}]'
    return lab_with(host, tmp_path, guest_machine(backend, "vm", nics=nics, more=disks))


def lose_mark(host: Hypervisor) -> None:
    host.virsh("metadata", "vm", "--uri", "urn:rscvm:domain:1", "--remove", "--live", "--config")


def rename(host: Hypervisor) -> None:
    host.virsh("destroy", "vm")
    host.virsh("domrename", "vm", "elsewhere")


@pytest.mark.parametrize(
    ("happen", "domain", "words"),
    [
        (lose_mark, "vm", "domain vm is left alone"),
        (rename, "elsewhere", "domain elsewhere names it"),
    ],
)
def test_the_disk_of_a_domain_that_is_left_alone_stays_until_that_has_gone(
    with_libvirt: Hypervisor, tmp_path: Path, happen: Callable[[Hypervisor], None], domain: str, words: str
) -> None:
    there = with_overlay(with_libvirt, "libvirt", tmp_path)
    before = comparable(with_libvirt.snapshot())
    assert there.run("up", "--no-check").returncode == 0
    happen(with_libvirt)

    downs = [there.run("down") for _ in range(2)]

    assert [down.returncode for down in downs] == [3, 3]
    assert all(f"{DISK} stays: {words}" in down.stderr for down in downs)
    assert with_libvirt.run(["test", "-e", DISK]).returncode == 0
    with_libvirt.run(["virsh", "destroy", domain])
    with_libvirt.virsh("undefine", domain)
    assert there.run("down").returncode == 0
    assert comparable(with_libvirt.snapshot()) == before


def test_a_disk_that_a_process_has_open_stays_until_that_has_ended(
    hypervisor: Hypervisor, backend: str, tmp_path: Path
) -> None:
    there = with_overlay(hypervisor, backend, tmp_path)
    before = comparable(hypervisor.snapshot())
    assert there.run("up", "--no-check").returncode == 0
    holder = hypervisor.output(["sh", "-c", 'sleep 600 <"$1" >/dev/null 2>&1 & echo $!', "sh", DISK])

    down = there.run("down")

    assert down.returncode == 3
    assert f"process {holder.strip()} (sleep) has {DISK} open: it stays" in down.stderr
    assert hypervisor.run(["test", "-e", DISK]).returncode == 0
    hypervisor.output(["kill", holder.strip()])
    assert there.run("down").returncode == 0
    assert comparable(hypervisor.snapshot()) == before


def test_devices_that_bear_a_copy_of_our_marks_stay(
    hypervisor: Hypervisor, backend: str, tmp_path: Path
) -> None:
    nics = "[{bridge: br-lab, ifname: t0}]"
    there = lab_with(hypervisor, tmp_path, guest_machine(backend, "vm", nics=nics))
    assert there.run("up", "--no-check").returncode == 0
    links = hypervisor.links()
    marks = [link["ifalias"] for link in links.values() if link.get("ifalias", "").startswith("rscvm ")]
    assert len(marks) == {"qemu": 2, "libvirt": 1}[backend], "libvirt makes its own TAP"
    for number, mark in enumerate(marks):
        hypervisor.output(["ip", "tuntap", "add", "dev", f"tap-x{number}", "mode", "tap"])
        hypervisor.output(["ip", "link", "add", f"veth-x{number}", "type", "veth", "peer", f"peer-x{number}"])
        hypervisor.output(["ip", "link", "add", f"br-x{number}", "type", "bridge"])
        for name in (f"tap-x{number}", f"veth-x{number}", f"br-x{number}"):
            hypervisor.output(["ip", "link", "set", "dev", name, "alias", mark])
    theirs = hypervisor.links().keys() - links.keys()

    down = there.run("down")

    assert down.returncode == 0, down.stderr
    assert theirs <= hypervisor.links().keys()
    assert not {"t0", "br-lab"} & hypervisor.links().keys()


def test_up_ends_as_failed_where_a_tap_vanished_meanwhile(hypervisor: Hypervisor, tmp_path: Path) -> None:
    nics = "[{bridge: br-lab, ifname: t0}]"
    there = lab_with(hypervisor, tmp_path, guest_machine("qemu", "vm", nics=nics))
    before = comparable(hypervisor.snapshot())
    remove = (
        'until [ "$(cat /sys/class/net/t0/carrier 2>/dev/null)" = 1 ] && ip link del t0; do sleep 0.01; done'
    )
    hypervisor.output(["sh", "-c", f"({remove}) >/dev/null 2>&1 & :"])

    up = there.run("up", "--no-check")

    assert up.returncode == 3
    went = "vm's TAP t0 went while it was brought up: what was done is taken back"
    assert went in up.stderr or "could not start vm" in up.stderr, "QEMU 10 looks at its TAP once more"
    assert there.run("down").returncode == 0
    assert comparable(hypervisor.snapshot()) == before


def test_nobody_who_only_says_to_be_our_qemu_is_taken_for_it_or_ended(
    hypervisor: Hypervisor, tmp_path: Path
) -> None:
    there = lab_with(hypervisor, tmp_path, guest_machine("qemu", "vm", nics="[{bridge: br-lab}]"))
    before = comparable(hypervisor.snapshot())
    pidfile = "/var/lib/rscvm/lab/vm.pid"
    hidden = "import ctypes, time; ctypes.CDLL(None).prctl(4, 0); time.sleep(600)"  # /proc/PID becomes root's
    user = f"setpriv --reuid=65534 --clear-groups -- {sys.executable} -c '{hidden}'"
    contained = "mount -t tmpfs none /var/lib/rscvm; mkdir /var/lib/rscvm/lab; exec qemu-system-x86_64 -S -display none"
    for liar in (
        f"{user} -pidfile {pidfile}",
        f"unshare --mount --pid --fork sh -c '{contained} -nodefaults -machine none -pidfile {pidfile}'",
    ):
        hypervisor.output(["sh", "-c", f"({liar}) >/dev/null 2>&1 </dev/null & :"])

    def telling() -> set[int]:
        return {pid for pid, argv in hypervisor.processes().items() if pidfile in argv}

    wait_for(lambda: len(telling()) >= 2, time.monotonic() + 30, "everybody")
    up = there.run("up", "--no-check")
    assert up.returncode == 0, up.stderr
    assert "start vm" in up.stderr
    ours = int(hypervisor.output(["cat", pidfile]))
    theirs = telling() - {ours}

    down = there.run("down")

    assert down.returncode == 0, down.stderr
    assert telling() == theirs
    for pid in theirs:
        hypervisor.output(["kill", "-9", str(pid)])
    wait_for(lambda: not telling(), time.monotonic() + 30, "their end")
    assert comparable(hypervisor.snapshot()) == before


def test_what_an_admin_made_under_our_names_after_a_killed_up_stays(
    hypervisor: Hypervisor, tmp_path: Path
) -> None:
    nics = "[{bridge: br-lab, ifname: t0}]"
    there = lab_with(hypervisor, tmp_path, guest_machine("qemu", "vm", nics=nics))
    for step in range(1, 9):
        assert with_trouble(there, "up", step, "after").returncode != 0
        if "lab/journal.json" in hypervisor.snapshot().files:
            break
    assert "lab/journal.json" in hypervisor.snapshot().files
    assert not {"br-lab", "t0"} & hypervisor.links().keys(), "noted, and not made"
    hypervisor.output(["ip", "link", "add", "br-lab", "type", "bridge"])
    hypervisor.output(["ip", "tuntap", "add", "dev", "t0", "mode", "tap"])
    theirs = hypervisor.links()

    up, down = there.run("up", "--no-check"), there.run("down")

    assert up.returncode == 3
    assert "a device t0 is there and is not ours" in up.stderr
    assert down.returncode == 0, down.stderr
    assert hypervisor.links() == theirs
    assert not [name for name in hypervisor.snapshot().files if name.startswith("lab")]
