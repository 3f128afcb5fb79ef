"""Commands from a cold start: `rscvm --help` and `rscvm render` against virt-install."""

from __future__ import annotations

import json
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.compare import Figure, in_turn, seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.real.hypervisor import Hypervisor

RSCVM = str(Path(sys.executable).parent / "rscvm")
_IMAGE = "/var/lib/libvirt/images/vm.qcow2"
_LAB = f"""version: 1
machines:
  vm:
    guest: linux
    memory: 1GiB
    vcpus: 2
    accel: tcg
    disks: [{{image: {_IMAGE}}}]
    nics: [{{bridge: br0}}]
"""
_VIRT_INSTALL = (
    *("virt-install", "--print-xml", "--dry-run", "--name", "vm", "--memory", "1024", "--vcpus", "2"),
    *("--import", "--disk", f"path={_IMAGE},bus=virtio", "--network", "bridge=br0,model=virtio"),
    *("--osinfo", "linux2022", "--graphics", "none"),
)
_TEST = (*_VIRT_INSTALL, "--connect", "test:///default")
_SYSTEM = (*_VIRT_INSTALL, "--connect", "qemu:///system", "--machine", "q35", "--virt-type", "qemu")


@dataclass(frozen=True, slots=True)
class Cold:
    """The cold commands' figures, and what a render's time goes into."""

    figures: tuple[Figure, ...]
    phases: dict[str, float]
    """Milliseconds, medians; the interpreter's own start is the first."""
    interpreters: dict[str, float]
    """Milliseconds of `-c pass` of each side's interpreter, medians: the floor of both."""


def _run(host: Hypervisor, *argv: str) -> float:
    return seconds(lambda: host.output(argv))


def _phases(host: Hypervisor, lab: str, times: int) -> dict[str, float]:
    """Medians over fresh interpreters."""
    child = str(Path(__file__).parent / "phases.py")
    rounds: Sequence[dict[str, float]] = [
        json.loads(host.output([sys.executable, child, lab, "vm"])) for _ in range(times)
    ]
    return {phase: statistics.median(found[phase] for found in rounds) for phase in rounds[0]}


def measure_cold(host: Hypervisor, directory: Path, times: int) -> Cold:
    """Measure on a host whose libvirtd answers, which virt-install needs for a q35 machine."""
    lab = directory / "one.yaml"
    lab.write_text(_LAB)
    host.output(["mkdir", "-p", str(Path(_IMAGE).parent)])
    host.output(["qemu-img", "create", "-q", "-f", "qcow2", _IMAGE, "1G"])
    render = (RSCVM, "render", str(lab), "vm", "--as", "xml")
    theirs, ours = in_turn(
        times, lambda: _run(host, "virt-install", "--help"), lambda: _run(host, RSCVM, "--help")
    )
    system, rendered = in_turn(times, lambda: _run(host, *_SYSTEM), lambda: _run(host, *render))
    test, rendered_too = in_turn(times, lambda: _run(host, *_TEST), lambda: _run(host, *render))
    bare, own = in_turn(
        times,
        lambda: _run(host, "/usr/bin/python3", "-c", "pass"),
        lambda: _run(host, sys.executable, "-c", "pass"),
    )
    interpreters = {
        "virt-install's interpreter": statistics.median(bare) * 1000,
        "rscvm's interpreter": statistics.median(own) * 1000,
    }
    figures = (
        Figure("`rscvm --help`", "`virt-install --help`", theirs, ours, 0.5),
        Figure(
            "cold `rscvm render --as xml`",
            "`virt-install --print-xml --dry-run`, qemu:///system: a like machine",
            system,
            rendered,
            0.5,
        ),
        Figure(
            "cold `rscvm render --as xml`",
            "the same, test:///default: i686 without q35, no daemon",
            test,
            rendered_too,
            0.5,
        ),
    )
    start = {"start of the interpreter": interpreters["rscvm's interpreter"]}
    return Cold(figures, start | _phases(host, str(lab), times), interpreters)
