"""Full disks, read-only places, libvirtd restarted under us, Ctrl-C at any moment: said, and taken back."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from tests.real.conftest import HEAD, Lab, comparable, guest_machine, with_trouble
from tests.real.demo_guest import GUEST, idle_kernel
from tests.real.hypervisor import Hypervisor

UP = (sys.executable, "-m", "provision", "up", "--no-check")
"""As a process from its start, which is interrupted, too."""


def lab(host: Hypervisor, tmp_path: Path, backend: str, *, boots: bool = True) -> Lab:
    kernel = GUEST / "vmlinuz" if boots else idle_kernel(tmp_path / "idle")
    path = tmp_path / "lab.yaml"
    base = tmp_path / "base.qcow2"
    if not base.exists():
        host.output(["qemu-img", "create", "-q", "-f", "qcow2", str(base), "8M"])
    disks = f"disks: [{{image: {base}}}]"
    path.write_text(HEAD + guest_machine(backend, "vm", nics="[{bridge: br-lab}]", more=disks, kernel=kernel))
    return Lab(host, path)


@pytest.mark.parametrize("options", ["size=4k,nr_inodes=100", "ro"])
def test_a_state_directory_that_takes_nothing(
    hypervisor: Hypervisor, backend: str, tmp_path: Path, options: str
) -> None:
    there = lab(hypervisor, tmp_path, backend)
    hypervisor.output(["mkdir", "-p", "/var/lib/rscvm"])
    hypervisor.output(["mount", "-t", "tmpfs", "-o", options, "tmpfs", "/var/lib/rscvm"])
    before = hypervisor.snapshot()

    up = there.run("up", "--no-check")

    assert up.returncode == 3, up.stderr
    assert up.stderr.splitlines()[-1]
    assert any(
        words in up.stderr
        for words in ("No space left on device", "cannot be written", "Read-only file system")
    )
    assert "internal error" not in up.stderr
    after = hypervisor.snapshot()
    assert (after.links, after.processes, after.domains) == (before.links, before.processes, before.domains)
    assert not [name for name in after.files if name.startswith("lab")]


def test_a_libvirtd_that_was_restarted_meanwhile(with_libvirt: Hypervisor, tmp_path: Path) -> None:
    there = lab(with_libvirt, tmp_path, "libvirt")
    before = comparable(with_libvirt.snapshot())
    assert there.run("up", "--no-check").returncode == 0

    with_libvirt.restart_libvirtd()

    assert there.run("plan", "--exit-code").returncode == 0
    assert there.run("check").returncode in (0, 4)
    with_libvirt.stop_libvirtd()
    down = there.run("down")
    assert down.returncode == 3
    assert "libvirt does not answer" in down.stderr
    with_libvirt.start_libvirtd()
    assert there.run("down").returncode == 0
    assert comparable(with_libvirt.snapshot()) == before


@pytest.mark.parametrize("verb", ["up", "down"])
def test_a_libvirtd_that_is_restarted_in_the_middle(
    with_libvirt: Hypervisor, tmp_path: Path, verb: str
) -> None:
    """After each step in turn: what was done is taken back, or all is done, and the next run does the rest."""
    there = lab(with_libvirt, tmp_path, "libvirt", boots=False)
    before = comparable(with_libvirt.snapshot())
    restarts = 0

    for step in range(1, 12):
        if verb == "down":
            assert there.run("up", "--no-check").returncode == 0
        done = with_trouble(there, verb, step, "restart")
        said = done.stderr
        if "restarted" not in done.stdout:
            break
        restarts += 1
        if done.returncode:  # where the connection's end had been noticed before, it was opened anew
            assert "hung up" in said
        if verb == "up" and done.returncode:
            assert comparable(with_libvirt.snapshot()) == before, (step, said)
        assert there.run("down").returncode == 0
        assert comparable(with_libvirt.snapshot()) == before, (step, said)

    assert restarts > 1


def seconds_of_up(there: Lab) -> float:
    """What a whole `up` takes, and `down` after it; this machine may be ten times as quick as another."""
    started = time.monotonic()
    assert there.host.run([*UP, str(there.path)]).returncode == 0
    took = time.monotonic() - started
    assert there.run("down").returncode == 0
    return took


@pytest.mark.parametrize("number", ["INT", "TERM"])
def test_ctrl_c_at_any_moment_takes_back_or_changes_nothing(
    hypervisor: Hypervisor, backend: str, tmp_path: Path, number: str
) -> None:
    """At each tenth of the time that a whole `up` takes here, until one is through before it is interrupted."""
    there = lab(hypervisor, tmp_path, backend, boots=False)
    before = comparable(hypervisor.snapshot())
    tenth = seconds_of_up(there) / 10
    interrupted = 0

    for tenths in range(3, 40):
        moment = f"{tenths * tenth:.3f}"
        done = hypervisor.run(
            ["timeout", "--foreground", "--preserve-status", "-s", number, moment, *UP, str(there.path)]
        )
        if done.returncode == 0 or there.run("plan", "--exit-code").returncode == 0:
            break  # `up` was through; a TERM that comes while Python itself ends still ends it by the signal
        assert done.returncode in (130, 143, 128 - 15), done.stderr.decode()
        interrupted += done.returncode == 130
        assert comparable(hypervisor.snapshot()) == before, (tenths, done.stderr.decode())

    assert interrupted > 0
    assert there.run("down").returncode == 0
    assert comparable(hypervisor.snapshot()) == before


def test_a_second_ctrl_c_does_not_stop_the_taking_back(hypervisor: Hypervisor, tmp_path: Path) -> None:
    there = lab(hypervisor, tmp_path, "qemu")
    there.path.write_text(there.path.read_text().replace("ttyS0 quiet", "ttyS0 quiet rsc.driver=none"))
    before = comparable(hypervisor.snapshot())
    impatient = """
"$@" & up=$!
sleep 2.5
for _ in 1 2 3 4 5; do kill -INT $up; sleep 0.05; done
wait $up
"""
    started = time.monotonic()

    done = hypervisor.run(
        [
            "sh",
            "-c",
            impatient,
            "sh",
            sys.executable,
            "-m",
            "provision",
            "up",
            str(there.path),
            "--wait",
            "60",
        ]
    )

    assert time.monotonic() - started < 60
    assert done.returncode == 130, done.stderr.decode()
    assert comparable(hypervisor.snapshot()) == before
