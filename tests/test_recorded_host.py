"""The host in memory is as the recorded one was, from empty to empty."""

from __future__ import annotations

from provision.runtime.deadline import Deadline
from provision.verbs.apply import set_up
from provision.verbs.down import take_down
from provision.verbs.up import bring_up
from tests.recorded_answers import LAB, NIC_LAB, PATHS, recorded, rows
from tests.recorded_host import MADE, RecordedEdges, RecordedHost, session_on


def test_up_makes_the_devices_and_the_journal_that_it_made_of_the_real_host() -> None:
    edges = RecordedEdges()

    _, verdicts = bring_up(session_on(edges), [*LAB.machines], lambda _: None, Deadline(1))

    journal = f'["journal", "{PATHS.journal}"]'
    assert [verdict.verdict for verdict in verdicts] == ["ready", "ready"]
    assert edges.runner.links == MADE
    assert edges.runner.files[PATHS.journal] == recorded("up.json")[journal][1]


def test_down_leaves_what_it_left_of_the_real_host() -> None:
    edges = RecordedEdges()
    bring_up(session_on(edges), [*LAB.machines], lambda _: None)

    take_down(session_on(edges), None, lambda _: None)

    kept = {path for path in edges.runner.files if path != PATHS.accelerators}
    assert edges.runner.links == rows("links-empty.json")
    assert (kept, edges.runner.qemus, edges.daemon.found) == ({*RecordedHost().files}, {}, {})


def test_apply_sets_what_it_set_of_the_real_host() -> None:
    edges = RecordedEdges()

    set_up(session_on(edges, NIC_LAB), lambda _: None)

    assert edges.runner.features["eth0"] == rows("eth0-set.json")["eth0"]
