"""`hck enforce` beside a keeper that says what the test has it say: what it lets that touch, what it tells, how it ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

import pytest

from provision.host.journal import parse_journal, written_journal
from provision.host.plan.hck_flags import DISARMED, without_flags
from provision.lab.identity import spec_as_noted
from provision.runtime.command import Result, Run
from provision.runtime.deadline import pause
from provision.runtime.errors import HostError, LostError
from tests.hck_keepings import ARMED, BACK, INDEX, KEPT, OFF, TAP, THERE, VM, Heard, Keeping, Says, enforcing
from tests.recorded_answers import PATHS
from tests.recorded_host import RecordedHost, brought_up


def test_what_is_proven_ours_is_kept_and_each_time_it_had_to_be_switched_off_is_told_and_counted() -> None:
    it = Keeping([["listening", THERE], [], [KEPT, OFF], [OFF, OFF]])

    heard = enforcing(it)

    assert it.told == ["beat", f"take {TAP} {INDEX}", "end"]
    assert heard.events == [("kept", 0), ("off", 1), ("off", 2), ("off", 3), ("back", 3)]
    assert (heard.enforced.counts, heard.enforced.error) == ({VM: 3}, None)
    assert heard.started[0][-1] == TAP


def test_what_is_not_proven_ours_is_refused_and_never_let_be_touched() -> None:
    edges = brought_up()
    edges.runner.links[TAP] = {**edges.runner.links[TAP], "ifalias": "theirs"}
    it = Keeping([["listening", THERE], [THERE], [THERE], ["never"]], [["done"]])

    error = enforcing(it, edges=edges).enforced.error

    assert str(error) == "vm.net0 (tap0): a device tap0 is there, and that it is vm's is not proven"
    assert error is not None
    assert error.hint == "nothing was touched"
    assert it.told == ["beat", "end"]


def test_where_something_is_put_back_nobody_says_that_nothing_was_touched() -> None:
    """A run before, of other machines of the lab, was killed; its TAPs are put back, too."""
    edges = brought_up()
    edges.runner.links[TAP] = {**edges.runner.links[TAP], "ifalias": "theirs"}
    it = Keeping([["listening", THERE], [THERE], [f"back tap7 {INDEX}", THERE]], [["stuck tap8 9", "done"]])

    heard = enforcing(it, edges=edges)

    assert heard.enforced.error is not None
    assert str(heard.enforced.error).splitlines() == [
        "vm.net0 (tap0): a device tap0 is there, and that it is vm's is not proven",
        "  local: tx could not be switched on again at TAP tap8",
    ]
    assert heard.enforced.error.hint == ""
    assert [what.line for what in heard.told] == ["TAP tap7: set tx on, as it would be without us"]


def test_what_one_that_has_ended_said_of_its_end_is_not_believed_of_the_next() -> None:
    first = Keeping([["listening", THERE], [KEPT, OFF], [f"stuck {TAP} {INDEX}", "done"], None])
    second = Keeping([["listening"]], [[], [f"stuck {TAP} {INDEX}", "done"]])

    assert "could not be switched on again" in str(enforcing(first, second).enforced.error)

    again = replace(
        first, says=[["listening", THERE], [KEPT, OFF], [f"stuck {TAP} {INDEX}", "done"], None], told=[]
    )
    assert enforcing(again, Keeping([["listening"]], [["done"]])).enforced.error is None

    second = Keeping([["listening"]], [[], [BACK, "done"]])
    heard = enforcing(
        replace(first, says=[["listening", THERE], [KEPT, OFF], ["done"], None], told=[]), second
    )
    assert (heard.events[-1], heard.enforced.error) == (("back", 1), None)


def test_what_cannot_be_switched_off_is_told_once_until_it_can_and_is_an_error_at_the_end() -> None:
    failed = [f"failed {TAP} {INDEX} no luck {n}" for n in range(5)]

    heard = enforcing(Keeping([["listening", THERE], [KEPT, *failed], [OFF], failed]))

    told = "vm.net0 (tap0): tx could not be switched off: no luck"
    assert heard.said == [f"{told} 0", f"{told} 0"]
    assert str(heard.enforced.error) == f"{told} 4"
    assert heard.enforced.troubles == {VM: "tx could not be switched off: no luck 4"}
    assert enforcing(Keeping([["listening", THERE], [KEPT, failed[0], OFF]])).enforced.error is None


def test_one_that_has_ended_is_told_of_by_its_own_words() -> None:
    class Ended(Keeping):
        def say(self, line: str) -> None:
            raise LostError(f"local is gone: Broken pipe at {line}")

    with pytest.raises(HostError, match="awk not found on local") as raised:
        enforcing(Ended([["lacks awk"]]))

    assert raised.value.hint == "install it (Debian: mawk)"


def test_a_keeper_that_does_not_answer_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provision.verbs.hck.keeper._BEAT", 0.001)

    def later(*said: str) -> list[str]:
        pause(0.001)
        return [*said]

    quiet = Keeping([["listening", "here"], *[later] * 9])
    answering = Keeping([["listening"], *[partial(later, "here")] * 9])

    heard = enforcing(quiet, answering)

    assert heard.said == [
        "local: what keeps the TAPs there does not answer; the next try is in 1 s",
        "local: listening again",
    ]


def test_what_comes_under_that_name_later_and_is_not_ours_is_left_alone_and_said_once() -> None:
    edges = brought_up()
    edges.runner.links[TAP] = {**edges.runner.links[TAP], "ifalias": "theirs"}
    it = Keeping([["listening", f"gone {TAP}"], *[[THERE]] * 9], [["done"]])

    heard = enforcing(it, edges=edges)

    assert it.told == ["beat", "end"]
    left = "vm.net0 (tap0): left alone: a device tap0 is there, and that it is vm's is not proven"
    assert heard.said == ["vm.net0 (tap0): it is not there; waiting for it", left]
    assert str(heard.enforced.error) == left


def test_one_that_has_become_ordinary_is_left_when_its_driver_starts_anew() -> None:
    """`hck disarm --restart` leaves a bare QEMU's TAP as it is, and notes what it has made of the machine."""
    edges = brought_up()
    plain = {
        name: spec_as_noted(without_flags(machine))
        for name, machine in ARMED.machines.items()
        if name == "vm"
    }
    journal = replace(
        parse_journal(edges.runner.files[PATHS.journal]), disarmed=frozenset({"vm"}), specs=plain
    )

    def disarmed() -> list[str]:
        edges.runner.files[PATHS.journal] = written_journal(journal)
        return [OFF]

    it = Keeping([["listening"], disarmed, [BACK, THERE], [THERE]], [["done"]])

    heard = enforcing(it, edges=edges)

    assert it.told == ["beat", f"leave {TAP} {INDEX}", "end"]
    assert heard.said == [f"vm.net0 (tap0): left alone: {DISARMED}"]
    assert heard.events == [("off", 1), ("back", 1)]


