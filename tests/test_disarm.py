"""What `hck disarm` makes of a machine, how it is known afterwards, and what `up` does then."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from provision.cli import run
from provision.facts.processes import Process
from provision.facts.qemu import Emulator
from provision.host.journal import Journal, parse_journal, written_journal
from provision.host.plan.down import plan_down
from provision.host.plan.hck_flags import is_armed, lab_as_started, lab_without_flags, without_flags
from provision.host.plan.resolved import daemon_argv, resolved_view
from provision.host.plan.steps import Autostart, Define, Destroy, Drift, Plan, Start
from provision.host.plan.up import plan_up
from provision.host.state import BRIDGE_FILTER, HostState
from provision.lab.identity import spec_as_noted
from provision.lab.spec import Lab
from provision.render.machine import domain_xml
from provision.runtime.command import Run
from provision.runtime.protocols import Domain
from provision.tables.profiles import PROFILES
from provision.verbs.hck.disarm import obstacles
from provision.verbs.hck.plan_disarm import plan_disarm, undisarmable
from provision.verbs.status import warnings_of
from provision.verify.collect.machines import collect_lab
from provision.verify.judge.verdict import judge_nic
from tests.builders import FakeEdges, nic
from tests.hosts import EMPTY, EVERYTHING, capable, runs
from tests.labs import hlk

DUT = "rsc-dut"


def about_settings(plan: Plan) -> list[Drift]:
    """Without what these hosts lack besides: TAPs and overlays."""
    return [drift for drift in plan.drift if "flags" in drift.what or "settings" in drift.what]


def found(lab: Lab, *, live: Lab | None, kept: Lab | None = None, disarmed: bool = False) -> HostState:
    """A host where the DUT runs as one lab has it, and is defined as another; None: it is off."""
    kept = kept or live or lab
    qemus = {name: Emulator("qemu-system-x86_64", "7.2.22", EVERYTHING) for name in lab.machines}
    empty = capable(EMPTY, qemus=qemus)
    journal = Journal(lab.file, specs={DUT: spec_as_noted(kept.machines[DUT])})
    journal = replace(journal, disarmed=frozenset({DUT} if disarmed else ()))
    if lab.machines[DUT].backend == "qemu":
        pidfile = f"/var/lib/rscvm/lab/{DUT}.pid"
        argv = daemon_argv(resolved_view(live, DUT, empty)) if live else ()
        return replace(empty, journal=journal, processes={pidfile: Process(7, argv)} if live else {})
    persistent = domain_xml(resolved_view(kept, DUT, empty))
    there = domain_xml(resolved_view(live, DUT, empty)) if live else persistent
    domain = Domain(DUT, "running" if live else "off", there, persistent)
    return replace(empty, journal=journal, domains={DUT: domain})


def test_an_ordinary_machine_is_the_same_without_engine_and_mark() -> None:
    armed = hlk().machines[DUT]
    plain = without_flags(armed)

    assert (is_armed(armed), is_armed(plain)) == (True, False)
    assert (plain.purpose, [nic.profile for nic in plain.nics]) == ("production", ["false", "true"])
    assert [(nic.mac, nic.ifname, nic.bridge) for nic in plain.nics] == [
        (nic.mac, nic.ifname, nic.bridge) for nic in armed.nics
    ]
    assert plain.disks == armed.disks


@pytest.mark.parametrize("restart", [False, True])
def test_a_domain_is_defined_anew_and_only_on_demand_power_cycled(*, restart: bool) -> None:
    lab = hlk()

    plan = plan_disarm(lab, [DUT], found(lab, live=lab), restart=restart)

    [step] = plan.steps
    kinds = [type(action) for action in step.do]
    assert kinds == ([Define, Destroy, Start] if restart else [Define])
    assert isinstance(step.do[0], Define)
    assert "guest_rsc_ext" not in step.do[0].xml
    assert 'purpose="production"' in step.do[0].xml
    assert isinstance(step.undo[0], Define)
    assert "guest_rsc_ext" in step.undo[0].xml
    assert any("until its next power cycle" in note for note in plan.notes) is not restart


def test_a_domain_that_is_off_is_defined_anew_and_stays_off() -> None:
    lab = hlk()

    [step] = plan_disarm(lab, [DUT], found(lab, live=None), restart=True).steps

    assert [type(action) for action in step.do] == [Define]


def test_a_bare_qemu_can_be_disarmed_by_a_restart_only() -> None:
    lab = hlk("qemu")
    there = found(lab, live=lab)

    assert "has its flags until it ends" in undisarmable(lab, [DUT], there)[0]
    assert plan_disarm(lab, [DUT], there, restart=False).steps == ()
    [step] = plan_disarm(lab, [DUT], there, restart=True).steps
    stop, start = runs(step.do)
    assert "kill" in stop.argv[2]
    assert not any("guest_rsc_ext" in word for word in start.argv)
    assert any("guest_rsc_ext=on" in word for word in runs(step.undo)[1].argv)


@pytest.mark.parametrize("backend", ["qemu", "libvirt"])
def test_after_it_nothing_speaks_of_an_engine_and_before_a_domains_power_cycle_it_still_does(
    backend: str,
) -> None:
    lab = hlk(backend)
    plain = lab_without_flags(lab, [DUT])

    armed = warnings_of(lab, DUT, found(lab, live=lab))
    disarmed = warnings_of(lab, DUT, found(lab, live=plain, kept=plain, disarmed=True))
    runs_on = warnings_of(lab, DUT, found(lab, live=lab, kept=plain, disarmed=True))

    assert "QEMU's engine" in armed[0]
    assert disarmed == ()
    assert runs_on == armed


def test_what_is_not_there_is_said() -> None:
    lab = hlk()

    plan = plan_disarm(lab, [DUT], replace(found(lab, live=lab), domains={}), restart=True)

    assert (plan.steps, plan.notes) == ((), (f"{DUT} is not there: nothing to disarm",))


def test_the_journal_notes_who_was_disarmed_until_they_are_armed_or_gone() -> None:
    lab = hlk()
    opening = plan_disarm(lab, [DUT], found(lab, live=lab), restart=True).opening
    assert opening is not None
    [written] = runs(opening.do)

    journal = parse_journal(written.stdin)
    assert journal.disarmed == {DUT}
    assert parse_journal(written_journal(journal)) == journal
    plain = lab_without_flags(lab, [DUT])
    disarmed = replace(found(lab, live=plain, disarmed=True), journal=journal)
    armed = plan_up(lab, "local", [DUT], disarmed).opening
    assert armed is not None
    assert parse_journal(runs(armed.do)[0].stdin).disarmed == frozenset()
    down = plan_down(lab, [DUT], disarmed).closing
    assert down is not None
    assert not any("disarmed" in run.stdin and DUT in run.stdin.split("things")[0] for run in runs(down.do))


@pytest.mark.parametrize("backend", ["qemu", "libvirt"])
def test_up_forgets_a_disarming_that_was_only_noted_before_it_was_killed(backend: str) -> None:
    lab = hlk(backend)
    there = found(lab, live=lab, kept=lab, disarmed=True)
    plain = spec_as_noted(lab_without_flags(lab, [DUT]).machines[DUT])
    there = replace(there, journal=replace(there.journal, specs={DUT: plain}))

    plan = plan_up(lab, "local", [DUT], there)

    assert not about_settings(plan)
    assert not [
        step
        for step in plan.steps
        if step.scope == DUT and step.makes and "TAP" not in step.what and "overlay" not in step.what
    ]
    assert plan.opening is not None
    [written] = runs(plan.opening.do)
    journal = parse_journal(written.stdin)
    assert (journal.disarmed, journal.specs[DUT]) == (frozenset(), spec_as_noted(lab.machines[DUT]))


@pytest.mark.parametrize("backend", ["qemu", "libvirt"])
def test_up_gives_a_disarmed_machine_its_flags_back_by_a_power_cycle_and_status_shows_the_drift(
    backend: str,
) -> None:
    lab = hlk(backend)
    plain = lab_without_flags(lab, [DUT])

    plan = plan_up(lab, "local", [DUT], found(lab, live=plain, disarmed=True))

    [drift] = about_settings(plan)
    assert (drift.mended, "runs without its HCK flags" in drift.what) == (True, True)
    own = [step for step in plan.steps if "HCK flags" in step.what]
    assert [len(step.do) for step in own] == [2 if backend == "qemu" else 3]
    assert any(line.startswith("+") and "guest_rsc_ext" in line for line in own[0].diff)
    assert not any(line.startswith("-") and "guest_rsc_ext" in line for line in own[0].diff)


def test_up_defines_anew_what_was_disarmed_and_still_runs_with_its_flags() -> None:
    lab = hlk()
    there = found(lab, live=lab, kept=lab_without_flags(lab, [DUT]), disarmed=True)

    plan = plan_up(lab, "local", [DUT], there)

    assert [type(action) for step in plan.steps for action in step.do if not isinstance(action, Run)] == [
        Define
    ]
    assert "is defined without its HCK flags" in about_settings(plan)[0].what


@pytest.mark.parametrize("backend", ["qemu", "libvirt"])
def test_a_production_machine_that_the_lab_file_has_made_one_for_hck_is_never_power_cycled(
    backend: str,
) -> None:
    """It looks as a disarmed one does, but nobody has disarmed it."""
    lab = hlk(backend)

    plan = plan_up(lab, "local", [DUT], found(lab, live=lab_without_flags(lab, [DUT])))

    assert [drift.mended for drift in about_settings(plan)] == [False]
    assert not any(
        isinstance(action, Destroy) or "kill" in str(action) for step in plan.steps for action in step.do
    )


def test_a_disarmed_qemu_is_checked_as_the_ordinary_machine_that_it_is() -> None:
    lab = hlk("qemu")
    plain = lab_without_flags(lab, [DUT])

    assert lab_as_started(lab, found(lab, live=plain, disarmed=True)).machines[DUT].purpose == "production"
    killed_before_the_restart = found(lab, live=lab, kept=plain, disarmed=True)
    assert lab_as_started(lab, killed_before_the_restart).machines[DUT].purpose == "hck"
    assert undisarmable(lab, [DUT], killed_before_the_restart)


def test_what_nothing_can_forbid_is_said_of_an_armed_nic_and_of_no_other() -> None:
    warning = PROFILES["hck"].warning
    assert "never migrate, save or snapshot" in warning

    assert judge_nic(nic(rsc="hck", purpose="hck", notes=("before",))).notes == ("before", warning)
    for rsc in ("true", "false", None):
        assert judge_nic(nic(rsc=rsc)).notes == ()


def test_check_says_that_the_host_filters_the_test_bridge() -> None:
    lab = hlk()
    there = found(lab, live=lab)

    def noted(*, filters: bool) -> list[str]:
        seen = replace(there, bridge_filter=filters)
        nics = collect_lab(FakeEdges(), lab, [DUT], seen, monitor=False)
        return [nic.nic for nic in nics if BRIDGE_FILTER in nic.notes]

    assert noted(filters=False) == []
    assert noted(filters=True) == [lab.machines[DUT].nics[1].name]


@pytest.mark.parametrize("purpose", ["hck", "production"])
def test_an_autostart_is_switched_off_where_the_machine_is_for_hck(purpose: str) -> None:
    lab = hlk()
    lab = lab if purpose == "hck" else lab_without_flags(lab, [DUT])
    there = found(lab, live=lab)
    there = replace(there, domains={DUT: replace(there.domains[DUT], autostart=True)})

    steps = [step for step in plan_up(lab, "local", [DUT], there).steps if "autostart" in step.what]

    assert [step.do for step in steps] == ([(Autostart(DUT, on=False),)] if purpose == "hck" else [])
    assert all(step.undo == (Autostart(DUT, on=True),) for step in steps)


def test_a_lab_file_without_the_engine_has_nothing_to_disarm(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "lab.yaml"
    path.write_text("version: 1\nmachines: {a: {guest: linux, memory: 1GiB}}\n")

    assert run(["hck", "disarm", str(path)]) == 2
    assert "no machine of this lab file has `rsc: hck`" in capsys.readouterr().err


def test_disarming_leaves_a_domain_alone_that_is_not_ours() -> None:
    lab = hlk()
    there = found(lab, live=lab)
    theirs = replace(there.domains[DUT], persistent_xml="<domain><name>rsc-dut</name></domain>")

    assert [*obstacles(lab, [DUT], there)] == []
    assert "is there and is not ours" in next(obstacles(lab, [DUT], replace(there, domains={DUT: theirs})))
    other = replace(there, journal=replace(there.journal, file="/elsewhere/lab.yaml"))
    assert "is of another lab file" in next(obstacles(lab, [DUT], other))
