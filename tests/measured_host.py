"""A host in memory with one TAP that is switched, an iperf3 that sends what was captured, and a guest that serves."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from provision.host.apply.session import HostSession
from provision.host.read.devices import FEATURES, LINKS
from provision.lab.spec import Lab
from provision.runtime.command import HELD, Result
from provision.runtime.errors import LostError
from provision.verbs.bench.bench import Benched, bench
from provision.verbs.bench.legs import Course
from provision.verbs.bench.switch import SCRIPTS
from provision.verify.collect.host_devices import UPTIME
from provision.verify.collect.source import MachineSource
from provision.verify.evidence import NicEvidence, Owner
from tests.asked_guests import Guest, GuestEdges
from tests.builders import FIXTURES, FakeHost, nic

SERVES = '{"rscvm":"serve/1","server":"yes","addresses":["fe80::1","fd00::2","10.9.0.2"]}'
IPERF = {
    kind: (FIXTURES / "iperf3-3.12" / f"sent-{name}.json").read_text()
    for kind, name in (("on", "whole"), ("off", "cut"))
}
REFUSED = (FIXTURES / "iperf3-3.12" / "refused.json").read_text()
FRAME = {"on": 60_000, "off": 1514}
_STATES = {"on": "tap-negotiated-by-linux.json", "off": "tap-host-tx-off.json"}
_INDEX = 3
_LINKS = json.loads((FIXTURES / "iproute2-6.1" / "links.json").read_text())
_TIMES = (FIXTURES / "linux-6.18" / "qemu-threads-before.txt").read_text()


def processor(ticks: int) -> str:
    return f'{{"rscvm":"work/1","ticks":"cpu  {ticks} 0 0 900 0 0 0 0 0 0"}}'


@dataclass
class MeasuredHost(FakeHost):
    """It sends to its TAP in frames that are as large as the TAP takes them."""

    tap: str = "on"
    """How it is switched now."""
    switches: list[str] = field(default_factory=list)
    stuck: tuple[str, ...] = ()
    """How ethtool cannot switch it."""
    passing: float = 1.1
    """Bytes at the TAP for each that arrives."""
    refusing: int = 0
    """How many clients find nobody who listens."""
    in_the_end: str = ""
    """How its features are once four legs that count were sent, where otherwise."""
    anew_after: int = 99
    """Legs after which the TAP is another of the same name."""
    ends_by: BaseException | None = None
    """What comes in a leg without RSC; a host that is lost has put its TAP back by the time it is reached again."""
    client: tuple[int, str] | None = None
    """How iperf3 ends, status and complaint, where it says nothing else."""
    packets: int = 0
    octets: int = 0
    legs: list[str] = field(default_factory=list)
    armed: bool = False
    keeps_undo: bool = False
    """Whether the host's own undo cannot be ended."""

    def run(self, argv: Sequence[str], *, stdin: str = "", timeout: float = 60) -> Result:
        result, text = super().run(argv, stdin=stdin, timeout=timeout), " ".join(argv)
        if self.client and "iperf3" in argv:
            return replace(result, status=self.client[0], err=self.client[1])
        if SCRIPTS["switch a TAP's checksum"] in argv:
            assert argv[-2] == str(_INDEX)
            self.switches.append(argv[-1])
            if argv[-1] in self.stuck:
                return replace(result, status=1, err="tap0's checksum is not that")
            self.tap = argv[-1]
        if self.keeps_undo and _ends_undo(text):
            return replace(result, status=1, err="read-only file system")
        return replace(result, out=result.out or self._said(tuple(argv), text, stdin))

    def _said(self, argv: tuple[str, ...], text: str, stdin: str) -> str:
        if "flock" in text and argv[-1] == "somebody":
            return HELD
        if "setsid sh -c" in text:
            assert "tx-checksumming" in stdin
            assert stdin.endswith(f"{_INDEX} on\n")
            self.armed = True
        if _ends_undo(text):
            self.armed = False
        if "iperf3" in argv:
            return self._sent()
        answers: dict[tuple[str, ...], Callable[[], str]] = {
            LINKS.run.argv: self._links,
            FEATURES.run.argv: self._features,
            UPTIME.run.argv: lambda: "100.0 1.0",
        }
        if argv in answers:
            return answers[argv]()
        return _TIMES if "/proc/stat" in text else ""

    def _sent(self) -> str:
        if self.refusing:
            self.refusing -= 1
            return REFUSED
        assert self.armed == (self.tap == "off")
        if self.tap == "off" and self.ends_by is not None:
            if isinstance(self.ends_by, LostError):
                self.tap, self.armed = "on", False
            raise self.ends_by
        self.legs.append(self.tap)
        octets = int(json.loads(IPERF[self.tap])["end"]["sum_received"]["bytes"] * self.passing)
        self.octets, self.packets = self.octets + octets, self.packets + octets // FRAME[self.tap]
        return IPERF[self.tap]

    def _features(self) -> str:
        ended = self.in_the_end if len(self.legs) == 5 and self.tap == "on" else ""
        return (FIXTURES / "ethtool-6.1" / (ended or _STATES[self.tap])).read_text()

    def _links(self) -> str:
        links: list[dict[str, Any]] = json.loads(json.dumps(_LINKS))
        tap = next(link for link in links if link["ifname"] == "tap0")
        tap["ifindex"] += len(self.legs) >= self.anew_after
        tap["stats64"]["tx"] |= {"packets": self.packets, "bytes": self.octets}
        tap["linkinfo"]["info_slave_data"]["state"] = "forwarding"
        return json.dumps(links)


def _ends_undo(text: str) -> bool:
    return "gone" in text and "mv --" in text


@dataclass
class Measured:
    """A bench on such a host."""

    host: MeasuredHost = field(default_factory=MeasuredHost)
    guest: Guest = field(
        default_factory=lambda: Guest(
            {
                "serve": [SERVES],
                "serve-end": [""],
                "work": [processor(each) for each in (100, 150, 300, 500, 500)],
            },
            runs="linux",
        )
    )
    nics: list[NicEvidence] = field(default_factory=lambda: [evidence()])
    said: list[str] = field(default_factory=list)

    def bench(self, **course: Any) -> Benched:
        edges = GuestEdges(self.host, guests={"the guest agent": self.guest})
        source = MachineSource(edges, "local", lambda _: self.nics)
        session = HostSession(edges, Lab.model_construct(version=1, name=".bench"), "local")
        return bench(session, source, Course(**{"pairs": 2, "seconds": 1, **course}), self.said.append)


def evidence(**changes: Any) -> NicEvidence:
    return nic(**{"pid": 165, "owner": Owner(domain="vm"), **changes})