def test_another_device_of_that_name_is_proven_anew() -> None:
    it = Keeping([["listening", THERE], [KEPT], [f"gone {TAP}"], [f"there {TAP} {INDEX + 1}"]])

    heard = enforcing(it)

    assert it.told == ["beat", f"take {TAP} {INDEX}", "end"], "the host has none of that index"
    assert heard.said == ["vm.net0 (tap0): it is not there; waiting for it"]


@dataclass
class Losing(RecordedHost):
    """The host, whose connection is found lost so many times once it is told so."""

    lost: int = 0

    def run_all(self, runs: Sequence[Run], **options: Any) -> list[Result]:
        if self.lost:
            self.lost -= 1
            raise LostError("local is gone")
        return super().run_all(runs, **options)


@pytest.mark.parametrize("times", [1, 2])
def test_a_shell_of_a_connection_that_was_lost_is_made_anew_and_a_host_that_does_not_answer_is_asked_again(
    times: int,
) -> None:
    edges = brought_up()
    edges.runner = runner = Losing(
        **{each.name: getattr(edges.runner, each.name) for each in fields(RecordedHost)}
    )

    def listening() -> list[str]:
        runner.lost = times
        return ["listening", THERE]

    it = Keeping([listening, [THERE], [KEPT]])

    heard = enforcing(it, edges=edges)

    assert it.told == ["beat", f"take {TAP} {INDEX}", "end"]
    assert (heard.said, runner.lost) == ([], 0)


