"""Steps taken, and taken back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from provision.host.apply.execute import run_what_can
from provision.host.apply.lock import HOLD
from provision.host.apply.transaction import apply_plan
from provision.host.journal import Thing
from provision.host.plan.down import plan_down
from provision.host.plan.up import plan_up
from provision.host.read.inventory import BOOT
from provision.runtime.command import Result
from provision.runtime.errors import CommandError, LostError
from tests.builders import FakeEdges, FakeHost, one_vm
from tests.hosts import EMPTY, LAB, MARK, PID, noting, running, unmade


def test_a_failed_step_takes_back_the_ones_before_it_last_first() -> None:
    edges = FakeEdges(FakeHost(failing="-daemonize"))
    said: list[str] = []

    with pytest.raises(CommandError, match="no such luck"):
        apply_plan(edges, LAB, plan_up(LAB, "local", ["vm"], EMPTY), said.append, [])

    taken_back = [line for line in said if line.startswith("taken back: ")]
    assert [line.split(" ")[2] for line in taken_back] == ["start", "make", "make", "note"]
    assert "tap0" in unmade(edges.runner.said)


def test_a_device_that_could_not_be_made_is_not_removed() -> None:
    edges = FakeEdges(FakeHost(failing="tuntap"))

    with pytest.raises(CommandError):
        apply_plan(edges, LAB, plan_up(LAB, "local", ["vm"], EMPTY), lambda _: None, [])

    assert "tap0" not in unmade(edges.runner.said)
    assert "br-lab" in unmade(edges.runner.said)


def test_an_interrupt_takes_back_too() -> None:
    edges = FakeEdges(FakeHost(interrupted_at="-daemonize"))

    with pytest.raises(KeyboardInterrupt):
        apply_plan(edges, LAB, plan_up(LAB, "local", ["vm"], EMPTY), lambda _: None, [])

    assert "br-lab" in unmade(edges.runner.said)


class LostHost(FakeHost):
    """Stands for a host that is lost, and has these devices when it is back."""

    links: tuple[dict[str, object], ...] = ()

    def run(self, argv: Sequence[str], *, stdin: str = "", timeout: float = 60) -> Result:
        result = super().run(argv, stdin=stdin, timeout=timeout)
        answers = {"ip -json": json.dumps(self.links), " ".join(BOOT.run.argv): "0" * 36}
        if "exit 44" in " ".join(argv):
            return replace(result, status=44)
        return replace(result, out=answers.get(" ".join(argv[:2]), ""))


def device(name: str, alias: str) -> dict[str, object]:
    tap = {"info_kind": "tun", "info_data": {"type": "tap"}}
    return {"ifname": name, "ifalias": alias, "flags": ["UP"], "mtu": 1500, "linkinfo": tap}


@pytest.mark.parametrize("theirs", [False, True])
def test_what_may_have_been_done_when_the_host_was_lost_is_taken_back_under_the_lock(*, theirs: bool) -> None:
    """All that it was sent may have been done; what is not there, or somebody else's, is left."""
    host = LostHost(lost_at="stp_state")
    host.links = (device("tap0", "theirs" if theirs else MARK),)
    said: list[str] = []

    with pytest.raises(LostError):
        apply_plan(FakeEdges(host), LAB, plan_up(LAB, "local", ["vm"], EMPTY), said.append, [])

    undone = host.said[[HOLD in argv for argv in host.said].index(True) :]
    assert ("tap0" in unmade(undone)) is not theirs
    assert "br-lab" not in unmade(host.said)
    assert any(PID in argv for argv in undone), "the QEMU, which may have been started"
    assert not [line for line in said if "could not" in line]


def test_a_terminal_that_has_gone_does_not_keep_anything_from_being_taken_back() -> None:
    edges = FakeEdges(FakeHost(failing="-daemonize"))

    def say(line: str) -> None:
        if line.startswith("taken back"):
            raise BrokenPipeError

    with pytest.raises(CommandError):
        apply_plan(edges, LAB, plan_up(LAB, "local", ["vm"], EMPTY), say, [])

    assert "br-lab" in unmade(edges.runner.said)


def test_an_interrupt_comes_before_what_failed_meanwhile() -> None:
    edges = FakeEdges(FakeHost(interrupted_at="tuntap", failing="-daemonize"))

    with pytest.raises(KeyboardInterrupt):
        apply_plan(edges, LAB, plan_up(LAB, "local", ["vm"], EMPTY), lambda _: None, [])

    assert "br-lab" in unmade(edges.runner.said)


def test_taking_down_goes_on_with_other_machines_and_keeps_what_is_shared() -> None:
    edges = FakeEdges(FakeHost(failing="tap0"))
    found = running()
    other = replace(found, journal=noting(found, Thing("disk", "/srv/other.qcow2", "other")))

    errors = run_what_can(edges, plan_down(LAB, None, other), lambda _: None)

    assert len(errors) == 1
    assert any("/srv/other.qcow2" in argv for argv in edges.runner.said)
    assert ("ip", "link", "del", "dev", "br-lab") not in edges.runner.said
    assert not any("journal.json" in word for argv in edges.runner.said for word in argv)


def test_what_cannot_be_taken_back_stays_in_the_journal() -> None:
    edges = FakeEdges(FakeHost(failing="vm.pid"))
    said: list[str] = []

    with pytest.raises(CommandError):
        apply_plan(edges, LAB, plan_up(LAB, "local", ["vm"], EMPTY), said.append, [])

    assert any(line.startswith("could not take back `start vm`") for line in said)
    assert "the journal keeps what could not be taken back: `rscvm down` tries again" in said
    assert not any("rmdir" in word for argv in edges.runner.said for word in argv)


def test_a_qemu_that_does_not_stop_keeps_its_files_and_its_tap() -> None:
    edges = FakeEdges(FakeHost(failing=PID))

    errors = run_what_can(edges, plan_down(LAB, None, running()), lambda _: None)

    assert len(errors) == 1
    assert not any(argv[0] in ("rm", "ip") for argv in edges.runner.said)


def test_whatever_is_raised_takes_back() -> None:
    edges = FakeEdges()

    def say(line: str) -> None:
        if line == "start vm":
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        apply_plan(edges, LAB, plan_up(one_vm("libvirt"), "local", ["vm"], EMPTY), say, [])

    assert ("undefine", "vm") in edges.daemon.said
    assert "br-lab" in unmade(edges.runner.said)
