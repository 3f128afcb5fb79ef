"""What a command does by a process that has imported rscvm is what one does that starts anew."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.real.hypervisor import Hypervisor, wait_for
from tests.real.preloaded import ROOT, rscvm, run

pytestmark = pytest.mark.real


@pytest.mark.parametrize(
    "words",
    [("status", "--json"), ("plan", str(ROOT / "examples" / "demo.yaml")), ("plan", "nowhere.yaml"), ("--no-such-option",)],
    ids=" ".join,
)  # fmt: skip
def test_it_says_what_a_process_says(hypervisor: Hypervisor, words: tuple[str, ...]) -> None:
    env = {"COLUMNS": "70", "XDG_STATE_HOME": "/run/state"}

    told = rscvm(hypervisor, *words, env=env)
    process = hypervisor.run([sys.executable, "-m", "provision", *words], env=env)

    assert told.returncode == process.returncode
    assert (told.stdout, told.stderr) == (process.stdout.decode(), process.stderr.decode())


def test_it_works_on_the_host_and_nowhere_else(hypervisor: Hypervisor, tmp_path: Path) -> None:
    path = tmp_path / "lab.yaml"
    path.write_text("version: 1\nhosts: {local: {bridges: {br-x: {}}}}\nmachines: {}\n")

    done = rscvm(hypervisor, "apply", str(path))

    assert done.returncode == 0, done.stderr
    assert "br-x" in hypervisor.links()
    assert not Path("/sys/class/net/br-x").exists()
    assert not hypervisor.processes()


def test_what_takes_too_long_is_killed(hypervisor: Hypervisor, tmp_path: Path) -> None:
    """One of Python's own modules, which waits for somebody to write."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)

    with pytest.raises(subprocess.TimeoutExpired):
        run(hypervisor, "tokenize", str(fifo), timeout=0.5)

    wait_for(lambda: not hypervisor.processes(), time.monotonic() + 5, "its end")
