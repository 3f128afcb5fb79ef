"""`rscvm up` to its verdict, against the same QEMU started by hand until its guest's driver is ready."""

from __future__ import annotations

import json
import shlex
import socket
import statistics
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cold import RSCVM
from bench.compare import Figure, in_turn, seconds
from tests.real.demo_guest import GUEST
from tests.real.hypervisor import wait_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.real.hypervisor import Hypervisor

_PATIENCE = 120.0
_TAP, _BRIDGE = "bench-tap", "br-bench"
_STATE = "/var/lib/rscvm"
_LAB = f"""version: 1
state_dir: {_STATE}
hosts: {{local: {{bridges: {{{_BRIDGE}: {{address: 10.9.0.1/24}}}}}}}}
machines:
  vm:
    backend: qemu
    guest: linux
    memory: 192MiB
    vcpus: 1
    accel: tcg
    kernel: {{image: {GUEST}/vmlinuz, initrd: {GUEST}/initrd.gz, cmdline: "console=ttyS0 quiet no_timer_check"}}
    nics: [{{bridge: {_BRIDGE}, ifname: {_TAP}}}]
"""
_DEVICE = "/machine/peripheral/ua-net0/virtio-backend"
_STAMP = "import sys, time\nfor line in sys.stdin: print(time.monotonic(), line, end='', flush=True)"


@dataclass(frozen=True, slots=True)
class BringUp:
    """The figure, and what the time of `up` goes into."""

    figure: Figure
    phases: dict[str, float]
    """Milliseconds, medians."""


class _Qmp:
    """The least of a QMP client."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(10)
        self._socket.connect(str(path))
        self._lines = self._socket.makefile("rwb")
        self._lines.readline()
        self.ask("qmp_capabilities")

    def ask(self, command: str, **arguments: str) -> Any:
        """Return the command's value, or None where QEMU refuses."""
        self._lines.write(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        self._lines.flush()
        while True:
            answer = json.loads(self._lines.readline())
            if "event" not in answer:
                return answer.get("return")

    def close(self) -> None:
        """Hang up."""
        self._lines.close()
        self._socket.close()


def _driver_ok(qmp: _Qmp) -> bool:
    status = qmp.ask("x-query-virtio-status", path=_DEVICE) or {}
    words = status.get("status", {}).get("statuses", [])
    return any(word.startswith("VIRTIO_CONFIG_S_DRIVER_OK") for word in words)


@dataclass(frozen=True, slots=True)
class _Bench:
    """One host, one lab file, and the command line that `up` gives QEMU for it."""

    host: Hypervisor
    lab: str
    argv: tuple[str, ...]

    def up(self) -> float:
        """Seconds of `rscvm up`; `down` does not count."""
        took = seconds(lambda: self.host.output([RSCVM, "up", self.lab]))
        self.host.output([RSCVM, "down", self.lab])
        return took

    def by_hand(self) -> float:
        """Seconds from starting QEMU to DRIVER_OK; TAP, bridge and directory are made before."""
        self._devices()
        try:
            took = seconds(self._start_and_await)
        finally:
            self._end()
        return took

    def _devices(self) -> None:
        for line in (
            f"ip link add name {_BRIDGE} type bridge stp_state 0 forward_delay 0",
            f"ip address add 10.9.0.1/24 dev {_BRIDGE}",
            f"ip link set dev {_BRIDGE} up",
            f"ip tuntap add dev {_TAP} mode tap vnet_hdr",
            f"ip link set dev {_TAP} master {_BRIDGE} up",
            f"mkdir -p {Path(self._after('-pidfile')).parent}",
        ):
            self.host.output(shlex.split(line))

    def _after(self, option: str) -> str:
        return self.argv[self.argv.index(option) + 1]

    def _start_and_await(self) -> None:
        self.host.output(self.argv)
        monitor = self.host.path(Path(self._after("-pidfile")).with_suffix(".qmp"))
        with closing(_Qmp(monitor)) as qmp:
            wait_for(lambda: _driver_ok(qmp), time.monotonic() + _PATIENCE, "the guest's driver")

    def _end(self) -> None:
        for pid in _qemus(self.host):
            self.host.output(["kill", "-9", str(pid)])
        wait_for(lambda: not _qemus(self.host), time.monotonic() + _PATIENCE, "the end of QEMU")
        self.host.output(["ip", "link", "del", "dev", _TAP])
        self.host.output(["ip", "link", "del", "dev", _BRIDGE])
        self.host.output(["rm", "-rf", str(Path(self._after("-pidfile")).parent)])

    def phases(self) -> dict[str, float]:
        """Milliseconds between what `rscvm -v up` says on its way; the ends of its phases, by its own words."""
        words = shlex.join([RSCVM, "-v", "up", self.lab])
        begun = time.monotonic()
        said = self.host.output(["sh", "-c", f"{words} 2>&1 >/dev/null | python3 -c {shlex.quote(_STAMP)}"])
        ended = time.monotonic()
        self.host.output([RSCVM, "down", self.lab])
        return _between(begun, [line.split(" ", 1) for line in said.splitlines()], ended)


def _qemus(host: Hypervisor) -> dict[int, tuple[str, ...]]:
    return {pid: argv for pid, argv in host.processes().items() if "qemu-system" in argv[0]}


def _between(begun: float, said: Sequence[Sequence[str]], ended: float) -> dict[str, float]:
    lines = [(float(stamp), words) for stamp, words in said if words]
    asks = next(at for at, words in lines if words.startswith("+ "))
    noted = next(at for at, words in lines if words.startswith("note in "))
    waits = next(at for at, words in lines if words.startswith("waiting up to"))
    looks = [at for at, words in lines if at > waits and words.startswith("+ ip -json")]
    # Each look at the host begins with `ip`: the last is the final check's; the one before saw the driver.
    last = looks[-1] if looks else ended
    marks = {
        "start of rscvm and reading the lab file": asks,
        "looking at the host before the plan": noted,
        "journal, bridge, TAP, and starting QEMU": waits,
        "waiting for the driver: the guest's boot, looked for every 100 ms": last,
        "the check's own look, verdict, and the end": ended,
    }
    ends = list(marks.values())
    return {
        phase: (end - before) * 1000
        for phase, end, before in zip(marks, ends, [begun, *ends[:-1]], strict=True)
    }


def measure_bring_up(host: Hypervisor, directory: Path, times: int) -> BringUp:
    """Measure on a host without libvirtd; the command line is read off a machine that `up` started."""
    lab = directory / "up.yaml"
    lab.write_text(_LAB)
    host.output([RSCVM, "up", str(lab)])
    (argv,) = _qemus(host).values()
    host.output([RSCVM, "down", str(lab)])
    bench = _Bench(host, str(lab), argv)
    theirs, ours = in_turn(times, bench.by_hand, bench.up)
    rounds = [bench.phases() for _ in range(max(3, times // 2))]
    phases = {phase: statistics.median(found[phase] for found in rounds) for phase in rounds[0]}
    figure = Figure(
        "`rscvm up` to verdict (TCG)",
        "the same QEMU by hand until DRIVER_OK, asked every 20 ms",
        theirs,
        ours,
        1.2,
    )
    return BringUp(figure, phases)
