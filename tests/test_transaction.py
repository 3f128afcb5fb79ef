"""Settings behind a host's own undo: what is believed, what is undone, and what is said of a host that was lost."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from provision.host.apply import deadman, lock
from provision.host.apply.transaction import apply_plan
from provision.host.plan.settings import plan_apply
from provision.host.plan.steps import Plan
from provision.lab.spec import Lab
from provision.runtime.command import Result, Run
from provision.runtime.errors import HostError, LostError
from tests.builders import FakeEdges, lab_of
from tests.hosts import runs
from tests.nics import Answers, captured_features, lab_with
from tests.nics import found as nic_found
from tests.processes import proc_text

LAB = lab_with("{features: {generic-receive-offload: off, rx-fcs: on}}")
BOOT = "01234567-89ab-cdef-0123-456789abcdef"
WAS = {"generic-receive-offload": True, "rx-fcs": False}
WANTED = {"generic-receive-offload": False, "rx-fcs": True}
SCRIPTS = {**deadman.SCRIPTS, "hold": lock.HOLD}


@dataclass
class NicHost:
    """Stands for a host with one NIC: takes `ethtool -K`, and has an undo that can be armed.

    `ignored` are features that it does not change; `lost_at` is a word at which it is lost, after it did it or before.
    """

    name: str = "hv"
    ignored: frozenset[str] = frozenset()
    lost_at: str = ""
    done_when_lost: bool = True
    active: dict[str, bool] = field(default_factory=lambda: dict(WAS))
    undo: str = ""
    said: list[str] = field(default_factory=list)

    def run(self, argv: Sequence[str], *, stdin: str = "", timeout: float = 60) -> Result:
        return self.run_all([Run(tuple(argv), stdin)], timeout=timeout)[0]

    def run_all(
        self, runs: Sequence[Run], *, timeout: float = 60, until_failure: bool = False  # noqa: ARG002
    ) -> list[Result]:  # fmt: skip
        results: list[Result] = []
        for run in runs:
            lost = bool(self.lost_at) and self.lost_at in (*run.argv, self._script(run))
            if not lost or self.done_when_lost:
                results.append(self._answer(run))
            if lost:
                self.lost_at = ""
                raise LostError("hv is gone", known=tuple(results[:-1] if self.done_when_lost else results))
        return results

    @contextmanager
    def hold(self, argv: Sequence[str]) -> Iterator[Result]:
        self.said.append("lock")
        yield Result(self.name, tuple(argv), 0, "held", "")

    @staticmethod
    def _script(run: Run) -> str:
        return next((name for name, text in SCRIPTS.items() if text in run.argv[:3]), "")

    def _answer(self, run: Run) -> Result:
        out, status = "", 0
        if "-K" in run.argv:
            self._set(run.argv[run.argv.index("-K") + 2 :])
        elif script := self._script(run):
            self.said.append(script)
            out = self._undoing(script, run)
        elif "guest_rsc_ext" in run.argv:
            out = proc_text({})
        elif run.argv == ("cat", "/proc/sys/kernel/random/boot_id"):
            out = BOOT
        elif "journal.json" in run.argv[-1]:
            status = 44 if "exit 44" in run.argv[2] else 0
            if not status:
                self.said.append("journal" if run.stdin else "no journal")
        elif run.argv[0] == "ip" or run.argv[-1] == "*":
            out = "[]"
        elif run.argv[0] == "ethtool":
            changes = {
                name.replace("-", "_"): {"active": on, "requested": on} for name, on in self.active.items()
            }
            return Answers(features=captured_features(**changes)).to(run)
        return Result(self.name, run.argv, status, out, "")

    def _set(self, words: Sequence[str]) -> None:
        asked = {name: word == "on" for name, word in zip(words[::2], words[1::2], strict=True)}
        self.said.append("undo" if asked.items() <= WAS.items() else "set")
        self.active |= {
            name: on for name, on in asked.items() if name in self.active and name not in self.ignored
        }

    def _undoing(self, script: str, run: Run) -> str:
        undo, self.undo = self.undo, run.stdin if script == "arm" else ""
        if script == "settle" and undo:
            self._set(undo.split()[undo.split().index("-K") + 2 :])
            return "fired\n"
        return ""


def take(host: NicHost, lab: Lab = LAB) -> tuple[Plan, list[str]]:
    """What became of the plan, and what was said."""
    said: list[str] = []
    edges = FakeEdges(runner=host)  # type: ignore[arg-type]
    try:
        return apply_plan(edges, lab, plan_apply(lab, "hv", nic_found(lab)), said.append, []), said
    except HostError as error:
        return Plan(()), [*said, str(error), error.hint]


def test_nothing_is_set_before_it_is_noted_and_armed_nor_disarmed_before_it_was_read_back() -> None:
    host = NicHost()

    plan, _ = take(host)

    assert host.said == ["journal", "arm", "set", "disarm"]
    assert (host.active, host.undo) == (WANTED, "")
    assert [step.what for step in plan.steps] == ["set eth0's features"]


def test_the_armed_undo_asks_for_everything_as_it_was_found() -> None:
    armed_with: list[str] = []

    class Watched(NicHost):
        def _undoing(self, script: str, run: Run) -> str:
            armed_with.append(run.stdin)
            return super()._undoing(script, run)

    take(Watched())

    assert armed_with[0].count("generic-receive-offload on") == armed_with[0].count("rx-fcs off") == 1
    assert armed_with[0].endswith("\n")


def test_what_did_not_take_is_put_back_with_all_that_did() -> None:
    host = NicHost(ignored=frozenset({"rx-fcs"}))

    _, said = take(host)

    assert host.active == WAS
    assert host.said == ["journal", "arm", "set", "undo", "disarm", "no journal"]
    assert "hv: not everything took:\n  eth0: rx-fcs is still off: the driver did not take it" in said
    assert "read back: hv is as it was found" in said


@pytest.mark.parametrize("more", ["", ", uplink: eth0"])
def test_a_bridge_that_is_not_there_when_it_is_read_back_was_not_made(more: str) -> None:
    lab = lab_of(f"version: 1\nhosts: {{hv: {{address: hv, bridges: {{br0: {{mtu: 1400{more}}}}}}}}}\n")

    plan, said = take(NicHost(), lab)

    assert plan.steps == ()
    assert "hv: not everything took:\n  to make bridge br0 is still to be done" in said
    assert "taken back: make bridge br0" in said


def test_what_cannot_be_put_back_is_said_and_stays_in_the_journal() -> None:
    class Once(NicHost):
        def _set(self, words: Sequence[str]) -> None:
            super()._set(words)
            self.ignored = frozenset(WAS)

    host = Once(ignored=frozenset({"rx-fcs"}))

    _, said = take(host)

    assert host.active == {"generic-receive-offload": False, "rx-fcs": False}
    assert "no journal" not in host.said
    assert "hv is NOT as it was found: set eth0's features" in said
    assert "the journal keeps what could not be taken back: `rscvm down` tries again" in said


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize("at", ["arm", "-K", "--json"])
def test_a_lost_host_is_settled_under_the_lock_and_read_back_before_it_is_told_of(
    at: str, *, done: bool
) -> None:
    host = NicHost(lost_at=at, done_when_lost=done)

    _, said = take(host)

    assert host.active == WAS
    assert host.undo == ""
    assert host.said.index("lock") < host.said.index("settle") < host.said.index("no journal")
    assert said[-2].startswith("hv was lost while it was to ")
    assert said[-2].endswith("its own undo has put back what was found, which was read back")


def test_a_host_that_was_lost_when_all_was_confirmed_is_as_wanted_and_told_so() -> None:
    host = NicHost(lost_at="disarm")

    _, said = take(host)

    assert host.active == WANTED
    assert "no journal" not in host.said, "`down` puts it back"
    assert said[-2].endswith("its settings had been made by then, and stay")


def test_a_lost_host_whose_undo_did_not_take_is_told_apart() -> None:
    class Once(NicHost):
        def _set(self, words: Sequence[str]) -> None:
            super()._set(words)
            self.ignored = frozenset(WAS)

    host = Once(ignored=frozenset({"rx-fcs"}), lost_at="-K")

    _, said = take(host)

    assert "no journal" not in host.said
    assert "and is not as it was found: set eth0's features" in said[-2]
    assert "`rscvm down` puts back what was found" in said[-1]


def test_a_host_waits_longer_for_more_settings() -> None:
    [step] = plan_apply(LAB, "hv", nic_found(LAB)).steps

    assert deadman.patience([step, step]) > deadman.patience([step])
    assert json.dumps(deadman.patience([step])) in runs(deadman.deadman_step("/undo", [step]).do)[0].argv
