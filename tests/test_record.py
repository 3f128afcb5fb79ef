"""What is recorded is answered again: the same answers in the same order, and the same errors."""

from __future__ import annotations

from typing import Any

import pytest

from provision.facts.ethtool_features import FeaturesRead, parse_features
from provision.host.read.devices import FEATURES as RSC_OFFLOADS
from provision.runtime.command import Result, Run
from provision.runtime.errors import (
    CommandError,
    DeadlineError,
    HostError,
    LostError,
    RefusedError,
    RequestError,
    RscvmError,
    UnreadableError,
)
from provision.runtime.places import ANYBODY, Listener
from provision.runtime.questions import ask
from provision.verify.saved.record import Recorder
from provision.verify.saved.replay import Replay, tool_versions
from tests.builders import FakeEdges, FakeHost, FakeLibvirt
from tests.recordings import FEATURES, STATUS, OneDomain, SayingHost, judged, qemu


def test_the_evidence_is_judged_as_the_machine_was() -> None:
    recorder = Recorder(FakeEdges(SayingHost(features=FEATURES), OneDomain(qmp=qemu())))
    there = judged(recorder)

    elsewhere = judged(Replay(recorder.rows, "0.1.0"))

    assert [verdict.finding.cause.id for verdict in there if verdict.finding.cause] == [
        "host-disabled-checksum"
    ]
    assert elsewhere == there


def test_the_recorder_hands_on_what_the_edges_say() -> None:
    plain = FakeEdges(SayingHost(features=FEATURES), OneDomain(qmp=qemu()))
    recorded = Recorder(FakeEdges(SayingHost(features=FEATURES), OneDomain(qmp=qemu())))

    assert judged(recorded) == judged(plain)


def test_the_same_question_gets_the_next_answer_and_the_last_one_from_then_on() -> None:
    recorder = Recorder(FakeEdges(SayingHost(outs=["one", "two"])))
    for _ in range(2):
        recorder.host("hv").run(["date"])
    again = Replay(recorder.rows, "0.1.0").host("hv")

    assert [again.run(["date"]).out for _ in range(4)] == ["one", "two", "two", "two"]


def test_what_libvirt_can_is_answered_again_as_it_was() -> None:
    recorder = Recorder(FakeEdges())
    there = recorder.libvirt("hv").capabilities("kvm", "q35")

    assert Replay(recorder.rows, "0.1.0").libvirt("hv").capabilities("kvm", "q35") == there


def test_questions_of_different_hosts_or_inputs_are_different() -> None:
    recorder = Recorder(FakeEdges(SayingHost(outs=["one", "two", "three"])))
    for host, stdin in (("a", ""), ("b", ""), ("b", "words")):
        recorder.host(host).run(["sh"], stdin=stdin)
    again = Replay(recorder.rows, "0.1.0")

    assert again.host("b").run(["sh"], stdin="words").out == "three"
    assert again.host("b").run(["sh"]).out == "two"


@pytest.mark.parametrize(
    "error",
    [
        HostError("libvirt does not answer", hint="start it"),
        CommandError("it failed"),
        RefusedError("QEMU refused", "DeviceNotFound"),
        LostError("gone"),
        DeadlineError("too late"),
        RequestError("no domain x there", hint="virsh list"),
    ],
)
def test_an_error_is_raised_again_as_what_it_was(error: RscvmError) -> None:
    recorder = Recorder(FakeEdges(daemon=OneDomain(error=error)))
    with pytest.raises(type(error)):
        recorder.libvirt("hv").domains(())

    with pytest.raises(type(error)) as raised:
        Replay(recorder.rows, "0.1.0").libvirt("hv").domains(())

    assert type(raised.value) is type(error)
    assert (str(raised.value), raised.value.hint) == (str(error), error.hint)
    assert getattr(raised.value, "kind", "") == getattr(error, "kind", "")


def test_an_error_of_a_kind_that_no_edge_promises_is_kept_as_the_nearest() -> None:
    recorder = Recorder(FakeEdges(daemon=OneDomain(error=UnreadableError("the XML", "<"))))
    with pytest.raises(UnreadableError):
        recorder.libvirt("hv").domains(())

    assert [row.failure.kind for row in recorder.rows if row.failure] == ["HostError"]


def test_a_batch_that_was_cut_short_is_cut_short_again() -> None:
    recorder = Recorder(FakeEdges(SayingHost(outs=["one"], lost_at="two")))
    runs = [Run(("one",)), Run(("two",)), Run(("three",))]
    with pytest.raises(LostError):
        recorder.host("hv").run_all(runs)

    with pytest.raises(LostError, match="local is gone") as raised:
        Replay(recorder.rows, "0.1.0").host("hv").run_all(runs)

    assert [known.out for known in raised.value.known if isinstance(known, Result)] == ["one"]


