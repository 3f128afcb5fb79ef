"""The order of looking, and what is looked at twice."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pytest

from provision.runtime.command import Result, Run
from provision.runtime.errors import RequestError
from provision.runtime.protocols import Domain
from provision.runtime.underway import told_to
from provision.verbs.check import Look, check
from provision.verify.collect.source import MachineSource, domain_source
from provision.verify.collect.traffic import SCRIPTS
from provision.verify.evidence import NicEvidence, Traffic, Unasked
from provision.verify.judge.verdict import NicVerdict
from tests.builders import FakeEdges, FakeHost, nic, virtio
from tests.frames import RECORDED
from tests.heard import Heard
from tests.listings import XML, Listing, TellingHost, running


def source(
    host: FakeHost, *answers: list[NicEvidence], runs: Mapping[str, str] | None = None
) -> MachineSource:
    asked = iter(answers)
    return MachineSource(FakeEdges(host), "local", lambda _: next(asked), lambda: runs or {})


def verdicts(found: Sequence[NicVerdict]) -> list[tuple[str, str]]:
    return [(one.evidence.machine, one.verdict) for one in found]


def test_a_driver_that_starts_between_monitor_and_tap_is_looked_at_again() -> None:
    early, late = nic(virtio=virtio("no-driver")), nic()

    host = TellingHost(files=["host-tso-off", "negotiated-by-linux"])
    found = check(source(host, [late], [late]), Look())

    assert verdicts(found) == [("vm", "ready")]
    assert host.said.count(("look",)) == 2
    host = TellingHost(files=["no-driver"])
    assert verdicts(check(source(host, [early]), Look())) == [("vm", "unknown")]
    assert host.said.count(("look",)) == 1


def test_a_monitor_that_gave_no_answer_is_not_asked_twice() -> None:
    silent = nic(virtio=Unasked("nothing within 10 s"))
    host = TellingHost(files=["host-tso-off"])

    [found] = check(source(host, [silent]), Look())

    assert (found.verdict, host.said.count(("look",))) == ("not-ready", 1)


def test_a_machine_that_ended_meanwhile_has_lent_its_tap_to_nobody() -> None:
    """Its TAP's name may be another machine's by then."""
    gone, there = nic(run="1"), nic(machine="other", run="2")

    host = TellingHost(files=["negotiated-by-linux"])
    found = check(source(host, [gone, there], [], runs={"other": "2"}), Look())

    assert verdicts(found) == [("other", "ready")]


def test_a_machine_that_started_anew_meanwhile_is_asked_again() -> None:
    before, after = nic(run="1"), nic(run="3", virtio=virtio("no-driver"))

    host = TellingHost(files=["negotiated-by-linux", "no-driver"])
    found = check(source(host, [before], [after], runs={"vm": "3"}), Look())

    assert verdicts(found) == [("vm", "unknown")]


def test_a_host_is_left_alone_where_no_machine_has_a_tap() -> None:
    host = TellingHost(files=["negotiated-by-linux"])

    found = check(source(host, [nic(tap=None, state="off")]), Look())

    assert verdicts(found) == [("vm", "unknown")]
    assert host.said == []


def test_a_host_that_does_not_answer_makes_its_taps_unreadable_and_nothing_worse() -> None:
    found = check(source(FakeHost(lost_at="ethtool"), [nic()], [nic()]), Look())

    assert verdicts(found) == [("vm", "unknown")]
    assert found[0].evidence.features == Unasked("local is gone")


def test_domains_are_asked_side_by_side_and_a_silent_one_stops_no_other() -> None:
    libvirt = Listing(there=[running("a"), running("b"), Domain("c", "off", XML.format("c", ""), "")])
    edges = FakeEdges(TellingHost(files=["negotiated-by-linux"]), libvirt)

    found = check(domain_source(edges, "local", ()), Look())

    assert verdicts(found) == [("a", "unknown"), ("b", "unknown"), ("c", "unknown")]
    assert found[0].evidence.virtio == Unasked("a is silent")


def test_without_monitor_no_monitor_is_asked_for() -> None:
    edges = FakeEdges(TellingHost(files=["negotiated-by-linux"]), Listing(there=[running("a")]))

    assert verdicts(check(domain_source(edges, "local", (), monitor=False), Look(monitor=False))) == [
        ("a", "ready")
    ]


def test_a_domain_that_was_named_and_is_not_there_is_the_users_mistake() -> None:
    edges = FakeEdges(FakeHost(), Listing(there=[running("a")]))

    with pytest.raises(RequestError, match="no domain b there"):
        domain_source(edges, "local", ("a", "b")).ask(())


def test_a_domain_that_vanishes_while_it_is_looked_at_is_left_out() -> None:
    libvirt = Listing(there=[running("a"), running("b", run="2")], later=[running("a")])
    edges = FakeEdges(TellingHost(files=["negotiated-by-linux"]), libvirt)

    found = check(domain_source(edges, "local", (), monitor=False), Look(monitor=False))

    assert verdicts(found) == [("a", "ready")]


def test_the_driver_that_was_waited_for_in_vain_is_said() -> None:
    host = TellingHost(files=["no-driver"])

    [found] = check(source(host, [replace(nic(), virtio=virtio("no-driver"))]), Look(waited=True))

    assert found.verdict == "not-ready"


@pytest.mark.parametrize("xml", ["", "<domain", "<network/>"])
def test_a_domain_whose_xml_cannot_be_read_is_unknown_and_not_passed_over(xml: str) -> None:
    silent = Domain("a", "running", xml, "", "1", "too long for a message" if not xml else "")
    edges = FakeEdges(TellingHost(files=["negotiated-by-linux"]), Listing(there=[silent, running("b")]))

    found = check(domain_source(edges, "local", (), monitor=False), Look(monitor=False))

    assert verdicts(found) == [("a", "unknown"), ("b", "ready")]
    assert found[0].finding.seen == "too long for a message" or xml


@dataclass
class Streaming(TellingHost):
    """Stands for a host that hands its TAP frames of the MTU's size, all of them TCP."""

    looks: int = 0

    def run_all(
        self,
        runs: Sequence[Run],
        *,
        timeout: float = 60,
        until_failure: bool = False,
    ) -> list[Result]:
        told = dict(zip(("cat", "ip"), self._counters(), strict=True))
        answers = super().run_all(runs, timeout=timeout, until_failure=until_failure)
        return [
            replace(answer, out=told.get(run.argv[0], answer.out))
            for run, answer in zip(runs, answers, strict=True)
        ]

    def _counters(self) -> tuple[str, str]:
        self.looks += 1
        sent = {"bytes": self.looks * 5000 * 1514, "packets": self.looks * 5000}
        link = {"ifname": "tap0", "flags": ["UP"], "mtu": 1500, "stats64": {"tx": sent}}
        return f"{self.looks}.00 0.00", json.dumps([link])

    def run(self, argv: Sequence[str], *, stdin: str = "", timeout: float = 60) -> Result:
        answer = super().run(argv, stdin=stdin, timeout=timeout)
        if SCRIPTS["counters"] in argv:
            return replace(answer, out="\n".join(self._counters()))
        return answer if argv[0] == "sh" else replace(answer, status=0, out=RECORDED["gro-off"].read_text())


