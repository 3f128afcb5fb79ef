"""Known issues: the table, what is told of hosts and machines, and in which words."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import date

import pytest

from provision.facts.guest import Binding
from provision.tables.issue_conditions import Span, When
from provision.tables.kernel_messages import KERNEL_MESSAGES
from provision.tables.known_issues import BY_ID, KNOWN_ISSUES
from provision.tables.offloads import TAP_CHECKSUM
from provision.verify.evidence import Unasked
from provision.verify.judge.conditions import CONDITIONS
from provision.verify.judge.verdict import judge_nic
from tests.builders import features, nic
from tests.guests import windows
from tests.issues import NETKVMS, found, machine, sure

FIRST_READ = date(2026, 11, 29)


def test_every_row_is_dated_sourced_and_told_apart() -> None:
    names = [name for issue in KNOWN_ISSUES for name in (issue.id, *issue.also)]
    assert len({*names}) == len(names)
    for issue in KNOWN_ISSUES:
        assert date.fromisoformat(issue.read) >= FIRST_READ
        assert all(
            getattr(issue, name)
            for name in ("title", "applies", "symptom", "workaround", "lasts", "until", "source")
        )
        assert "://" not in issue.source
        assert issue.when != When()
        assert {*issue.enough} <= CONDITIONS.keys()


def test_every_condition_of_the_table_is_asked() -> None:
    assert {each.name for each in fields(When)} == CONDITIONS.keys()


@pytest.mark.parametrize(
    ("kernel", "has"),
    [
        ("5.15.164", False), ("5.15.165", True), ("5.15.166-1-grsec-securedrop", True), ("5.15.167", False),
        ("6.1.102", False), ("6.1.103", True), ("6.1.106", True), ("6.1.107", False),
        ("6.6.43", False), ("6.6.44", True), ("6.6.45", True), ("6.6.46", False),
        ("6.10.2-arch1-1", False), ("6.10.3-arch1-1", True), ("6.10.4-200.fc40.x86_64", True), ("6.10.5", False),
        ("6.1.0-25-amd64", False), ("6.8.0-45-generic", False), ("6.8.12-1-pve", False), ("6.11.0", False), ("6.10", False),
        ("", False), ("6", False), ("x6.6.45", False),
    ],
)  # fmt: skip
def test_kernels_that_drop_what_guests_send(kernel: str, has: bool) -> None:  # noqa: FBT001
    assert sure(nic(kernel=kernel)) == (["1131"] if has else [])
    assert found(nic(kernel=kernel, kind="direct")) == (["1131"] if has else [])


def test_a_kernel_that_carries_nothing_of_a_nic_is_not_its_issue() -> None:
    assert found(nic(kernel="6.6.45")) == ["1131"]
    for kind in ("user", "vhostuser", "vdpa", "hostdev", "unknown"):
        assert found(nic(kernel="6.6.45", kind=kind)) == []
    assert found(nic(kernel="6.6.45", model="e1000e")) == []


@pytest.mark.parametrize(("processors", "has"), [(59, False), (60, True), (64, True), (128, True)])
def test_checksums_are_lost_from_sixty_processors_on(processors: int, has: bool) -> None:  # noqa: FBT001
    told_by_guest = machine(guest=windows(processors=processors), vcpus=None)
    told_by_definition = machine(vcpus=processors)

    assert ("1630" in sure(told_by_guest)) is has
    assert ("1630" in found(told_by_definition)) is has
    assert "1630" not in sure(told_by_definition)


def test_what_the_host_knows_of_processors_a_guest_cannot_deny() -> None:
    assert "1630" not in found(machine(guest=windows(processors=64), vcpus=2))


def test_checksums_that_the_tap_or_the_device_makes_whole_are_not_lost() -> None:
    sixty = machine(vcpus=60)
    state = sixty.features
    assert not isinstance(state, Unasked)
    off = {**state, TAP_CHECKSUM: replace(state[TAP_CHECKSUM], active=False)}

    assert found(sixty) == ["1630"]
    assert found(replace(sixty, features=off)) == []
    assert found(replace(sixty, features=Unasked("-"))) == ["1630"]
    assert found(replace(sixty, virtio=replace(NETKVMS, negotiated=frozenset()))) == []
    assert found(replace(sixty, vcpus=None)) == []


def test_what_switches_a_tap_on_again_heeds_the_same_row() -> None:
    off = features("host-tx-off")
    fixes = {count: "\n".join(judge_nic(nic(features=off, vcpus=count)).fix) for count in (59, 60)}

    assert "issue 1630" not in fixes[59]
    assert "with 60 or more processors" in fixes[60]
    assert BY_ID["1630"].when.processors == 60


def test_a_guest_that_did_not_answer_tells_nothing() -> None:
    silent = machine(guest=Unasked("it is silent"), vcpus=64)

    assert found(silent) == ["1630"]
    assert sure(silent) == []


def test_of_a_nic_of_which_nothing_is_known_nothing_is_told() -> None:
    assert found(nic()) == []
    assert found(machine()) == []
    assert found(nic(virtio=Unasked("-"), features=Unasked("-"))) == []
    assert judge_nic(machine()).notes == ()


def test_a_note_says_which_by_what_since_when_and_where_more_is() -> None:
    [note] = judge_nic(nic(kernel="6.10.4-200.fc40.x86_64")).notes

    assert note.startswith("known issue 1131 fits the host's kernel 6.10.4: host kernels of August 2024")
    assert note.endswith(f"(as of {BY_ID['1131'].read}; `rscvm explain 1131`)")
    [note] = judge_nic(machine(vcpus=64)).notes
    assert note.startswith(
        "known issue 1630 may be its, by 64 processors (not known: whether Windows runs there): frames"
    )
    assert judge_nic(nic(kernel="6.10.4", state="off")).notes == ()


def test_an_issue_changes_no_verdict() -> None:
    assert judge_nic(nic(kernel="6.10.4")).verdict == judge_nic(nic()).verdict == "ready"


def test_what_a_guest_says_of_itself_does_not_get_into_a_note() -> None:
    hostile = "\x1b[31m<b>`reboot`"
    guest = windows(
        "NDISCompatibility",
        bindings=(Binding(f"npcap{hostile}", hostile, hostile, hostile),),
        driver_version=hostile,
        keywords={"*NdisPoll": hostile, hostile: hostile, "MergeableBuffers": "1"},
        release=hostile,
        nat=True,
    )
    notes = judge_nic(machine(guest=guest, kernel=f"6.6.45{hostile}")).notes

    assert len(notes) >= 4
    assert not any("\x1b" in note or "reboot" in note for note in notes)


def test_the_kernels_own_line_names_the_row() -> None:
    [message] = KERNEL_MESSAGES

    assert "known issue 1131" in message.meaning
    assert BY_ID["1131"].until in message.meaning


def test_a_span_has_its_first_version_and_not_its_mended_one() -> None:
    assert [Span((2,), (4,)).has((n,)) for n in (1, 2, 3, 4)] == [False, True, True, False]
    assert [Span((2,)).has((n,)) for n in (1, 2, 99)] == [False, True, True]
