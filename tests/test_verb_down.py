"""`down` on a recorded host: what it removes, what it leaves, and what it remembers then."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from provision.host.journal import parse_journal
from provision.runtime.errors import HostError, RequestError
from provision.runtime.protocols import Domain
from provision.verbs.apply import set_up
from provision.verbs.down import take_down
from provision.verbs.up import bring_up
from tests.recorded_answers import LAB, NIC_LAB, OVERLAYS, PATHS, THEIR_FILES, WITHOUT_VM, recorded, rows
from tests.recorded_host import NVRAM, RecordedEdges, RecordedLibvirt, brought_up, session_on

if TYPE_CHECKING:
    from collections.abc import Sequence

VARS = PATHS.firmware("vm")
STATE = {NVRAM, VARS, *OVERLAYS}
"""What the machines have written: firmware variables, and overlays."""


def own_files(edges: RecordedEdges) -> set[str]:
    return edges.runner.files.keys() - {PATHS.accelerators, *THEIR_FILES}


def noted(edges: RecordedEdges) -> set[tuple[str, str]]:
    """Kind and name of what the journal still knows."""
    return {(thing.kind, thing.name) for thing in parse_journal(edges.runner.files[PATHS.journal]).things}


def nothing_is_left(edges: RecordedEdges) -> bool:
    left = own_files(edges) or edges.runner.qemus or edges.daemon.found
    return edges.runner.links == rows("links-empty.json") and not left


def test_machines_go_before_what_they_stand_on_and_the_journal_last() -> None:
    edges, said = brought_up(), list[str]()

    plan = take_down(session_on(edges), None, said.append)

    assert said == [
        "stop vm",
        "remove domain dom",
        "remove TAP tap0",
        "remove vm's sockets and log",
        "remove vm's overlays, firmware variables and TPM state",
        "remove dom's overlays, firmware variables and TPM state",
        "remove bridge br-lab",
        f"bring {PATHS.journal} up to date",
    ]
    assert plan.whats == said[:-1]
    assert edges.runner.did[-1] == ("forget", PATHS.journal)
    assert nothing_is_left(edges)


def test_it_changes_nothing_without_the_labs_lock() -> None:
    edges = brought_up()

    take_down(session_on(edges), None, lambda _: None)

    assert edges.runner.said[0][:2] == ("hold", PATHS.lock)
    assert edges.runner.said[-1] == ("let go",)


def test_of_an_empty_host_nothing_is_removed_and_nothing_said() -> None:
    edges, said = RecordedEdges(), list[str]()

    plan = take_down(session_on(edges), None, said.append)

    assert (plan.steps, said, edges.runner.did) == ((), [], [])


def test_what_somebody_else_has_under_our_names_stays_and_is_told() -> None:
    edges = brought_up()
    for name in ("br-lab", "tap0"):
        edges.runner.links[name] = {**edges.runner.links[name], "ifalias": "theirs"}
    theirs = recorded("dom-running.xml").replace('lab="lab"', 'lab="another"')
    edges.daemon.found["dom"] = replace(edges.daemon.found["dom"], live_xml=theirs, persistent_xml=theirs)

    said: list[str] = []
    with pytest.raises(HostError) as caught:
        take_down(session_on(edges), None, said.append)

    for name in ("br-lab", "tap0"):
        assert f"{name} does not bear this lab's mark: left alone" in said
    assert "domain dom does not bear this lab's mark: left alone" in str(caught.value)
    assert "dom-0.qcow2 stays: domain dom is left alone" in str(caught.value)
    assert any("dom-0.qcow2" in path for path in edges.runner.files)
    assert {"br-lab", "tap0"} <= edges.runner.links.keys()
    assert edges.daemon.found["dom"].state == "running"
    assert edges.daemon.said == []
    assert edges.runner.qemus == {}, "ours goes all the same"


def test_a_bridge_that_carries_somebody_elses_port_stays() -> None:
    edges = brought_up()
    edges.runner.links["peer0"] = {**edges.runner.links["peer0"], "master": "br-lab"}

    plan = take_down(session_on(edges), None, lambda _: None)

    assert plan.notes == ("bridge br-lab carries peer0, which we did not make: left alone",)
    assert "br-lab" in edges.runner.links
    assert ("bridge", "br-lab") in noted(edges)


def test_firmware_variables_and_overlays_go_with_their_machines() -> None:
    edges = brought_up()
    assert edges.runner.files.keys() >= STATE

    take_down(session_on(edges), None, lambda _: None)

    assert not STATE & edges.runner.files.keys()
    assert edges.daemon.said == [("destroy", "dom"), ("undefine", "dom")]


def test_kept_disks_keep_firmware_variables_also_those_that_libvirt_has_by_a_definition_that_stays() -> None:
    edges = brought_up()

    plan = take_down(session_on(edges), None, lambda _: None, keep_disks=True)

    assert edges.runner.files.keys() >= STATE
    assert edges.daemon.said == [("destroy", "dom")]
    assert plan.notes == ("domain dom stays defined: libvirt keeps its firmware or TPM state with it",)
    assert noted(edges) == {*(("disk", path) for path in (VARS, *OVERLAYS)), ("domain", "dom")}


def test_what_was_kept_is_used_by_the_next_up_and_goes_with_the_next_down() -> None:
    edges = brought_up()
    take_down(session_on(edges), None, lambda _: None, keep_disks=True)
    edges.runner.did, edges.daemon.said = [], []

    bring_up(session_on(edges), [*LAB.machines], lambda _: None)

    assert not [words for words in edges.runner.did if words[0] in ("overlay", "copy")]
    assert edges.daemon.said == [("start", "dom False")]
    take_down(session_on(edges), None, lambda _: None)
    assert nothing_is_left(edges)


@pytest.mark.parametrize(
    ("fails_at", "stays"),
    [
        ("stop", {("process", PATHS.pidfile("vm")), ("disk", VARS), ("tap", "tap0")}),
        (VARS, {("disk", VARS)}),
    ],
)
def test_what_could_not_be_removed_is_told_and_stays_in_the_journal_for_the_next_time(
    fails_at: str, stays: set[tuple[str, str]]
) -> None:
    edges = brought_up()
    edges.runner.fails_at = fails_at

    with pytest.raises(HostError, match=r"not everything could be removed:\n  .*no such luck"):
        take_down(session_on(edges), None, lambda _: None)

    assert noted(edges) >= {*stays, ("bridge", "br-lab")}
    assert VARS in edges.runner.files
    assert "br-lab" in edges.runner.links, "what the lab shares stays with it"
    assert edges.daemon.found == {}, "the other machine goes"
    edges.runner.fails_at = ""
    take_down(session_on(edges), None, lambda _: None)
    assert nothing_is_left(edges)


class Crowded(RecordedLibvirt):
    """Has more domains than are read."""

    def domains(self, names: Sequence[str]) -> list[Domain]:
        return [*super().domains(names), Domain("9 more", "running", "", "", trouble="too many are there")]


def test_a_disk_stays_while_not_every_domain_that_may_use_it_is_known() -> None:
    edges = brought_up()
    edges.daemon = Crowded(edges.daemon.said, there=edges.runner, found=edges.daemon.found)

    with pytest.raises(HostError, match="too many are there"):
        take_down(session_on(edges), None, lambda _: None)

    assert edges.runner.files.keys() >= STATE


def test_a_qemu_that_does_not_end_keeps_its_tap_and_its_files() -> None:
    edges = brought_up()
    edges.runner.fails_at = "stop"

    with pytest.raises(HostError):
        take_down(session_on(edges), None, lambda _: None)

    assert "tap0" in edges.runner.links
    assert {VARS, OVERLAYS[0]} <= edges.runner.files.keys()


def test_one_machine_goes_without_the_other_and_without_what_they_share() -> None:
    edges = brought_up()

    take_down(session_on(edges), ["vm"], lambda _: None)

    assert (edges.runner.qemus, edges.daemon.said) == ({}, [])
    assert "br-lab" in edges.runner.links
    assert own_files(edges) == {PATHS.journal, NVRAM, OVERLAYS[1]}
    assert noted(edges) == {("bridge", "br-lab"), ("disk", OVERLAYS[1]), ("domain", "dom")}


@pytest.mark.parametrize("names", [None, ["vm"]])
def test_a_machine_that_the_lab_file_has_lost_goes_too(names: list[str] | None) -> None:
    edges = brought_up()

    take_down(session_on(edges, WITHOUT_VM), names, lambda _: None)

    assert edges.runner.qemus == {}
    assert not {"tap0"} & edges.runner.links.keys()
    assert VARS not in edges.runner.files
    assert bool(edges.daemon.found) is (names is not None)


def test_a_machine_that_nobody_knows_is_a_mistake_and_nothing_is_touched() -> None:
    edges = brought_up()

    with pytest.raises(RequestError, match="no machine nobody in this lab file, nor among what `up` made"):
        take_down(session_on(edges), ["vm", "nobody"], lambda _: None)

    assert (edges.runner.did, edges.daemon.said) == ([], [])


def test_what_another_lab_file_of_the_same_name_made_is_refused_and_not_touched() -> None:
    edges = brought_up()
    another = LAB.model_copy(update={"file": "/srv/labs/another.yaml"})

    with pytest.raises(HostError, match=r"is of another lab file, /srv/labs/lab\.yaml"):
        take_down(session_on(edges, another), None, lambda _: None)

    assert (edges.runner.did, edges.daemon.said) == ([], [])


def test_a_nics_settings_are_put_back_as_they_were_and_forgotten() -> None:
    edges = RecordedEdges()
    before = edges.runner.features["eth0"]
    set_up(session_on(edges, NIC_LAB), lambda _: None)

    take_down(session_on(edges, NIC_LAB), None, lambda _: None)

    assert edges.runner.features["eth0"] == before
    assert nothing_is_left(edges)


def test_a_setting_that_was_not_put_back_is_told_and_stays_in_the_journal() -> None:
    edges = RecordedEdges()
    set_up(session_on(edges, NIC_LAB), lambda _: None)
    edges.runner.fails_at = "-K"

    with pytest.raises(
        HostError, match="eth0 on local is not as it was found: generic-receive-offload is on"
    ):
        take_down(session_on(edges, NIC_LAB), None, lambda _: None)

    assert noted(edges) == {("nic", "eth0")}


def test_a_journal_that_cannot_be_read_is_not_written_over() -> None:
    edges = brought_up()
    edges.runner.files[PATHS.journal] = "half a jour"
    edges.runner.did.clear()

    with pytest.raises(HostError, match="cannot read the lab's journal"):
        take_down(session_on(edges), None, lambda _: None)

    assert edges.runner.did == []
    assert edges.runner.files[PATHS.journal] == "half a jour"
