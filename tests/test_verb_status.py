"""`status` on a recorded host: what each machine is, and what `up` would do to it, or refuse."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provision.verbs.apply import set_up
from provision.verbs.check import Look, check
from provision.verbs.down import take_down
from provision.verbs.status import MachineStatus, host_status
from provision.verify.collect.source import lab_source
from tests.recorded_answers import LAB, NIC_LAB, PATHS, WITHOUT_VM, changed_lab, recorded, rows
from tests.recorded_host import RecordedEdges, brought_up, session_on

BOTH = [*LAB.machines]


def by_name(edges: RecordedEdges) -> dict[str, MachineStatus]:
    return {row.machine: row for row in host_status(session_on(edges), BOTH).machines}


def test_of_an_empty_host_every_machine_is_absent_with_the_steps_that_would_make_it() -> None:
    status = host_status(session_on(RecordedEdges()), BOTH)

    assert [(row.machine, row.backend, row.state) for row in status.machines] == [
        ("vm", "qemu", "absent"), ("dom", "libvirt", "absent")]  # fmt: skip
    assert [row.steps[-1].what for row in status.machines] == ["start vm", "start dom"]
    assert all(step.scope == row.machine for row in status.machines for step in row.steps)
    assert [step.what for step in status.steps] == ["make bridge br-lab"], (
        "the host's own stand by themselves"
    )
    assert status.host == "local"
    assert status.refused == ()


def test_machines_that_run_as_the_lab_file_has_them_have_no_steps() -> None:
    status = host_status(session_on(brought_up()), BOTH)

    assert [(row.state, row.steps, row.drift, row.refused) for row in status.machines] == [
        ("running", (), (), ())] * 2  # fmt: skip
    assert (status.steps, status.refused) == ((), ())


@pytest.mark.parametrize("edges", [RecordedEdges, brought_up])
def test_it_changes_nothing_and_needs_no_lock(edges: type[RecordedEdges]) -> None:
    there = edges()

    host_status(session_on(there), BOTH)

    assert {words[0] for words in there.runner.did} <= {"keep"}, "but for the kept probe of accelerators"
    assert there.daemon.said == []
    assert not any(words[0] == "hold" for words in there.runner.said)


def test_a_domain_that_is_defined_and_off_would_only_be_started() -> None:
    edges = brought_up()
    edges.daemon.destroy("dom")

    row = by_name(edges)["dom"]

    assert row.state == "off"
    assert [step.what for step in row.steps] == ["start dom"]


def test_a_paused_domain_is_told_as_such() -> None:
    edges = brought_up()
    edges.daemon.found["dom"] = replace(edges.daemon.found["dom"], state="paused")

    assert by_name(edges)["dom"].state == "paused"


def test_somebody_elses_domain_is_not_ours_and_what_forbids_it_is_told_in_place_of_steps() -> None:
    edges = brought_up()
    theirs = recorded("dom-running.xml").replace('lab="lab"', 'lab="another"')
    edges.daemon.found["dom"] = replace(edges.daemon.found["dom"], live_xml=theirs, persistent_xml=theirs)

    row = by_name(edges)["dom"]

    assert row.state == "not ours"
    assert row.refused == ("dom: a domain of that name is there and is not ours",)
    assert row.steps == ()


def test_what_one_machine_lacks_is_told_of_it_and_the_other_has_its_steps() -> None:
    edges = RecordedEdges()
    del edges.runner.files["/usr/share/OVMF/OVMF_CODE_4M.fd"]
    edges.runner.links["tap0"] = {**rows("links-up.json")["tap0"], "ifalias": "theirs"}

    found = by_name(edges)

    assert found["vm"].refused == (
        "vm: no firmware (Debian: ovmf) at /usr/share/OVMF/OVMF_CODE_4M.fd",
        "vm.net0: a device tap0 is there and is not ours (set ifname)",
    )
    assert (found["vm"].steps, found["vm"].state) == ((), "absent")
    assert found["dom"].refused == ()
    assert [step.what for step in found["dom"].steps][-1] == "start dom"


def test_what_forbids_the_hosts_own_settings_is_told_of_the_host_and_of_its_machines_without_steps() -> None:
    edges = RecordedEdges()
    edges.runner.links["br-lab"] = {**edges.runner.links["eth0"], "ifname": "br-lab"}

    status = host_status(session_on(edges), BOTH)

    sentence = "hosts.local.bridges.br-lab: br-lab is there and is no bridge"
    assert status.refused == (sentence,)
    assert status.steps == ()
    assert all(sentence in row.refused and row.steps == () for row in status.machines)


def test_where_nothing_can_be_noted_no_step_of_the_host_is_told_but_why() -> None:
    edges = RecordedEdges()
    edges.runner.answers[f'["writable", "{PATHS.directory}"]'] = [1, "", ""]

    status = host_status(session_on(edges), BOTH)

    assert status.refused == (f"{PATHS.directory} cannot be written",)
    assert status.steps == ()


def test_a_tap_whose_offloads_the_host_has_switched_off_is_its_machines_and_not_the_hosts() -> None:
    edges = brought_up()
    edges.runner.run(("ethtool", "-K", "tap0", "tx-tcp-segmentation", "off"))

    status = host_status(session_on(edges), BOTH)

    assert [[step.what for step in row.steps] for row in status.machines] == [
        ["switch tap0's offloads back on"], []]  # fmt: skip
    assert status.steps == ()


def test_a_machine_that_the_lab_file_has_lost_is_told_with_its_state_and_the_way_to_remove_it() -> None:
    edges = brought_up()

    status = host_status(session_on(edges, WITHOUT_VM), ["dom"])

    lost = status.machines[-1]
    assert [row.machine for row in status.machines] == ["dom", "vm"]
    assert (lost.backend, lost.state, lost.steps) == ("qemu", "running", ())
    assert [drift.what for drift in lost.drift] == ["the lab file no longer has it: `rscvm down` removes it"]
    take_down(session_on(edges, WITHOUT_VM), ["vm"], lambda _: None)
    assert [row.machine for row in host_status(session_on(edges, WITHOUT_VM), ["dom"]).machines] == ["dom"]


def test_a_lost_domain_is_told_with_the_state_that_libvirt_tells() -> None:
    edges = brought_up()
    without_dom = LAB.model_copy(update={"machines": {"vm": LAB.machines["vm"]}})
    edges.daemon.destroy("dom")

    lost = host_status(session_on(edges, without_dom), ["vm"]).machines[-1]

    assert (lost.machine, lost.backend, lost.state) == ("dom", "libvirt", "off")


def test_what_runs_otherwise_is_drift_with_its_lines_and_no_step() -> None:
    edges = brought_up()
    lab = changed_lab(("256MiB", "512MiB"))

    for row in host_status(session_on(edges, lab), BOTH).machines:
        assert row.state == "running"
        assert row.steps == ()
        assert [drift.what for drift in row.drift] == [
            f"{row.machine} runs with other settings than the lab file has"
        ]
        assert '+ "memory": "524288KiB",' in row.drift[0].diff


def test_a_tap_that_somebody_took_off_its_bridge_would_be_put_right() -> None:
    edges = brought_up()
    del edges.runner.links["tap0"]["master"]

    row = by_name(edges)["vm"]

    assert [step.what for step in row.steps] == ["put TAP tap0 right"]
    assert "-   on no bridge" in row.steps[0].diff


def test_what_an_earlier_apply_has_set_and_the_lab_file_no_longer_says_is_noted_of_the_host() -> None:
    edges = RecordedEdges()
    set_up(session_on(edges, NIC_LAB), lambda _: None)

    without = NIC_LAB.model_copy(update={"hosts": {}})
    [note] = host_status(session_on(edges, without), ()).notes

    assert note.startswith("eth0: the lab file no longer says generic-receive-offload")


def test_a_warning_of_a_way_of_doing_rsc_is_noted_of_the_machine_alone() -> None:
    lab = changed_lab(
        ("guest: linux", "guest: linux\n    purpose: hck"), ("ifname: tap0", "ifname: tap0, rsc: hck")
    )

    noted = {row.machine: row.notes for row in host_status(session_on(RecordedEdges(), lab), BOTH).machines}

    assert noted["vm"]
    assert noted["dom"] == ()


def test_it_reads_a_host_whole_once() -> None:
    edges = brought_up()

    host_status(session_on(edges), BOTH)

    assert edges.runner.whole_reads == 1


def test_a_journal_that_cannot_be_read_is_why_nothing_would_be_done_and_not_an_empty_host() -> None:
    edges = brought_up()
    edges.runner.files[PATHS.journal] = "half a jour"

    found = host_status(session_on(edges), BOTH)

    assert [row.state for row in found.machines] == ["running", "running"]
    for refused in (found.refused, *(row.refused for row in found.machines)):
        assert any("cannot read the lab's journal" in sentence for sentence in refused)
    assert found.steps == ()
    assert [row.steps for row in found.machines] == [(), ()]


def test_a_journal_that_cannot_be_read_keeps_nobody_from_checking() -> None:
    edges = brought_up()
    edges.runner.files[PATHS.journal] = "half a jour"

    verdicts = check(lab_source(edges, LAB, "local", BOTH), Look())

    assert [verdict.verdict for verdict in verdicts] == ["ready", "ready"]
    for verdict in verdicts:
        assert any("cannot read the lab's journal" in note for note in verdict.evidence.notes)
