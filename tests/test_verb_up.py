"""`up` on a recorded host: what it does in which order, what it refuses, and what it takes back."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from provision.host.apply.lock import LockError
from provision.runtime.deadline import Deadline
from provision.runtime.errors import CommandError, HostError
from provision.runtime.interrupt import _arrived
from provision.runtime.places import ANYBODY, Listener
from provision.runtime.protocols import SocketMonitor
from provision.verbs.down import take_down
from provision.verbs.up import bring_up
from tests.recorded_answers import LAB, PATHS, THEIR_FILES, changed_lab, rows
from tests.recorded_host import MORE, RecordedEdges, brought_up, session_on

BOTH = [*LAB.machines]
FIRST = f"note in {PATHS.journal} what is to be made"
STEPS = (
    "make bridge br-lab",
    f"make overlay {PATHS.overlay('vm', 0)}",
    f"copy /usr/share/OVMF/OVMF_VARS_4M.fd to {PATHS.firmware('vm')}",
    "make TAP tap0",
    "start vm",
    f"make overlay {PATHS.overlay('dom', 0)}",
    "define dom",
    "start dom",
)


def is_as_found(edges: RecordedEdges) -> bool:
    """But for the kept probe of accelerators, which is no lab's."""
    runner = edges.runner
    own = runner.files.keys() - {PATHS.accelerators, *THEIR_FILES}
    return runner.links == rows("links-empty.json") and not (own or runner.qemus or edges.daemon.found)


def taken_back(said: list[str]) -> list[str]:
    """What was taken back, in this order."""
    return [line.removeprefix("taken back: ") for line in said if line.startswith("taken back: ")]


def at(line: str, act: Callable[[], object], said: list[str]) -> Callable[[str], None]:
    """Hear what is said, and act when it begins so."""

    def say(heard: str) -> None:
        said.append(heard)
        if heard.startswith(line):
            act()

    return say


def test_what_is_missing_is_noted_in_the_journal_and_made_in_order() -> None:
    edges, said = RecordedEdges(), list[str]()

    plan, _ = bring_up(session_on(edges), BOTH, said.append)

    did = [words[:2] for words in edges.runner.did if words[0] != "keep"]
    assert [line for line in said if line in (FIRST, *STEPS)] == [FIRST, *STEPS]
    assert plan.whats == [*STEPS]
    assert did[0] == ("replace", PATHS.journal)
    assert did.count(did[0]) == 1


def test_it_changes_nothing_without_the_labs_lock() -> None:
    edges = RecordedEdges()

    bring_up(session_on(edges), BOTH, lambda _: None)

    said = edges.runner.said
    assert said[0][:2] == ("hold", PATHS.lock)
    assert said[1][0] == "settle", "what an earlier run left armed comes first"
    assert said[-1] == ("let go",)


def test_a_second_up_says_that_there_is_nothing_to_change_and_takes_no_step() -> None:
    edges, said = brought_up(), list[str]()

    plan, _ = bring_up(session_on(edges), BOTH, said.append)

    assert said == ["nothing to change: every machine is there and runs"]
    assert plan.steps == ()
    assert (edges.runner.did, edges.daemon.said) == ([], [])


def test_only_what_has_gone_is_started_again() -> None:
    edges = brought_up()
    edges.runner.qemus.clear()

    plan, _ = bring_up(session_on(edges), BOTH, lambda _: None)

    assert plan.whats == ["start vm"]
    assert edges.daemon.said == []


def test_what_runs_otherwise_than_the_lab_file_has_it_is_refused_with_what_differs_and_left_alone() -> None:
    edges = brought_up()
    lab = changed_lab(("256MiB", "512MiB"))

    with pytest.raises(HostError) as caught:
        bring_up(session_on(edges, lab), BOTH, lambda _: None)

    for name in BOTH:
        assert f"{name} runs with other settings than the lab file has" in str(caught.value)
    assert '- "memory": "262144KiB"' in str(caught.value)
    assert '+ "memory": "524288KiB"' in str(caught.value)
    assert caught.value.hint.endswith("nothing was changed")
    assert (edges.runner.did, edges.daemon.said) == ([], [])


def test_a_device_that_is_to_be_made_beside_drift_is_not_made() -> None:
    edges = brought_up()
    edges.runner.run(("ip", "link", "del", "dev", "br-lab"))
    edges.runner.did = []

    with pytest.raises(HostError, match="what runs differs from the lab file"):
        bring_up(session_on(edges, changed_lab(("256MiB", "512MiB"))), BOTH, lambda _: None)

    assert edges.runner.did == []


def test_a_host_that_lacks_something_is_refused_with_all_of_it_and_not_touched() -> None:
    edges = RecordedEdges()
    del edges.runner.files["/srv/vmlinuz"], edges.runner.files["/usr/share/OVMF/OVMF_VARS_4M.fd"]
    edges.runner.links["tap0"] = {**rows("links-up.json")["tap0"], "ifalias": "theirs"}

    with pytest.raises(HostError) as caught:
        bring_up(session_on(edges), BOTH, lambda _: None)

    for words in (
        "vm: no kernel at /srv/vmlinuz",
        "dom: no kernel at /srv/vmlinuz",
        "vm: no firmware variables (Debian: ovmf) at /usr/share/OVMF/OVMF_VARS_4M.fd",
        "vm.net0: a device tap0 is there and is not ours",
    ):
        assert words in str(caught.value)
    assert [words[0] for words in edges.runner.did] == ["keep"]


