"""`apply` on a recorded host: what it sets, what it believes, and what it puts back."""

from __future__ import annotations

import json
import signal

import pytest

from provision.host.apply.lock import LockError
from provision.host.journal import parse_journal
from provision.host.read.host import read_host
from provision.lab.spec import Lab
from provision.runtime.errors import HostError
from provision.runtime.interrupt import _arrived
from provision.tables.offloads import HCK
from provision.verbs.apply import planned_settings, set_up
from tests.recorded_answers import LAB, NIC_LAB, NIC_TEXT, PATHS, THEIR_FILES, changed_lab, rows
from tests.recorded_host import RecordedEdges, brought_up, session_on

GRO = "generic-receive-offload"
SET, BACK = (("ethtool", "-K", "eth0", GRO, word) for word in ("on", "off"))
TSO = "tx-tcp-segmentation"
TWO = changed_lab((f"{GRO}: on", f"{GRO}: on, rx-gro-list: on"), text=NIC_TEXT)
BOTH = changed_lab(("{bridges:", f"{{nics: {{eth0: {{features: {{{GRO}: on}}}}}}, bridges:"))
"""A host with a NIC and a bridge."""


def is_as_found(edges: RecordedEdges) -> bool:
    runner = edges.runner
    features = {name: row for name, row in rows("features-up.json").items() if name in runner.links}
    same = {name: runner.features[name] for name in features} == features
    return same and not runner.files.keys() - {PATHS.accelerators, *THEIR_FILES}


def test_a_setting_is_noted_then_guarded_then_set_and_read_back_before_the_guard_is_let_go() -> None:
    edges, said = RecordedEdges(), list[str]()

    plan = set_up(session_on(edges, NIC_LAB), said.append)

    did = [words[0] if words[0] != "ethtool" else words for words in edges.runner.did]
    assert did == ["replace", "arm", SET, "disarm"]
    said_of = edges.runner.said
    read_back = max(at for at, words in enumerate(said_of) if words == ("ethtool", "--json", "-k", "eth0"))
    assert said_of.index(SET) < read_back < said_of.index(("disarm", PATHS.undo))
    assert plan.whats == ["set eth0's features"]
    assert said[-1] == "done on local, and read back"
    assert edges.runner.features["eth0"][GRO]["active"] is True


def test_the_journal_knows_how_it_was() -> None:
    edges = RecordedEdges()

    set_up(session_on(edges, NIC_LAB), lambda _: None)

    [thing] = parse_journal(edges.runner.files[PATHS.journal]).things
    assert (thing.kind, thing.name) == ("nic", "eth0")
    assert json.loads(thing.was) == {"features": {GRO: False}}


def test_it_changes_nothing_without_the_labs_lock() -> None:
    edges = RecordedEdges()

    set_up(session_on(edges, NIC_LAB), lambda _: None)

    assert edges.runner.said[0][:2] == ("hold", PATHS.lock)
    assert edges.runner.said[-1] == ("let go",)


def test_processes_are_not_looked_through_where_no_machine_is_to_join_a_bridge() -> None:
    edges, engines = RecordedEdges(), ("processes", "-F", "-e", HCK)
    session = session_on(edges, LAB)

    planned_settings(session)
    assert engines not in edges.runner.said

    read_host(edges, session.lab, session.host, [*session.lab.machines])
    assert engines in edges.runner.said


def test_a_second_apply_says_that_there_is_nothing_to_change_and_takes_no_step() -> None:
    edges, said = RecordedEdges(), list[str]()
    set_up(session_on(edges, NIC_LAB), lambda _: None)
    edges.runner.did = []

    plan = set_up(session_on(edges, NIC_LAB), said.append)

    assert said == ["nothing to change on local: it is as the lab file has it"]
    assert (plan.steps, edges.runner.did) == ((), [])


def test_what_did_not_take_is_an_error_and_everything_is_put_back() -> None:
    edges, said = RecordedEdges(ignores=GRO), list[str]()

    with pytest.raises(HostError, match="local: not everything took:\n") as caught:
        set_up(session_on(edges, NIC_LAB), said.append)

    assert GRO in str(caught.value)
    assert BACK in edges.runner.did
    assert edges.runner.did[-1] == ("forget", PATHS.journal)
    assert "read back: local is as it was found" in said
    assert is_as_found(edges)


def test_of_two_settings_the_one_that_took_is_put_back_with_the_other() -> None:
    edges = RecordedEdges(ignores="rx-gro-list")

    with pytest.raises(HostError, match="rx-gro-list"):
        set_up(session_on(edges, TWO), lambda _: None)

    assert is_as_found(edges)


def test_what_cannot_be_put_back_is_told_and_stays_in_the_journal() -> None:
    edges, said = RecordedEdges(ignores="rx-gro-list", fails_at="off"), list[str]()

    with pytest.raises(HostError, match="not everything took"):
        set_up(session_on(edges, TWO), said.append)

    assert "local is NOT as it was found: set eth0's features" in said
    assert "the journal keeps what could not be taken back: `rscvm down` tries again" in said
    assert PATHS.journal in edges.runner.files


def test_an_interruption_puts_back_what_was_set() -> None:
    edges = RecordedEdges(interrupted_at="-K")

    with pytest.raises(KeyboardInterrupt):
        set_up(session_on(edges, NIC_LAB), lambda _: None)

    assert SET in edges.runner.did
    assert is_as_found(edges)


