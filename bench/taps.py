"""The features of 100 TAPs of a host over SSH, against one `ethtool --json -k '*'` by `ssh`."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.compare import Figure, in_turn, seconds
from bench.hosts import fleet_of
from provision.edges.wiring import RealEdges
from provision.host.read.devices import FEATURES
from provision.runtime.places import Target
from provision.runtime.questions import ask

if TYPE_CHECKING:
    from pathlib import Path

    from provision.runtime.protocols import Runner

TAPS = 100
GOAL = 1.5
_MAKE = 'for i in $(seq "$1"); do echo "tuntap add dev tap$i mode tap vnet_hdr"; done | ip -batch -'
_READ = "ethtool --json -k '*'"
_MASTER = ("-o", "ControlPath=~/.ssh/bench")


@dataclass(frozen=True, slots=True)
class Taps:
    """The figures, and how much the host has to say."""

    figures: tuple[Figure, ...]
    kib: float


def _ssh(host: str, *options: str) -> float:
    return seconds(
        lambda: subprocess.run(["ssh", "-n", *options, host, _READ], capture_output=True, check=True)
    )


def _read(runner: Runner) -> None:
    if len(ask(runner, [FEATURES])[FEATURES].devices) < TAPS:
        raise RuntimeError("not every TAP was read")


def _anew(host: str) -> None:
    with RealEdges({host: Target(host, host)}) as edges:
        _read(edges.host(host))


def rounds(host: str, times: int) -> tuple[tuple[float, ...], ...]:
    """Seconds over connections that are kept, theirs and ours, and over new ones; in a process that has imported all."""
    subprocess.run(["ssh", "-n", "-f", "-N", "-M", *_MASTER, host], check=True, stderr=subprocess.DEVNULL)
    try:
        with RealEdges({host: Target(host, host)}) as edges:
            runner = edges.host(host)
            return in_turn(
                times,
                lambda: _ssh(host, *_MASTER),
                lambda: seconds(lambda: _read(runner)),
                lambda: _ssh(host),
                lambda: seconds(lambda: _anew(host)),
            )
    finally:
        subprocess.run(["ssh", "-O", "exit", *_MASTER, host], check=False, stderr=subprocess.DEVNULL)


def measure_taps(directory: Path, times: int) -> Taps:
    """Measure on one host."""
    at = directory / "taps"
    at.mkdir()
    with fleet_of(1, at) as fleet:
        (host,) = fleet.sites
        remote = fleet.sites[host].remote
        remote.output(["sh", "-ec", _MAKE, "sh", str(TAPS)])
        kib = len(remote.output(["ethtool", "--json", "-k", "*"])) / 1024
        said = fleet.client.output([sys.executable, "-m", "bench.taps", host, str(times)])
    kept, ours_kept, new, ours_new = (tuple(side) for side in json.loads(said))
    title, peer = f"features of {TAPS} TAPs", "`ssh HOST ethtool --json -k '*'`"
    return Taps(
        (
            Figure(f"{title}, connection kept", f"{peer} over a ControlMaster", kept, ours_kept, GOAL),
            Figure(f"{title}, connecting first", peer, new, ours_new, GOAL),
        ),
        kib,
    )


if __name__ == "__main__":
    print(json.dumps(rounds(sys.argv[1], int(sys.argv[2]))))
