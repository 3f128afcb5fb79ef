"""What one tick of a watch tells, and when machines are asked again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from provision.cli.output import Output
from provision.cli.watch import watch_sources
from provision.runtime.command import Result, Run
from provision.runtime.errors import LostError
from provision.verbs.watch import glance
from provision.verify.collect.source import MachineSource
from provision.verify.evidence import NicEvidence
from tests.builders import FIXTURES, FakeEdges, FakeHost, nic, virtio


@dataclass
class Ticking(FakeHost):
    """Stands for a host whose TAP shows these features and counters, one row at each look."""

    rows: list[tuple[str, int, int]] = field(default_factory=list)
    held_until: int = 99
    """The look at which nobody holds the TAP any more."""
    looks: int = 0
    ends_at: int = 99
    """The look at which somebody presses Ctrl-C."""

    def run_all(
        self,
        runs: Sequence[Run],
        *,
        timeout: float = 60,  # noqa: ARG002
        until_failure: bool = False,  # noqa: ARG002
    ) -> list[Result]:
        name, frames, octets = self.rows[min(self.looks, len(self.rows) - 1)]
        self.looks += 1
        if self.looks == self.ends_at:
            raise KeyboardInterrupt
        features = (FIXTURES / "ethtool-6.1" / f"tap-{name}.json").read_text()
        link = {
            "ifname": "tap0", "ifindex": 7, "mtu": 1500, "linkinfo": {"info_kind": "tun"},
            "flags": ["UP", "LOWER_UP"] if self.looks < self.held_until else ["NO-CARRIER", "UP"],
            "stats64": {"tx": {"bytes": octets, "packets": frames}},
        }  # fmt: skip
        texts = {"ethtool": features, "ip": json.dumps([link]), "cat": f"{self.looks}.0 0"}
        return [
            Result(self.name, run.argv, 0, texts[run.argv[0]], "")
            if run.argv[0] in texts
            else self.run(run.argv)
            for run in runs
        ]


def watched(host: Ticking, *answers: NicEvidence) -> tuple[MachineSource, list[int]]:
    asked: list[int] = []

    def ask(_: Sequence[str]) -> list[NicEvidence]:
        asked.append(len(asked))
        return [answers[min(len(asked), len(answers)) - 1]]

    return MachineSource(FakeEdges(host), "local", ask), asked


def test_a_tick_has_the_rate_since_the_last_one_by_the_hosts_clock() -> None:
    on = "negotiated-by-linux"
    host = Ticking(rows=[(on, 10, 1000), (on, 30, 1_001_000), (on, 30, 1_001_000)])
    source, asked = watched(host, nic())

    first, [one] = glance(source, None)
    second, [two] = glance(source, first)
    _, [three] = glance(source, second)

    assert (one.bytes_per_second, one.mean_frame, one.verdict) == (None, None, "ready")
    assert (two.bytes_per_second, two.packets_per_second, two.mean_frame) == (1_000_000.0, 20.0, 50_000.0)
    assert (three.bytes_per_second, three.mean_frame) == (0.0, None)
    assert (one.past, two.past, three.past) == ((), (50_000.0,), (50_000.0, None))
    assert (host.looks, len(asked)) == (3, 1)


def test_machines_are_asked_again_when_a_tap_shows_a_change() -> None:
    host = Ticking(rows=[("no-driver", 0, 0), ("no-driver", 0, 0), ("negotiated-by-linux", 0, 0)])
    source, asked = watched(host, nic(virtio=virtio("no-driver")), nic())

    last, [one] = glance(source, None)
    last, [two] = glance(source, last)
    last, [three] = glance(source, last)

    assert [tick.verdict for tick in (one, two, three)] == ["unknown", "unknown", "ready"]
    assert [tick.cause for tick in (one, two, three)] == ["driver-not-loaded", "driver-not-loaded", None]
    assert len(asked) == 2


def test_a_machine_that_starts_after_all_were_off_is_seen() -> None:
    host = Ticking(rows=[("no-driver", 0, 0), ("negotiated-by-linux", 0, 0)])
    source, asked = watched(host, nic(state="off", tap=None), nic())

    last, [one] = glance(source, None)
    _, [two] = glance(source, last)

    assert (one.cause, two.verdict, len(asked)) == ("machine-off", "ready", 2)


def test_a_machine_that_ends_and_leaves_its_tap_is_seen() -> None:
    host = Ticking(rows=[("negotiated-by-linux", 0, 0)], held_until=2)
    source, asked = watched(host, nic(), nic(state="off", tap=None))

    last, [one] = glance(source, None)
    _, [two] = glance(source, last)

    assert (one.verdict, two.cause, len(asked)) == ("ready", "machine-off", 2)


def test_a_tap_that_the_host_switches_off_shows_at_the_next_tick() -> None:
    host = Ticking(rows=[("negotiated-by-linux", 0, 0), ("host-tx-off", 0, 0)])
    source, _ = watched(host, nic())

    last, _ = glance(source, None)
    _, [tick] = glance(source, last)

    assert (tick.verdict, tick.cause) == ("not-ready", "host-disabled-checksum")


def test_a_host_that_falls_silent_is_unknown_and_the_watch_goes_on() -> None:
    host = Ticking(rows=[("negotiated-by-linux", 0, 0)])
    source, _ = watched(host, nic())
    last, _ = glance(source, None)

    silent, _ = watched(host, nic())
    _, [tick] = glance(MachineSource(FakeEdges(FakeHost(lost_at="ethtool")), "local", silent.ask), last)

    assert (tick.verdict, tick.cause, tick.bytes_per_second) == ("unknown", "tap-unreadable", None)


def lost(_: Sequence[str]) -> list[NicEvidence]:
    raise LostError("hv2 is gone")


def test_a_host_that_is_lost_does_not_end_the_watch_of_another(capsys: pytest.CaptureFixture[str]) -> None:
    source, asked = watched(Ticking(rows=[("negotiated-by-linux", 10, 1000)], ends_at=4), nic())
    sources = {"local": source, "hv2": MachineSource(FakeEdges(), "hv2", lost)}

    with pytest.raises(KeyboardInterrupt):
        watch_sources(Output(), sources, 0, as_json=True)

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 3
    assert {line["errors"][0]["message"] for line in lines} == {"hv2 is gone"}
    assert [nic["machine"] for nic in lines[-1]["nics"]] == ["vm"]
    assert len(asked) == 1


def test_the_last_host_that_is_lost_ends_it() -> None:
    with pytest.raises(LostError, match="hv2 is gone"):
        watch_sources(Output(), {"hv2": MachineSource(FakeEdges(), "hv2", lost)}, 0, as_json=True)
