"""A TAP that takes large frames of one IP ID: said in a lab file, planned, read back, and mended on anybody's."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provision.facts.ethtool_features import Feature
from provision.host.plan.readback import in_vain
from provision.host.plan.settings import plan_apply
from provision.host.plan.taps import late_steps
from provision.host.plan.up import plan_up
from provision.host.state import HostState
from provision.lab.identity import spec_as_noted
from provision.runtime.errors import RequestError
from provision.runtime.protocols import Domain
from provision.tables.offloads import MANGLEID
from provision.verbs.fix.repair import plan_repair
from provision.verbs.script import machine_script
from provision.verify.judge.verdict import judge_nic
from tests.builders import features, nic, one_vm
from tests.frames import WHOLE_WAY, mangling, recorded, traffic
from tests.hosts import EMPTY, TAP, commands, running, whats

MAC = 'mac: "52:54:00:12:34:56"'
ASKED = {MAC: f"{MAC}, mangleid: true"}
BARE, LIBVIRTS = one_vm(**ASKED), one_vm("libvirt", **ASKED)
SET = ("ethtool", "-K", "tap0", MANGLEID, "on")
WHAT = "let tap0 take large frames of one IP ID"


def shown(state: HostState, *, on: bool = False, requested: bool = False) -> HostState:
    """The host with a TAP whose feature is so."""
    feature = Feature(active=on, requested=requested, fixed=False)
    there = {"tap0": {**features("negotiated-by-linux"), MANGLEID: feature}}
    return replace(state, features=there)


OFF = shown(running())
THEIRS = replace(OFF, links={"tap0": replace(TAP, alias="")})
HELD = replace(
    THEIRS,
    held={"vm": frozenset({"tap0"})},
    domains={"vm": Domain("vm", "running", "<domain/>", "<domain/>")},
)


def planned(lab_of: str, state: HostState) -> list[tuple[str, ...]]:
    lab = {"bare": BARE, "libvirt": LIBVIRTS, "plain": one_vm()}[lab_of]
    return [argv[4:] for step in late_steps(lab, ["vm"], state) for argv in commands(step)]


@pytest.mark.parametrize(
    ("lab", "state", "is_set"),
    [
        ("bare", OFF, True),
        ("plain", OFF, False),
        ("bare", shown(running(), on=True, requested=True), False),
        ("bare", shown(running(), requested=True), False),
        ("bare", running(), False),
        ("bare", EMPTY, False),
        ("bare", THEIRS, False),
        ("libvirt", THEIRS, False),
        ("libvirt", HELD, True),
        ("libvirt", replace(HELD, held={"vm": frozenset({"vnet1"})}), False),
    ],
)
def test_it_is_set_on_a_tap_that_is_proven_the_machines_and_not_asked_yet(
    lab: str, state: HostState, *, is_set: bool
) -> None:
    assert planned(lab, state) == ([SET] if is_set else [])


def test_apply_sets_it_now_and_tells_of_a_tap_that_is_not_proven() -> None:
    assert whats(plan_apply(BARE, "local", OFF).steps) == [WHAT]
    unproven = plan_apply(LIBVIRTS, "local", THEIRS)
    assert WHAT not in whats(unproven.steps)
    assert "that tap0 is its TAP is not proven" in unproven.notes[-1]


def test_up_sets_it_on_the_tap_that_it_makes_before_the_machine_starts() -> None:
    steps = whats(plan_up(BARE, "local", ["vm"], EMPTY).steps)

    assert steps.index("make TAP tap0") + 1 == steps.index(WHAT) < steps.index("start vm")


def test_up_says_that_libvirts_tap_is_set_later() -> None:
    later = plan_up(LIBVIRTS, "local", ["vm"], EMPTY)

    assert WHAT not in whats(later.steps)
    assert f"vm.net0: {MANGLEID} of its TAP is set once it runs" in later.notes


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (Feature(active=True, requested=True, fixed=False), ""),
        (Feature(active=False, requested=True, fixed=False), ""),
        (Feature(active=False, requested=False, fixed=False), "the host did not take it"),
    ],
)
def test_it_took_where_it_is_asked_for_also_before_the_guest_has_tso(now: Feature, why: str) -> None:
    steps = [*late_steps(BARE, ["vm"], OFF)]

    vain = in_vain({"tap0": {MANGLEID: now}}, steps)

    assert [words for _, words in vain] == ([f"tap0: {MANGLEID} stays {now}: {why}"] if why else [])


def test_a_machine_that_runs_is_not_another_one_for_it() -> None:
    assert spec_as_noted(BARE.machines["vm"]) == spec_as_noted(one_vm().machines["vm"])
    assert not plan_up(BARE, "local", ["vm"], OFF).drift


@pytest.mark.parametrize(
    ("nic_", "reason"),
    [
        ("user: true, rsc: false", "is a setting of a TAP, and user has none"),
        ("bridge: br-lab, rsc: false", "is only for `rsc: true`"),
        ("bridge: br-lab, model: e1000e", "is only for `rsc: true`"),
    ],
)
def test_it_is_refused_where_it_means_nothing(nic_: str, reason: str) -> None:
    with pytest.raises(RequestError, match="mangleid") as refused:
        one_vm(**{"bridge: br-lab, ifname: tap0, " + MAC: f"{nic_}, mangleid: true"})

    assert reason in str(refused.value)


def test_a_script_sets_it_whatever_ethtools_status() -> None:
    assert f"ethtool -K tap0 {MANGLEID} on >/dev/null 2>&1 || :" in machine_script(BARE, "vm")
    assert MANGLEID not in machine_script(one_vm(), "vm")


@pytest.mark.parametrize(
    ("changes", "command"),
    [
        ({}, SET),
        ({"shown": "name"}, ()),
        ({"network": "net:[1]", "pid": 7}, ()),
    ],
)
def test_fix_sets_it_on_a_tap_that_a_descriptor_proves_and_on_no_other(
    changes: dict[str, object], command: tuple[str, ...]
) -> None:
    evidence = nic(
        traffic=traffic(recorded("fixed-id")), ways=WHOLE_WAY, features=mangling(on=False), **changes
    )

    repair = plan_repair(judge_nic(evidence), None)

    assert repair.command == command
    assert bool(repair.told) is not bool(command)
