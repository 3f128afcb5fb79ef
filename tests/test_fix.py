"""What `fix` does around libvirt and the TAPs when something gets in its way."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provision.runtime.deadline import Deadline
from provision.runtime.errors import HostError, RequestError
from provision.verbs.fix.domain_edit import laid_out
from provision.verbs.fix.fix import Place, fix_domain
from provision.verbs.fix.redefine import power_cycle
from provision.verify.judge.verdict import judge_nic
from tests.builders import FakeEdges, FakeHost, features, nic
from tests.repairs import PASSWORD, WITHOUT_TSO4, Daemon, Fixable, daemon, xml


def test_what_is_defined_and_kept_has_the_passwords_and_what_is_shown_has_not() -> None:
    there = Fixable(daemon())

    fixed = there.fix()

    [(verb, defined)] = there.daemon.said
    assert verb == "define"
    assert laid_out(defined) == laid_out(there.kept[0].replace("tso4='off'", "tso4='on'"))
    assert "geheim" in defined
    assert "geheim" not in str(fixed)


@pytest.mark.parametrize("now", [xml("<model type='virtio'/>"), None])
def test_a_definition_that_somebody_else_changed_meanwhile_is_not_touched(now: str | None) -> None:
    def change(libvirt: Daemon) -> None:
        assert libvirt.there is not None
        libvirt.there = replace(libvirt.there, persistent_xml=now) if now else None

    there = Fixable(daemon(meanwhile=change))

    fixed = there.fix()

    assert "changed by somebody else meanwhile: nothing was changed here" in str(fixed.error)
    assert there.said() == []
    assert fixed.changed == ()


def test_a_password_that_was_changed_meanwhile_is_not_put_back() -> None:
    """It is in no reading but the definition itself."""

    def change(libvirt: Daemon) -> None:
        libvirt.graphics = PASSWORD.replace("geheim", "anders")

    there = Fixable(daemon(meanwhile=change))

    fixed = there.fix()

    assert "changed by somebody else meanwhile: nothing was changed here" in str(fixed.error)
    assert there.said() == []


def test_a_definition_that_cannot_be_kept_is_not_changed() -> None:
    there = Fixable(daemon())

    def full(_name: str, _xml: str) -> str:
        raise OSError(28, "No space left on device")

    place = Place(
        FakeEdges(there.host, there.daemon), "local", "x", "vm", lambda: [judge_nic(WITHOUT_TSO4)], full
    )
    with pytest.raises(OSError, match="No space"):
        fix_domain(place, lambda _: None, dry_run=False)

    assert there.said() == []


def test_an_edit_that_libvirt_does_not_keep_is_not_called_done() -> None:
    fixed = Fixable(daemon(forgetful=True)).fix()

    assert "did not keep the edit" in str(fixed.error)
    assert fixed.changed == ()


def test_a_dry_run_touches_nothing() -> None:
    there = Fixable(daemon(), evidence=replace(WITHOUT_TSO4, features=features("host-tx-off")))

    fixed = there.fix(dry_run=True, restart=Deadline(1))

    assert (there.said(), there.host.said, there.kept) == ([], [], [])
    assert [change.cause for change in fixed.changed] == ["host-disabled-checksum", "guest-offloads-off"]


def test_nothing_is_restarted_that_needs_none() -> None:
    there = Fixable(daemon("<model type='virtio'/>"), evidence=nic())

    there.fix(restart=Deadline(1))

    assert there.said() == []


def test_a_restart_makes_a_pending_edit_take_effect_without_another() -> None:
    there = Fixable(daemon())
    assert there.daemon.there is not None
    there.daemon.there = replace(there.daemon.there, persistent_xml=xml())

    there.fix(restart=Deadline(1))

    assert there.said() == ["shutdown", "start"]
    assert there.kept == []


def test_a_guest_that_does_not_shut_down_is_never_destroyed() -> None:
    there = Fixable(daemon(deaf=True))

    fixed = there.fix(restart=Deadline(0))

    assert there.said() == ["define", "shutdown"]
    assert "it is left running" in str(fixed.error)
    assert [change.cause for change in fixed.changed] == ["guest-offloads-off"]
    assert any("takes effect after a power cycle" in note for note in fixed.notes)


@pytest.mark.parametrize("state", ["paused", "off"])
def test_only_a_running_guest_is_asked_to_shut_down(state: str) -> None:
    there = daemon()
    assert there.there is not None
    there.there = replace(there.there, state=state)

    with pytest.raises(HostError, match=f"vm is {state} and is not restarted"):
        power_cycle(there, "vm", None, Deadline(1), lambda _: None)

    assert there.said == []


def test_an_edit_that_does_not_start_is_put_back_and_the_machine_started() -> None:
    there = Fixable(daemon(refusals=["no such bus"]))

    fixed = there.fix(restart=Deadline(1))

    assert there.said() == ["define", "shutdown", "start", "define", "start"]
    assert there.daemon.said[3][1] == there.kept[0]
    assert fixed.changed == ()
    assert "the old definition was put back, and it runs with that: no such bus" in str(fixed.error)


def test_a_machine_that_does_not_start_either_way_is_said_to_be_off() -> None:
    fixed = Fixable(daemon(refusals=["no such bus", "no bridge"])).fix(restart=Deadline(1))

    assert "vm is off: it starts neither with the edit nor without it" in str(fixed.error)


@pytest.mark.parametrize(
    ("silent", "said"),
    [
        ({"shutdown": 3}, ["define", "shutdown", "start"]),
        ({"start": 3}, ["define", "shutdown", "start", "start"]),
    ],
)
def test_a_libvirt_that_is_silent_for_a_while_leaves_no_machine_off(
    silent: dict[str, int], said: list[str]
) -> None:
    there = Fixable(daemon(silent=silent))

    fixed = there.fix(restart=Deadline(30))

    assert fixed.error is None
    assert there.said() == said
    assert there.daemon.there is not None
    assert there.daemon.there.state == "running"


@pytest.mark.parametrize("verb", ["shutdown", "start"])
def test_who_is_left_with_a_machine_that_may_be_off_is_told_so_first_and_how_to_start_it(verb: str) -> None:
    there = Fixable(daemon(silent={verb: 10**9}))

    fixed = there.fix(restart=Deadline(0))

    assert fixed.error is not None
    assert str(fixed.error).startswith("this command has shut vm down, and cannot start it again")
    assert "virsh start vm" in fixed.error.hint


def test_a_machine_that_somebody_else_started_first_is_as_good() -> None:
    there = daemon(refusals=["domain is already running"], faster=True)

    power_cycle(there, "vm", None, Deadline(1), lambda _: None)


def test_a_domain_that_is_not_there_is_the_users_mistake() -> None:
    with pytest.raises(RequestError, match="no domain vm at qemu:///system"):
        Fixable(Daemon()).fix()


def test_a_machine_that_was_started_anew_since_it_was_judged_is_left_alone() -> None:
    """Its TAP's name may be another machine's by then."""
    there = Fixable(
        daemon(numbers={"vm": "8"}), evidence=replace(WITHOUT_TSO4, run="7", features=features("host-tx-off"))
    )

    with pytest.raises(HostError, match="vm ended or was started anew meanwhile: nothing was changed"):
        there.fix()

    assert (there.said(), there.host.said) == ([], [])


def test_who_interrupts_the_power_cycle_knows_what_was_defined_and_what_is_left_to_do() -> None:
    libvirt, said = daemon(interrupted=True), list[str]()
    place = Place(
        FakeEdges(FakeHost(), libvirt),
        "local",
        "x",
        "vm",
        lambda: [judge_nic(WITHOUT_TSO4)],
        lambda *_: "/b/vm",
    )

    with pytest.raises(KeyboardInterrupt):
        fix_domain(place, said.append, dry_run=False, restart=Deadline(1))

    assert said[0] == "defined vm anew; as it was: /b/vm"
    assert said[-1] == "vm was asked to shut down and is not started again: virsh start vm"
