"""What people really have, judged without its host: QEMU command lines, and domains whose monitor is left alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from provision.facts.ethtool_features import Features, FeaturesRead
from provision.facts.ip import Link
from provision.facts.processes import parse_processes
from provision.host.read.processes import LISTENING
from provision.runtime.command import Result
from provision.runtime.protocols import Domain
from provision.verify.collect.every_qemu import collect_every
from provision.verify.collect.host_devices import TapsRead
from provision.verify.collect.machines import collect_domain
from provision.verify.collect.taps import with_tap
from provision.verify.judge.verdict import NicVerdict, judge_nic
from tests.builders import FIXTURES, FakeEdges, FakeHost, features
from tests.processes import proc_text

if TYPE_CHECKING:
    from collections.abc import Mapping

CASES = FIXTURES / "cases"
ON = features("negotiated-by-linux")
TAP = Link("", "tun", "", up=True, mtu=1500, master="", tap=True, vnet_hdr=True, carrier=True, index=7)


@dataclass
class Walked(FakeHost):
    """Stands for a host whose processes are these."""

    text: str = ""

    def run(self, argv: Any, *, stdin: str = "", timeout: float = 60) -> Result:
        if tuple(argv) == LISTENING.run.argv:
            return Result(self.name, tuple(argv), 0, self.text, "")
        return super().run(argv, stdin=stdin, timeout=timeout)


def by_arguments(
    words: str, taps: Mapping[int, str] | None = None, handed_on: Features = ON, *, header: bool = True
) -> list[NicVerdict]:
    """The verdicts on a QEMU with these words on its command line, by them and the TAPs that it holds.

    :param taps: each TAP's name by QEMU's descriptor.
    """
    taps = taps or {}
    held = [(f"fdinfo/{fd}", f"iff:\t{name}\n") for fd, name in taps.items()]
    text = proc_text({42: ("qemu", *words.split())}, more=held)
    links = {name: replace(TAP, name=name, vnet_hdr=header) for name in taps.values()}
    read = TapsRead(FeaturesRead(dict.fromkeys(links, handed_on)), links, 1.0, parse_processes(text))
    nics = collect_every(FakeEdges(Walked(text=text)), "local", (), monitor=False)
    return [judge_nic(with_tap(nic, read)) for nic in nics]


def of_domain(path: str, state: str = "running") -> list[NicVerdict]:
    """The verdicts on a domain of a case, whose definition is what runs."""
    xml = (CASES / f"{path}.xml").read_text()
    kept = xml if state == "running" else ""
    nics = collect_domain(FakeEdges(), "local", Domain("vm", state, xml, kept), monitor=False)
    return [judge_nic(nic) for nic in nics]


def told(verdict: NicVerdict) -> tuple[str, str]:
    """A verdict, and the id of its cause where there is one."""
    return verdict.verdict, verdict.finding.cause.id if verdict.finding.cause else ""


def next_start(verdict: NicVerdict) -> tuple[str, str] | None:
    """The same of what its definition will do."""
    found = verdict.definition
    return None if found is None else (found.verdict, found.cause.id if found.cause else "")