@pytest.mark.parametrize(("lacking", "error"), [((), LockError), (("/srv/vmlinuz",), HostError)])
def test_a_lock_that_cannot_be_had_is_told_unless_the_host_lacks_more(
    lacking: tuple[str, ...], error: type[HostError]
) -> None:
    edges = RecordedEdges(lock=(75, "root@elsewhere: rscvm up", ""))
    for path in lacking:
        del edges.runner.files[path]

    with pytest.raises(error) as caught:
        bring_up(session_on(edges), BOTH, lambda _: None)

    assert type(caught.value) is error
    assert ("root@elsewhere" in str(caught.value)) is (error is LockError)
    assert [words[0] for words in edges.runner.did] == ["keep"]


@pytest.mark.parametrize(
    ("fails_at", "step", "undone"), [("tuntap", "make TAP tap0", 3), ("-daemonize", "start vm", 5)]
)
def test_a_step_that_fails_takes_back_all_before_it_in_reverse_and_then_the_journal(
    fails_at: str, step: str, undone: int
) -> None:
    edges, said = RecordedEdges(fails_at=fails_at), list[str]()

    with pytest.raises(CommandError) as caught:
        bring_up(session_on(edges), BOTH, said.append)

    assert str(caught.value).startswith(f"could not {step}: ")
    assert MORE["refused"][fails_at].strip() in str(caught.value)
    assert taken_back(said) == [*reversed(STEPS[:undone]), FIRST]
    assert edges.runner.did[-1] == ("forget", PATHS.journal)
    assert is_as_found(edges)


def test_a_domain_that_libvirt_does_not_start_takes_back_the_other_machine_too() -> None:
    edges, said = RecordedEdges(), list[str]()
    edges.daemon.fails = True

    with pytest.raises(HostError, match="could not start dom"):
        bring_up(session_on(edges), BOTH, said.append)

    assert taken_back(said) == [*reversed(STEPS[:-1]), FIRST]
    assert is_as_found(edges)


def test_an_interruption_takes_back_as_a_failure_does() -> None:
    edges, said = RecordedEdges(interrupted_at="-daemonize"), list[str]()

    with pytest.raises(KeyboardInterrupt):
        bring_up(session_on(edges), BOTH, said.append)

    assert taken_back(said)[-1] == FIRST
    assert is_as_found(edges)


def test_an_interruption_while_drivers_are_waited_for_takes_back_what_this_run_did_alone() -> None:
    edges, said = brought_up(driver=False), list[str]()
    edges.runner.qemus.clear()
    say = at("waiting", lambda: _arrived(signal.SIGINT, None), said)

    with pytest.raises(KeyboardInterrupt):
        bring_up(session_on(edges), BOTH, say, Deadline(60))

    assert taken_back(said) == ["start vm", FIRST]
    assert edges.daemon.found["dom"].state == "running"
    assert "tap0" in edges.runner.links
    assert '"name": "tap0"' in edges.runner.files[PATHS.journal], "what an earlier run made stays known"


class Ending(RecordedEdges):
    """Its bare QEMU has ended by the time that its monitor is asked."""

    def monitor(
        self, host: str, socket: str, listener: Listener = ANYBODY
    ) -> AbstractContextManager[SocketMonitor]:
        self.runner.qemus.clear()
        return super().monitor(host, socket, listener)


@pytest.mark.parametrize("machine", BOTH)
def test_a_machine_that_stops_while_its_driver_is_waited_for_is_an_error_that_names_its_log(
    machine: str,
) -> None:
    edges = Ending(driver=False) if machine == "vm" else RecordedEdges(driver=False)
    say = at("waiting", lambda: edges.daemon.destroy("dom") if machine == "dom" else None, [])

    with pytest.raises(HostError, match=f"{machine} stopped before its driver was there") as caught:
        bring_up(session_on(edges), [machine], say, Deadline(60))

    assert f"its log in {PATHS.directory} tells why" in caught.value.hint
    assert PATHS.journal in edges.runner.files, "what is there stays for a look"
    take_down(session_on(edges), None, lambda _: None)
    assert is_as_found(edges)


def test_drivers_that_never_come_are_verdicts_and_no_error() -> None:
    edges = RecordedEdges(driver=False)

    _, verdicts = bring_up(session_on(edges), BOTH, lambda _: None, Deadline(0))

    causes = [verdict.finding.cause.id for verdict in verdicts if verdict.finding.cause]
    assert causes == ["driver-not-loaded"] * 2
    assert [verdict.verdict for verdict in verdicts] == ["not-ready"] * 2
    assert all(verdict.evidence.waited for verdict in verdicts)
    assert edges.runner.qemus.keys() == {PATHS.pidfile("vm")}
    assert edges.daemon.found["dom"].state == "running"


def test_machines_that_are_not_waited_for_are_not_judged() -> None:
    edges, said = RecordedEdges(driver=False), list[str]()

    _, verdicts = bring_up(session_on(edges), BOTH, said.append)

    assert verdicts == []
    assert not any(line.startswith("waiting") for line in said)


@pytest.mark.parametrize("there", [RecordedEdges, brought_up])
def test_one_run_reads_a_host_whole_at_most_twice_and_its_emulators_once(
    there: Callable[[], RecordedEdges],
) -> None:
    edges = there()

    bring_up(session_on(edges), BOTH, lambda _: None, Deadline(1))

    emulators = [words for words in edges.runner.said if words[-1:] == ("--version",)]
    assert 1 <= edges.runner.whole_reads <= 2
    assert len(emulators) == len({*emulators})
    assert sum(words[0] == "probe" for words in edges.runner.said) <= 1


def test_what_auto_comes_to_is_measured_once_and_kept() -> None:
    edges = brought_up()

    bring_up(session_on(edges), BOTH, lambda _: None)

    assert PATHS.accelerators in edges.runner.files
    assert not any(words[0] == "probe" for words in edges.runner.said)