def test_a_lost_connection_is_made_anew_and_the_count_goes_on() -> None:
    first = Keeping([["listening", THERE], [KEPT, OFF], LostError("hv is gone: the line is dead")])
    second = Keeping([["listening"], [THERE], [KEPT, OFF]])

    heard = enforcing(first, second)

    assert heard.events == [("kept", 0), ("off", 1), ("kept", 1), ("off", 2), ("back", 2)]
    assert heard.said == [
        "hv is gone: the line is dead; the next try is in 1 s",
        "local: listening again",
    ]
    assert [argv[6] for argv in heard.started] == ["3", "60"], "the second waits for the end of the first"


@pytest.mark.parametrize(
    ("says", "words"),
    [
        (["busy by root@hv"], "the TAPs of lab lab on local are kept by root@hv"),
        (["loose / belongs to uid 7"], "/var/lib/rscvm/lab on local is not believed: / belongs to uid 7"),
        (["lacks ethtool"], "ethtool not found on local"),
        (["deaf"], "does not listen"),
        (None, "what keeps the TAPs there has ended: no such luck"),
        (LostError("local is gone"), "local is gone"),
        (["off tap7 7"], "cannot read what the keeper"),
        (["nonsense"], "cannot read what the keeper"),
    ],
)  # fmt: skip
def test_a_keeper_that_never_listens_is_an_error(says: Says, words: str) -> None:
    with pytest.raises(HostError, match=words):
        enforcing(Keeping([says]))


def test_a_host_that_says_lines_without_end_is_cut_off() -> None:
    it, heard = Keeping([["listening"], [OFF] * 2000]), Heard()

    enforcing(it, Keeping([], [["done"]]), heard=heard)

    assert heard.said[0].startswith("local: it says more than 1000 things in 5 s of its TAPs; the next try")


@pytest.mark.parametrize(
    ("last", "words"),
    [
        ([[f"stuck {TAP} {INDEX}", "done"]], r"tx could not be switched on again at vm\.net0 \(tap0\)"),
        ([None], "has ended"),
        ([LostError("local is gone")], "local is gone"),
    ],
)
def test_where_it_is_not_known_that_all_is_back_that_is_an_error(last: list[Says], words: str) -> None:
    heard = enforcing(Keeping([["listening", THERE], [KEPT, OFF]], last))

    with pytest.raises(HostError, match=words):
        raise heard.enforced.error or AssertionError
    assert heard.enforced.counts == {VM: 1}


def test_a_lab_of_another_file_is_refused_before_anything_is_started() -> None:
    heard = Heard()

    with pytest.raises(HostError, match="is of another lab file"):
        enforcing(lab=ARMED.model_copy(update={"file": "/srv/other.yaml"}), heard=heard)

    assert heard.started == []


def test_where_nothing_needs_it_that_is_said_and_it_is_done_all_the_same() -> None:
    """The bridge has lost its address; and the only other machine that could send there has gone with its TAP."""
    edges = brought_up()
    edges.runner.links["br-lab"]["addr_info"] = []
    del edges.runner.links["tap1"]

    heard = enforcing(Keeping([["listening", THERE], [KEPT]]), edges=edges)

    assert heard.said == [
        "vm.net0 (tap0): nothing else on br-lab can send with offloads as it is now, so nothing there needs this"
    ]
    assert heard.events == [("kept", 0), ("back", 0)]
