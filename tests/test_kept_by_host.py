"""A machine that is there keeps what its host could when it was made; of a later one what the lab file newly asks for."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from provision.facts.qemu import Emulator
from provision.host.journal import Journal, parse_journal, written_journal
from provision.host.plan.resolved import as_noted, resolved_view
from provision.host.plan.steps import Define, Plan
from provision.host.plan.up import plan_up
from provision.host.state import HostState
from provision.lab.identity import spec_as_noted
from provision.lab.spec import Lab
from provision.render.machine import domain_xml
from provision.runtime.protocols import Domain
from provision.tables.enlightenments import BY_NAME
from tests.builders import lab_of, one_vm
from tests.hosts import EVERYTHING, capable
from tests.hyperv_hosts import HOSTS, TSC, WINDOWS, HypervHost, said_by_xml, state_of, windows, with_parameter

WINDOWS_TEXT = (
    WINDOWS.replace("BACKEND", "libvirt")
    .replace("GUEST", "windows")
    .replace("NESTED", "false")
    .replace("THREADS", "1")
)


def made_on(host: HypervHost, lab: Lab) -> HostState:
    """The host, its machine made and defined, with what the journal keeps of it."""
    found = state_of(host, lab)
    view = resolved_view(lab, "vm", found)
    xml = domain_xml(view)
    journal = replace(
        found.journal,
        specs={"vm": spec_as_noted(lab.machines["vm"])},
        kvm={"vm": view.choices.kvm},
        made={"vm": as_noted(view.choices)},
    )
    return replace(
        found,
        domains={"vm": Domain("vm", "off", "", xml)},
        journal=parse_journal(written_journal(journal)),
    )


CHANGES = [
    (HOSTS["9.0 intel"], HOSTS["11.9 intel"]),
    (HOSTS["11.9 intel"], HOSTS["9.0 intel"]),
    (replace(HOSTS["11.9 intel"], tsc=TSC), replace(HOSTS["11.9 intel"], tsc=TSC + 1000)),
    (HOSTS["11.9 intel"], HOSTS["nothing"]),
    (HOSTS["11.9 amd"], with_parameter(HOSTS["11.9 amd"], "nested", "0")),
    (with_parameter(HOSTS["9.0 amd"], "nested", "0"), HOSTS["11.9 amd"]),
]
"""A host when the machine was made, and later."""


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("guest", ["windows", "linux"])
@pytest.mark.parametrize("threads", [1, 2])
def test_what_is_noted_of_a_machine_stays_noted(host: str, guest: str, threads: int) -> None:
    """Whatever else happens to it: a journal that changes by itself would be a trace."""
    lab = windows("libvirt", guest=guest, threads=threads)
    then = made_on(HOSTS[host], lab)

    assert as_noted(resolved_view(lab, "vm", then).choices) == then.journal.made["vm"]


def defined_anew(plan: Plan) -> list[str]:
    """The XML of the one step that defines it otherwise, because of the lab file."""
    [step] = [step for step in plan.steps if step.what == "define vm anew"]
    assert step.why == "the lab file has changed"
    return [action.xml for action in step.do if isinstance(action, Define)]


@pytest.mark.parametrize(("before", "after"), CHANGES)
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("lost", [False, True], ids=["", "no journal"])
def test_what_a_host_can_later_changes_no_machine_that_is_there(
    before: HypervHost, after: HypervHost, *, nested: bool, lost: bool
) -> None:
    lab = windows("libvirt", nested=nested, threads=2)
    then = made_on(before, lab)
    now = replace(state_of(after, lab), domains=then.domains, journal=Journal() if lost else then.journal)

    plan = plan_up(lab, "local", ["vm"], now)
    anew = resolved_view(lab, "vm", now, redefine=True)

    assert "define vm anew" not in plan.whats
    assert domain_xml(resolved_view(lab, "vm", now)) == then.domains["vm"].persistent_xml
    assert domain_xml(anew) == domain_xml(resolved_view(lab, "vm", state_of(after, lab)))


def test_what_an_earlier_version_noted_and_this_one_refuses_is_no_obstacle() -> None:
    """0.1.0 took 300 vCPUs; a lab file that has 200 by now is another, and no error of ours."""
    lab = windows("libvirt")
    then = made_on(HOSTS["11.9 intel"], lab)
    domain = then.domains["vm"]
    [digest] = re.findall('digest="([^"]+)"', domain.persistent_xml)
    other = replace(domain, persistent_xml=domain.persistent_xml.replace(digest, "0" * len(digest)))
    journal = replace(then.journal, specs={"vm": {**then.journal.specs["vm"], "vcpus": 300}})

    plan = plan_up(lab, "local", ["vm"], replace(then, domains={"vm": other}, journal=journal))

    assert "define vm anew" in plan.whats


@pytest.mark.parametrize("lost", [False, True], ids=["", "no journal"])
@pytest.mark.parametrize("feature", ["vmx", "svm"])
def test_a_machine_that_is_to_nest_from_now_on_gets_what_nests_and_nothing_else(
    feature: str, *, lost: bool
) -> None:
    """`ipi` is there for the newer QEMU alone, and stays away; what nests is what the host had when it was made."""
    maker = {"vmx": "intel", "svm": "amd"}[feature]
    then = made_on(HOSTS[f"11.3 {maker}"], windows("libvirt"))
    lab, after = windows("libvirt", nested=True), HOSTS[f"11.9 {maker}"]
    now = replace(state_of(after, lab), domains=then.domains, journal=Journal() if lost else then.journal)
    before = set(said_by_xml(resolved_view(windows("libvirt"), "vm", then)))

    [xml] = defined_anew(plan_up(lab, "local", ["vm"], now))
    added = set(said_by_xml(resolved_view(lab, "vm", now))) - before

    assert f'name="{feature}"/>' in xml
    assert added
    assert all(BY_NAME[name].nested for name in added)


@pytest.mark.parametrize("guest", ["windows", "linux"])
def test_threads_that_a_machine_gets_later_are_seen_on_amd(guest: str) -> None:
    then = made_on(HOSTS["11.9 amd"], windows("libvirt", guest=guest))
    lab = windows("libvirt", guest=guest, threads=2)
    now = replace(state_of(HOSTS["11.9 amd"], lab), domains=then.domains, journal=then.journal)

    [xml] = defined_anew(plan_up(lab, "local", ["vm"], now))

    assert '<feature policy="require" name="topoext"/>' in xml


@pytest.mark.parametrize("lost", [False, True], ids=["", "no journal"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("accel: kvm", "accel: tcg"),
        ("guest: windows", "guest: linux"),
    ],
)
def test_a_windows_that_is_on_kvm_from_now_on_has_what_a_new_one_has(
    before: str, after: str, *, lost: bool
) -> None:
    """It had no enlightenments, and not because its host had none."""
    host, lab = HOSTS["11.9 intel"], windows("libvirt")
    old = lab_of(WINDOWS_TEXT.replace(before, after))
    then = made_on(host, old)
    now = replace(state_of(host, lab), domains=then.domains, journal=Journal() if lost else then.journal)

    assert said_by_xml(resolved_view(old, "vm", then)) == []
    assert (
        said_by_xml(resolved_view(lab, "vm", now))
        == said_by_xml(resolved_view(lab, "vm", state_of(host, lab)))
        != []
    )


def test_another_change_brings_no_topoext() -> None:
    """Windows would see other cores."""
    lab = windows("libvirt", threads=2)
    then = made_on(with_parameter(HOSTS["11.9 amd"], "nested", "0"), lab)
    domain = then.domains["vm"]
    plain = replace(
        domain, persistent_xml=domain.persistent_xml.replace('<feature policy="require" name="topoext"/>', "")
    )
    bigger = lab.model_copy(
        update={"machines": {"vm": lab.machines["vm"].model_copy(update={"memory": 1 << 20})}}
    )
    journal = replace(then.journal, made={})
    now = replace(state_of(HOSTS["11.9 amd"], lab), domains={"vm": plain}, journal=journal)

    [xml] = defined_anew(plan_up(bigger, "local", ["vm"], now))

    assert "topoext" not in xml


@pytest.mark.parametrize(("alias", "name"), [("q35", "pc-q35-7.2"), ("pc", "pc-i440fx-7.2")])
def test_a_machine_type_that_libvirt_spelled_out_is_no_hand_edit(alias: str, name: str) -> None:
    lab = lab_of(WINDOWS_TEXT.replace("accel:", f"machine: {alias}\n    accel:"))
    then = made_on(HOSTS["11.9 intel"], lab)
    domain = then.domains["vm"]
    spelled = replace(domain, persistent_xml=domain.persistent_xml.replace(f'"{alias}"', f'"{name}"'))
    assert spelled != domain

    plan = plan_up(lab, "local", ["vm"], replace(then, domains={"vm": spelled}))

    assert "define vm anew" not in plan.whats
    assert not plan.drift


def test_a_later_qemu_is_told_no_more_of_offloads_than_the_one_that_it_was_made_for() -> None:
    lab = one_vm("libvirt", **{"ifname: tap0": "ifname: tap0, rsc: false"})
    older = {"vm": Emulator("qemu", "7.2.22", EVERYTHING - {"guest_uso4", "guest_uso6"})}
    now = replace(made_on(HOSTS["tcg"], lab), capabilities=state_of(HOSTS["tcg"], lab).capabilities)
    then = capable(now, qemus=older)
    choices = resolved_view(lab, "vm", then, redefine=True).choices
    journal = replace(now.journal, made={"vm": as_noted(choices)})

    kept, anew = (
        resolved_view(lab, "vm", replace(now, journal=journal), redefine=on) for on in (False, True)
    )

    named = one_vm("libvirt", **{"ifname: tap0": "ifname: tap0, rsc: false, offloads: {guest_uso4: false}"})
    asked = resolved_view(named, "vm", replace(now, journal=journal))

    assert "guest_uso4" not in dict(kept.nics[0].properties)
    assert dict(asked.nics[0].properties)["guest_uso4"] is False
    assert "guest_uso6" not in dict(asked.nics[0].properties)
    assert dict(anew.nics[0].properties)["guest_uso4"] is False
