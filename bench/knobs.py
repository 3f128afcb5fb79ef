"""What RSC is worth to the demo guest, by `rscvm bench`, as one knob at a time is turned; and the same by hand."""

from __future__ import annotations

import json
import shlex
import statistics
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.cold import RSCVM
from bench.compare import Spread, spread
from tests.real.demo_guest import CMDLINE, GUEST
from tests.real.hypervisor import Hypervisor, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_TAP, _ADDRESS = "knob-tap", "10.9.0.2"
_SENDER = "/proc/sys/net/ipv4/tcp_congestion_control"
_BOOTS = 60
_NO_GRO = "rsc.gro=off"


@dataclass(frozen=True, slots=True)
class Knobs:
    """A machine, and its sender, in what they differ from the demo's."""

    name: str
    nic: str = ""
    """More of the NIC in the lab file."""
    bridge: str = ""
    vcpus: int = 2
    cmdline: str = f"{CMDLINE} {_NO_GRO}"
    sender: str = ""
    """Its congestion control; empty: the host's own."""


_ERMS = " clearcpuid=erms,fsrm"
KNOBS = (
    Knobs("as the demo has it"),
    Knobs("a sender that does not pace (reno)", sender="reno"),
    Knobs("one vCPU", vcpus=1),
    Knobs("one vCPU, reno", vcpus=1, sender="reno"),
    Knobs("rx_queue_size: 1024", nic="rx_queue_size: 1024"),
    Knobs("queues: 2", nic="queues: 2"),
    Knobs("mrg_rxbuf off", nic="offloads: {mrg_rxbuf: off}"),
    Knobs("mtu: 9000", nic="mtu: 9000", bridge="mtu: 9000"),
    Knobs("software GRO in the guest", cmdline=CMDLINE),
    Knobs("copies byte by byte", cmdline=f"{CMDLINE.replace(_ERMS, '')} {_NO_GRO}"),
    Knobs("as the demo has it, again"),
)
"""One thing at a time; the first once more at the end tells how steady the machine was."""


@dataclass(frozen=True, slots=True)
class Turned:
    """What `bench` told of a machine."""

    name: str
    live: Spread
    """Ratios of the pairs: RSC by what is left with `tx` off at the TAP."""
    reference: float
    """The same by the device without guest checksum and TSO, of the medians."""
    gbps: dict[str, Spread]
    frame: dict[str, float]
    """Mean, bytes."""
    vcpus: dict[str, float]
    """Seconds of the guest's processors a GB."""
    host: dict[str, float]
    limit: str


@dataclass(frozen=True, slots=True)
class Study:
    """Every knob, and what `bench` and a hand with iperf3 and ethtool told of the same machine in turn."""

    turned: tuple[Turned, ...]
    ours: tuple[float, ...]
    by_hand: tuple[float, ...]
    """Gains, as many."""


def _lab(knobs: Knobs) -> str:
    bridge = ", ".join(filter(None, ("address: 10.9.0.1/24", knobs.bridge)))
    nic = ", ".join(filter(None, (f"bridge: br-knob, ifname: {_TAP}", knobs.nic)))
    kernel = (
        f'image: {GUEST}/vmlinuz, initrd: {GUEST}/initrd, cmdline: "{knobs.cmdline} rsc.ip={_ADDRESS}/24"'
    )
    return f"""version: 1
hosts: {{local: {{bridges: {{br-knob: {{{bridge}}}}}}}}}
machines:
  vm: {{backend: qemu, guest: linux, memory: 256MiB, vcpus: {knobs.vcpus}, accel: tcg, kernel: {{{kernel}}}, nics: [{{{nic}}}]}}
"""


def _rscvm(host: Hypervisor, *words: str) -> str:
    done = host.run([str(RSCVM), *words], timeout=900)
    if done.returncode:
        raise RuntimeError(f"rscvm {shlex.join(words)}: {done.stderr.decode()}{done.stdout.decode()}")
    return done.stdout.decode()


def _bench(host: Hypervisor, lab: Path, *, pairs: int, seconds: int, more: tuple[str, ...] = ()) -> Any:
    counts = ("--pairs", str(pairs), "--seconds", str(seconds))
    return json.loads(_rscvm(host, "bench", str(lab), "vm", *counts, *more, "--json"))