def test_a_machine_that_is_asked_again_has_its_sample() -> None:
    """Its other NIC is one about whose device there is something to say."""
    nics = [nic(), nic(nic="net1", kind="direct", tap="macvtap0")]
    host = Streaming(files=["negotiated-by-linux"])
    waited: list[float] = []
    there = replace(source(host, nics, nics), wait=waited.append)

    found = check(there, Look(observe=5))

    assert "1 flow in frames of one segment, back to back" in found[0].ladder[-1].seen
    assert waited == [1, 1, 1]
    assert len([argv for argv in host.said if argv[0] == "python3"]) == 1


def test_the_mean_frame_is_told_of_each_part_of_the_time() -> None:
    """A look a second, and what the sample takes is the last."""
    there = replace(source(Streaming(files=["negotiated-by-linux"]), [nic()], [nic()]), wait=lambda _: None)

    [found] = check(there, Look(observe=5))

    traffic = found.evidence.traffic
    assert isinstance(traffic, Traffic)
    assert [mean for _, mean in traffic.means] == [1514, 1514, 1514, 1514]


@pytest.mark.parametrize(("observe", "said"), [(0, []), (7, ["7 s"]), (0.5, ["2 s"])])
def test_the_time_for_which_taps_are_watched_is_told_where_they_are(observe: float, said: list[str]) -> None:
    heard = Heard()
    there = replace(source(Streaming(files=["negotiated-by-linux"]), [nic()], [nic()]), wait=lambda _: None)

    with told_to(heard):
        check(there, Look(observe=observe))

    watching = [each for each in heard.begun if each[0].startswith("watching")]
    assert watching == [(f"watching what goes to the TAPs of this host for {each}", 0) for each in said]


def test_nics_of_one_name_are_both_told_after_a_second_look() -> None:
    nics = [nic(), nic(mac="52:54:00:12:34:57", kind="direct")]
    host = TellingHost(files=["host-tx-off"])

    found = check(source(host, nics, nics), Look())

    assert [(one.evidence.mac[-2:], one.verdict) for one in found] == [("56", "not-ready"), ("57", "unknown")]


def test_a_nic_that_the_second_look_alone_shows_is_told() -> None:
    first, later = nic(run="1"), [nic(run="2"), nic(run="2", nic="net1")]
    other = nic(machine="b", run="5")
    host = TellingHost(files=["negotiated-by-linux"])

    found = check(source(host, [first, other], later, runs={"vm": "2", "b": "5"}), Look())

    assert [(one.evidence.machine, one.evidence.nic) for one in found] == [
        ("vm", "net0"),
        ("vm", "net1"),
        ("b", "net0"),
    ]


@dataclass
class WithoutEthtool(TellingHost):
    """Stands for a host whose links can be read, and whose features cannot."""

    def run_all(
        self, runs: Sequence[Run], *, timeout: float = 60, until_failure: bool = False
    ) -> list[Result]:
        _, links, *more = super().run_all(runs, timeout=timeout, until_failure=until_failure)
        link = {"ifname": "tap0", "flags": ["UP"], "mtu": 1500}
        missing = Result(self.name, ("ethtool",), 127, "", "ethtool: not found")
        return [missing, replace(links, out=json.dumps([link])), *more]


def test_counters_are_watched_also_where_there_is_no_ethtool() -> None:
    waited: list[float] = []
    there = source(WithoutEthtool(files=["negotiated-by-linux"]), [nic()], [nic()])

    [found] = check(replace(there, wait=waited.append), Look(observe=7))

    assert sum(waited) == 7
    assert found.finding.cause is not None
    assert found.finding.cause.id == "tap-unreadable"