def test_a_batch_that_ends_at_a_failure_ends_there_again() -> None:
    recorder = Recorder(FakeEdges(FakeHost(failing="two")))
    runs = [Run(("one",)), Run(("two",)), Run(("three",))]
    recorder.host("hv").run_all(runs, until_failure=True)

    again = Replay(recorder.rows, "0.1.0").host("hv").run_all(runs, until_failure=True)

    assert [result.status for result in again] == [0, 1]


def test_what_the_evidence_does_not_have_is_an_error_that_says_so() -> None:
    replay = Replay((), "0.7.1")

    with pytest.raises(HostError, match="the evidence does not have it: run ethtool -k on hv") as raised:
        replay.host("hv").run(["ethtool", "-k"])
    assert "0.7.1" in raised.value.hint


@pytest.mark.parametrize("change", ["define", "undefine", "start", "destroy"])
def test_evidence_cannot_be_changed(change: str) -> None:
    recorder = Recorder(FakeEdges())
    recorder.libvirt("hv")
    replayed = Replay(recorder.rows, "0.1.0").libvirt("hv")

    assert hasattr(FakeLibvirt, change)
    assert not hasattr(replayed, change)


def test_a_socket_that_nobody_listens_at_is_silent_again() -> None:
    class Silent(FakeEdges):
        def monitor(self, host: str, socket: str, listener: Listener = ANYBODY) -> Any:  # noqa: ARG002
            raise HostError("no monitor answers at /run/qmp")

    recorder = Recorder(Silent())
    with pytest.raises(HostError, match="no monitor answers"), recorder.monitor("hv", "/run/qmp"):
        pass

    replay = Replay(recorder.rows, "0.1.0")
    with pytest.raises(HostError, match="no monitor answers"), replay.monitor("hv", "/run/qmp"):
        pass


def test_each_qemu_is_asked_for_its_version_once_and_only_when_it_answers() -> None:
    recorder = Recorder(FakeEdges(qmp=qemu()))
    for _ in range(2):
        with recorder.monitor("hv", "/run/qmp") as monitor:
            monitor.execute("x-query-virtio-status", {"path": "/x"})
    silent = Recorder(FakeEdges(qmp=qemu(**{"x-query-virtio-status": HostError("nothing within 10 s")})))
    with silent.monitor("hv", "/run/qmp") as monitor, pytest.raises(HostError):
        monitor.execute("x-query-virtio-status", {"path": "/x"})

    asked = [row.question.words[-1] for row in recorder.rows if row.question.ask == "qmp"]
    assert asked == ["x-query-virtio-status", "query-version", "x-query-virtio-status"]
    assert [row.question.words[-1] for row in silent.rows if row.question.ask == "qmp"] == [
        "x-query-virtio-status"
    ]


def test_a_qemu_that_does_not_tell_its_version_costs_nothing_else() -> None:
    recorder = Recorder(FakeEdges(qmp=qemu(**{"query-version": RefusedError("no", "CommandNotFound")})))

    with recorder.monitor("hv", "/run/qmp") as monitor:
        assert monitor.execute("x-query-virtio-status") == STATUS


def test_versions_are_told_of_what_answered_and_asked_in_one_batch() -> None:
    recorder = Recorder(FakeEdges(daemon=OneDomain(qmp=qemu())))
    recorder.libvirt("hv").monitor("vm").execute("x-query-virtio-status")
    recorder.host("hv").run(["ethtool"])
    host = SayingHost(outs=["ethtool version 6.1\n", "ip utility, iproute2-6.1.0\n", "6.18.0\n"])

    assert tool_versions(FakeEdges(host, OneDomain()), recorder.rows) == {
        "hv": {
            "ethtool": "ethtool version 6.1",
            "ip": "ip utility, iproute2-6.1.0",
            "kernel": "6.18.0",
            "libvirt": "9.0.0",
            "QEMU of vm": "7.2.22",
        }
    }


def test_a_host_that_has_gone_meanwhile_leaves_its_versions_out() -> None:
    recorder = Recorder(FakeEdges())
    recorder.host("hv").run(["ethtool"])

    assert tool_versions(FakeEdges(FakeHost(lost_at="uname")), recorder.rows) == {"hv": {}}


def test_features_that_are_replayed_are_those_of_the_host() -> None:
    recorder = Recorder(FakeEdges(SayingHost(outs=[FEATURES])))
    ask(recorder.host("hv"), [RSC_OFFLOADS])

    assert ask(Replay(recorder.rows, "0").host("hv"), [RSC_OFFLOADS])[RSC_OFFLOADS] == FeaturesRead(
        parse_features(FEATURES)
    )
