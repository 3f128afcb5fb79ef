"""`plan` by a user without rights, and of a host whose libvirt is silent: what can be seen is shown, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from provision.host.plan.steps import Plan
from provision.lab.spec import Lab
from provision.runtime.errors import HostError
from provision.verbs.apply import planned_settings
from provision.verbs.check import Look, check
from provision.verbs.plan import AS_USER, Outlook, foreseen_plan, planned
from provision.verbs.status import host_status
from provision.verify.collect.source import lab_source
from tests.recorded_answers import LAB, NIC_LAB, PATHS, recorded
from tests.recorded_host import RecordedEdges, brought_up, session_on

BOTH = [*LAB.machines]
SILENT = "{} ({})".format(*recorded("libvirt-gone.txt").splitlines())
DENIED = "sh: 1: cannot open /dev/net/tun: Permission denied\n"
NEEDS = (
    "making TAPs and bridges needs root (CAP_NET_ADMIN)",
    "setting bridges and NICs needs root (CAP_NET_ADMIN)",
    f"{PATHS.directory} cannot be written",
)


def by_user(edges: RecordedEdges) -> RecordedEdges:
    """The host as somebody without any right meets it; composed: the capabilities and the status are those of nobody."""
    answers = edges.runner.answers
    answers['["tun", "/dev/net/tun"]'] = [1, "CapEff:\t0000000000000000\n", DENIED]
    answers[f'["writable", "{PATHS.directory}"]'] = [1, "", ""]
    return edges


class Gone(RecordedEdges):
    """Its libvirt does not answer."""

    def libvirt(self, host: str) -> Any:  # noqa: ARG002
        words, hint = recorded("libvirt-gone.txt").splitlines()
        raise HostError(words, hint=hint)


def outlook(edges: RecordedEdges, lab: Lab = LAB) -> Outlook:
    return foreseen_plan(session_on(edges, lab), BOTH)


def test_of_a_host_that_lacks_nothing_it_is_what_up_does() -> None:
    edges = RecordedEdges()

    found = outlook(edges)

    assert found == Outlook(planned(session_on(edges), BOTH))


def test_a_user_is_shown_the_plan_and_what_root_is_needed_for() -> None:
    root, user = outlook(RecordedEdges()), outlook(by_user(RecordedEdges()))

    assert [step.what for step in user.plan.steps] == [step.what for step in root.plan.steps]
    assert set(user.needs) == set(NEEDS)
    assert AS_USER in user.plan.notes
    assert AS_USER not in root.plan.notes
    assert (user.unseen, user.silent) == ((), False)
    with pytest.raises(HostError, match="needs root"):
        planned(session_on(by_user(RecordedEdges())), BOTH)


def test_what_root_lacks_too_is_refused_with_all_that_is_needed() -> None:
    edges = by_user(RecordedEdges())
    del edges.runner.files["/srv/base.qcow2"]

    with pytest.raises(HostError) as caught:
        outlook(edges)

    assert "vm: no disk image at /srv/base.qcow2" in str(caught.value)
    assert NEEDS[0] in str(caught.value)


def test_a_file_in_a_directory_that_the_user_may_not_search_is_not_said_to_be_missing() -> None:
    edges = by_user(RecordedEdges(hidden=frozenset({"/srv/base.qcow2"})))
    del edges.runner.files["/srv/base.qcow2"]

    found = outlook(edges)

    assert "vm: whether /srv/base.qcow2 (disk image) is there cannot be seen" in found.needs
    assert not any("no disk image" in each for each in found.needs)


def test_where_the_journal_may_not_be_read_nothing_is_planned_and_that_is_said() -> None:
    edges = by_user(brought_up())
    denied = f"cat: {PATHS.journal}: Permission denied\n"
    edges.runner.files.pop(PATHS.journal)
    edges.runner.answers[json.dumps(["journal", PATHS.journal])] = [1, "", denied]

    found = outlook(edges)
    [vm, _] = host_status(session_on(edges), BOTH).machines

    assert (found.plan, {*found.needs}) == (Plan(()), {NEEDS[0], NEEDS[2]})
    assert any("Permission denied" in each for each in found.unseen)
    assert (vm.state, vm.steps) == ("running", ())
    assert "Permission denied" in vm.unseen


def test_what_apply_would_set_is_shown_to_a_user_too_and_not_set() -> None:
    root = planned_settings(session_on(RecordedEdges(), NIC_LAB), dry=True)
    user = planned_settings(session_on(by_user(RecordedEdges()), NIC_LAB), dry=True)

    assert user.whats == root.whats == ["set eth0's features"]
    assert user.notes == (*root.notes, *(f"`apply` would refuse: {each}" for each in NEEDS[1:]))
    with pytest.raises(HostError, match="needs root"):
        planned_settings(session_on(by_user(RecordedEdges()), NIC_LAB))


def test_a_journal_in_a_directory_that_the_user_may_not_search_is_not_said_to_be_missing() -> None:
    found = outlook(by_user(RecordedEdges(hidden=frozenset({PATHS.journal}))))

    assert found.plan == Plan(())
    assert found.unseen == (f"what `up` noted of this lab cannot be seen: {PATHS.journal}",)


def test_of_a_silent_libvirts_machines_a_plan_is_supposed_and_said_to_be() -> None:
    root, found = outlook(RecordedEdges()), outlook(Gone())

    assert [step.what for step in found.plan.steps] == [step.what for step in root.plan.steps]
    assert [step.why for step in found.plan.steps if step.what in ("define dom", "start dom")] == [
        "supposed that libvirt does not have it",
        "supposed that it is not running",
    ]
    assert (found.unseen, found.silent) == ((SILENT,), True)
    with pytest.raises(HostError, match="libvirt"):
        planned(session_on(Gone()), BOTH)


def test_nothing_is_supposed_of_a_machine_that_up_has_made() -> None:
    there, edges = brought_up(), Gone()
    edges.runner = there.runner

    found = outlook(edges)

    assert not any(step.scope == "dom" for step in found.plan.steps)
    assert found.unseen == (SILENT, "what has become of dom, which `up` has made")


def test_a_silent_libvirt_leaves_the_status_of_all_else() -> None:
    there, edges = brought_up(), Gone()
    edges.runner = there.runner

    status = host_status(session_on(edges), BOTH)

    assert [(row.machine, row.state, row.unseen) for row in status.machines] == [
        ("vm", "running", ""), ("dom", "unknown", SILENT)]  # fmt: skip
    assert (status.silent, status.differs) == (True, False)


def test_a_silent_libvirt_leaves_the_check_of_a_bare_machine_and_its_own_are_unknown() -> None:
    there, edges = brought_up(), Gone()
    edges.runner = there.runner

    vm, dom = check(lab_source(edges, LAB, "local", BOTH), Look())

    assert (vm.evidence.machine, vm.verdict) == ("vm", "ready")
    assert (dom.evidence.machine, dom.verdict, dom.finding.seen) == ("dom", "unknown", SILENT)
    assert dom.definition is None, "nothing is foretold of its next start"
    with pytest.raises(HostError, match="libvirt does not answer"):
        check(lab_source(edges, LAB, "local", ["dom"]), Look())


def test_what_a_user_may_not_do_hides_nothing_of_the_status() -> None:
    root = host_status(session_on(RecordedEdges()), BOTH)
    user = host_status(session_on(by_user(RecordedEdges())), BOTH)

    assert [[step.what for step in row.steps] for row in user.machines] == [
        [step.what for step in row.steps] for row in root.machines
    ]
    assert [row.refused for row in user.machines] == [(), ()]
    assert set(user.needs) == set(NEEDS)
    assert root.needs == ()
    assert root.differs
    assert not host_status(session_on(brought_up()), BOTH).differs
