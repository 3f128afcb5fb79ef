"""What `fix` does around libvirt and the TAPs when something gets in its way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from provision.runtime.deadline import Deadline
from provision.runtime.errors import HostError, RequestError
from provision.runtime.protocols import Domain
from provision.verbs.fix.domain_edit import laid_out
from provision.verbs.fix.fix import Place, fix_domain
from provision.verbs.fix.redefine import power_cycle
from provision.verify.collect.machines import collect_domain
from provision.verify.judge.verdict import judge_nic
from tests.builders import ON, FakeEdges, FakeHost, features, nic
from tests.repairs import PASSWORD, TSO4_OFF, WITHOUT_TSO4, Daemon, Fixable, daemon, xml


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

    assert there.fix().notes[-1].startswith(RESTART)
    assert there.fix(restart=Deadline(1)).restarted
    assert there.said() == ["shutdown", "start"]
    assert there.kept == []


MENDED = "vm's definition: takes effect at its next start"
RESTART = "power-cycle it: `rscvm fix --connect qemu:///system vm --restart` asks the guest to shut down"


def starting(state: str, live: str, kept: str) -> Fixable:
    """A domain whose NIC works where it runs, and its definition."""
    there = Domain("vm", state, xml(live), xml(kept))
    [found] = collect_domain(FakeEdges(), "local", there, monitor=False)
    works: dict[str, Any] = (
        {} if state == "off" else {"tap": "tap0", "properties": ON, "virtio": nic().virtio}
    )
    return Fixable(Daemon(there=there), evidence=replace(found, **works, features=nic().features))


@pytest.mark.parametrize(
    ("state", "live", "said"),
    [
        ("off", TSO4_OFF, MENDED),
        ("running", "<model type='virtio'/>", f"{MENDED}, and what runs needs no restart for it"),
    ],
)
def test_a_definition_that_would_start_broken_is_edited_and_nothing_is_restarted(
    state: str, live: str, said: str
) -> None:
    tried, there = starting(state, live, TSO4_OFF), starting(state, live, TSO4_OFF)

    trial, fixed = tried.fix(dry_run=True), there.fix(restart=Deadline(1))

    assert tried.said() == []
    assert there.said() == ["define"]
    assert 'tso4="on"' in there.daemon.said[0][1]
    [change] = fixed.changed
    assert (change.cause, change.backup) == ("guest-offloads-off", "/backups/vm.xml")
    assert change.why.startswith("at its next start: guest_tso4 is off")
    assert [each.diff for each in trial.changed] == [change.diff]
    assert [note for note in fixed.notes if "puts it back" not in note] == [said]
    assert not fixed.restarted


def test_a_machine_that_is_off_and_starts_well_is_left_alone() -> None:
    there = starting("off", "<model type='virtio'/>", "<model type='virtio'/>")

    assert there.fix().notes == ("vm.ua-net0: machine-off: nothing that can be changed from here: start it",)
    assert there.said() == []


def test_what_no_edit_mends_before_the_next_start_is_told() -> None:
    there = starting("running", "<model type='virtio'/>", "<model type='virtio'/><link state='down'/>")

    [note] = there.fix().notes

    assert note.startswith("vm.ua-net0: at its next start: link-down: nothing that can be changed from here")
    assert there.said() == []


def test_an_edit_ends_with_the_command_that_makes_it_take_effect() -> None:
    there = Fixable(daemon())

    assert there.fix().notes[-1].startswith(RESTART)
    fixed = Fixable(daemon()).fix(restart=Deadline(1))
    assert fixed.restarted
    assert not [note for note in fixed.notes if "power" in note]


def test_no_restart_is_named_that_only_a_running_guest_could_make() -> None:
    paused = Fixable(Daemon(there=Domain("vm", "paused", xml(TSO4_OFF), xml(TSO4_OFF))))

    assert paused.fix().notes[-1].startswith("vm's definition: takes effect after a power cycle")


def test_the_command_reaches_the_domain_as_its_user_did() -> None:
    reached = ("--connect", "qemu+tls://hv1/system", "--host", "ssh://me@hv1")
    place = Place(FakeEdges(), "hv1", reached[1], "win 10", list, lambda *_: "", None, reached)

    assert place.restarting == f"rscvm fix {' '.join(reached)} 'win 10' --restart"


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
