"""Killed at any step, `up` converges and `down` leaves nothing."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.real.conftest import HEAD, Lab, comparable, guest_machine, with_trouble
from tests.real.demo_guest import GUEST, idle_kernel
from tests.real.hypervisor import Hypervisor

MOST_STEPS = 40


def lab(hypervisor: Hypervisor, backend: str, tmp_path: Path, kernel: Path | None = None) -> Lab:
    """Its machine does nothing unless a kernel is named."""
    base = tmp_path / "base.qcow2"
    if not base.exists():
        hypervisor.output(["qemu-img", "create", "-q", "-f", "qcow2", str(base), "8M"])
    path = tmp_path / "lab.yaml"
    kernel = kernel or idle_kernel(tmp_path / "idle")
    disks = f"disks: [{{image: {base}}}]"
    nics = "[{bridge: br-lab}, {tap: on}]"
    path.write_text(HEAD + guest_machine(backend, "vm", nics=nics, more=disks, kernel=kernel))
    return Lab(hypervisor, path)


@pytest.fixture
def there(hypervisor: Hypervisor, backend: str, tmp_path: Path) -> Lab:
    return lab(hypervisor, backend, tmp_path)


def killed(there: Lab, verb: str, step: int, mode: str) -> bool:
    """Whether rscvm was killed at this step; False once it has no more steps."""
    done = with_trouble(there, verb, step, mode)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0


def good(there: Lab, *command: str) -> None:
    done = there.run(*command)
    assert done.returncode == 0, (command, done.stdout, done.stderr)


def test_up_killed_after_each_step_converges_and_goes_down_without_a_trace(
    there: Lab, backend: str, tmp_path: Path
) -> None:
    before = comparable(there.host.snapshot())
    step = 1

    while killed(there, "up", step, "after"):
        good(there, "up", "--no-check")
        good(there, "down")
        assert comparable(there.host.snapshot()) == before, f"after a kill at step {step}"
        step += 1
        assert step < MOST_STEPS

    assert step > 4
    good(there, "down")
    lab(there.host, backend, tmp_path, GUEST / "vmlinuz")
    good(there, "up", "--wait", "60")
    good(there, "plan", "--exit-code")
    good(there, "down")
    assert comparable(there.host.snapshot()) == before


def test_up_killed_during_each_step_goes_down_at_once_without_a_trace(
    hypervisor: Hypervisor, tmp_path: Path
) -> None:
    """On bare QEMU, whose steps are commands that go on by themselves when we are gone."""
    there = lab(hypervisor, "qemu", tmp_path)
    before = comparable(there.host.snapshot())
    step = 1

    while killed(there, "up", step, "during"):
        good(there, "down")
        assert comparable(there.host.snapshot()) == before, f"after a kill at step {step}"
        step += 1
        assert step < MOST_STEPS

    assert step > 4


def test_down_killed_at_each_step_is_finished_by_the_next(there: Lab) -> None:
    before = comparable(there.host.snapshot())
    step = 1

    while True:
        good(there, "up", "--no-check")
        more = killed(there, "down", step, "after")
        good(there, "down")
        assert comparable(there.host.snapshot()) == before, f"after a kill at step {step}"
        step += 1
        if not more:
            break

    assert step > 3