def _turned(host: Hypervisor, lab: Path, knobs: Knobs, pairs: int, seconds: int) -> Turned:
    found = _bench(host, lab, pairs=pairs, seconds=seconds, more=("--reference",))
    legs = found["legs"]
    for note in found["notes"]:
        print(f"  {knobs.name}: {note}", file=sys.stderr)
    return Turned(
        knobs.name,
        Spread(found["gain"]["median"], found["gain"]["min"], found["gain"]["max"]),
        found["reference_gain"],
        {kind: Spread(*(leg["gbps"][key] for key in ("median", "min", "max"))) for kind, leg in legs.items()},
        {kind: leg["mean_frame"] for kind, leg in legs.items()},
        {kind: leg["threads_cpu_s_per_gb"]["vcpus"] for kind, leg in legs.items()},
        {kind: leg["host_cpu_s_per_gb"] for kind, leg in legs.items()},
        found["limit"],
    )


def _by_hand(host: Hypervisor, seconds: int) -> Iterator[float]:
    """10^9 bits a second with the TAP as it is, and with `tx` off."""
    for tx in ("on", "off"):
        host.output(["ethtool", "-K", _TAP, "tx", tx])
        argv = ["iperf3", "--client", _ADDRESS, "--time", str(seconds), "--omit", "1", "--zerocopy", "--json"]
        yield json.loads(host.output(argv))["end"]["sum_received"]["bits_per_second"] / 1e9
    host.output(["ethtool", "-K", _TAP, "tx", "on"])


def _running(host: Hypervisor, lab: Path, knobs: Knobs) -> None:
    """Start it, and let its guest boot to the end, so that nothing of that is measured."""
    lab.write_text(_lab(knobs))
    _rscvm(host, "up", str(lab), "--wait", str(_BOOTS))
    client = ["iperf3", "--client", _ADDRESS, "--time", "1"]
    wait_for(lambda: host.run(client).returncode == 0, time.monotonic() + _BOOTS, "the guest's iperf3")


def measure_knobs(directory: Path, pairs: int = 5, seconds: int = 2) -> Study:
    """Each machine in a namespace of its own, so that nothing of the one before is left."""
    lab, turned = directory / "knobs.yaml", []
    ours: list[float] = []
    hands: list[float] = []
    for at, knobs in enumerate(KNOBS):
        print(f"  {knobs.name}", file=sys.stderr)
        with Hypervisor() as host:
            if knobs.sender:
                host.output(["sh", "-c", f"echo {knobs.sender} >{_SENDER}"])
            _running(host, lab, knobs)
            turned.append(_turned(host, lab, knobs, pairs, seconds))
            for _ in range(0 if at else pairs):
                on, off = _by_hand(host, seconds)
                hands.append(on / off)
                ours.append(_bench(host, lab, pairs=1, seconds=seconds)["gain"]["median"])
            _rscvm(host, "down", str(lab))
    return Study(tuple(turned), tuple(ours), tuple(hands))


def knob_rows(study: Study) -> Iterator[tuple[str, ...]]:
    """A line each, in words; see KNOB_HEAD."""
    for one in study.turned:
        rates = (one.gbps[kind].text(2) for kind in ("on", "off", "reference"))
        frames = f"{one.frame['on'] / 1000:.0f}, {one.frame['off'] / 1000:.1f}"
        busy = f"{one.vcpus['on']:.1f}, {one.vcpus['off']:.1f}"
        yield (one.name, one.live.text(1), f"{one.reference:.1f}", *rates, frames, busy)


KNOB_HEAD = (
    "machine", "gain", "against the reference", "Gb/s on", "off", "reference", "mean frame, kB (on, off)", "vCPU s/GB (on, off)",
)  # fmt: skip


def agreement(study: Study) -> str:
    """By how much the hand and `bench` differ, in a sentence."""
    ours, hands = spread(study.ours), spread(study.by_hand)
    apart = statistics.median(study.ours) / statistics.median(study.by_hand) - 1
    return f"`rscvm bench`: {ours.text(2)}; by hand, in turn with it: {hands.text(2)}; the medians are {abs(apart):.0%} apart."