def test_a_host_that_lacks_something_is_refused_with_everything_that_it_lacks_and_not_touched() -> None:
    edges = RecordedEdges()
    edges.runner.answers['["tun", "/dev/net/tun"]'] = [0, "CapEff:\t0000000000000000\n", ""]
    edges.runner.answers[f'["writable", "{PATHS.directory}"]'] = [1, "", ""]
    lab = changed_lab((f"{GRO}: on", f"{GRO}: on, no-such: on, vlan-challenged: on"), text=NIC_TEXT)

    with pytest.raises(HostError, match="local is not ready for this:\n") as caught:
        set_up(session_on(edges, lab), lambda _: None)

    for words in (
        "hosts.local.nics.eth0.features.no-such: the NIC has no such feature",
        "hosts.local.nics.eth0.features.vlan-challenged: its driver has it fixed off",
        "setting bridges and NICs needs root (CAP_NET_ADMIN)",
        f"{PATHS.directory} cannot be written",
    ):
        assert words in str(caught.value)
    assert edges.runner.did == []


@pytest.mark.parametrize(("there", "error"), [(True, LockError), (False, HostError)])
def test_a_lock_that_cannot_be_had_is_told_unless_the_host_lacks_more(
    *, there: bool, error: type[HostError]
) -> None:
    edges = RecordedEdges(lock=(75, "root@elsewhere: rscvm up", ""))
    if not there:
        del edges.runner.links["eth0"]

    with pytest.raises(error) as caught:
        set_up(session_on(edges, NIC_LAB), lambda _: None)

    assert type(caught.value) is error
    assert edges.runner.did == []


def test_what_would_be_set_is_planned_without_lock_and_without_a_change() -> None:
    edges = RecordedEdges()

    plan = planned_settings(session_on(edges, NIC_LAB))

    assert plan.whats == ["set eth0's features"]
    assert f"+   {GRO}: on  (gathers" in "\n".join(plan.steps[0].diff)
    assert edges.runner.did == []
    assert not any(words[0] == "hold" for words in edges.runner.said)


def test_a_bridge_is_made_without_the_machines_that_are_on_it() -> None:
    edges = RecordedEdges()

    plan = set_up(session_on(edges), lambda _: None)

    assert plan.whats == ["make bridge br-lab"]
    assert edges.runner.links["br-lab"] == rows("links-up.json")["br-lab"]
    assert (edges.runner.qemus, edges.daemon.said) == ({}, [])


def test_a_bridge_that_could_not_be_made_whole_is_taken_away_again() -> None:
    edges = RecordedEdges(fails_at="10.9.0.1/24")

    with pytest.raises(HostError, match="could not make bridge br-lab"):
        set_up(session_on(edges), lambda _: None)

    assert "br-lab" not in edges.runner.links
    assert is_as_found(edges)


def test_a_taps_offloads_that_the_host_switched_off_are_switched_back_on() -> None:
    edges, said = brought_up(), list[str]()
    edges.runner.run(("ethtool", "-K", "tap0", TSO, "off"))

    plan = set_up(session_on(edges), said.append)

    assert plan.whats == ["switch tap0's offloads back on"]
    assert edges.runner.features["tap0"][TSO]["active"] is True
    assert plan.notes == ()


def test_a_tap_whose_guest_has_the_last_word_is_a_note_and_no_error() -> None:
    edges, said = brought_up(), list[str]()
    edges.runner.run(("ethtool", "-K", "tap0", TSO, "off"))
    edges.runner.ignores = TSO

    plan = set_up(session_on(edges), said.append)

    assert plan.steps == ()
    [note] = plan.notes
    assert "the guest's negotiation has the last word" in note
    assert note in said


def test_an_interruption_once_everything_is_set_takes_it_back_too() -> None:
    edges, said = brought_up(), list[str]()
    edges.runner.run(("ethtool", "-K", "tap0", TSO, "off"))
    edges.runner.ignores, edges.runner.did = TSO, []

    def say(line: str) -> None:
        said.append(line)
        if "has the last word" in line:
            _arrived(signal.SIGINT, None)

    with pytest.raises(KeyboardInterrupt):
        set_up(session_on(edges), say)

    assert "taken back: switch tap0's offloads back on" in said
    assert edges.runner.features["tap0"][TSO]["requested"] is False


def test_somebody_elses_bridge_is_left_alone_and_what_it_has_otherwise_is_said() -> None:
    edges, said = RecordedEdges(), list[str]()
    edges.runner.links["br-lab"] = {**rows("links-up.json")["br-lab"], "ifalias": "theirs", "addr_info": []}

    plan = set_up(session_on(edges), said.append)

    note = "bridge br-lab was there before us and is left alone; it has no address 10.9.0.1/24"
    assert said == [note, "nothing to change on local"]
    assert (plan.notes, edges.runner.did) == ((note,), [])


@pytest.mark.parametrize(("lab", "steps"), [(NIC_LAB, 1), (LAB, 1), (BOTH, 2)])
def test_one_run_reads_a_host_whole_at_most_twice_and_measures_nothing(lab: Lab, steps: int) -> None:
    edges = RecordedEdges()

    plan = set_up(session_on(edges, lab), lambda _: None)

    assert len(plan.steps) == steps
    assert 1 <= edges.runner.whole_reads <= 2
    assert not any(words[-1] == "--version" or words[0] == "probe" for words in edges.runner.said)
