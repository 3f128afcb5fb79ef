"""A machine that is there keeps what it was made with, whatever a later version or host would give a new one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from provision.facts.domain import parse_domain
from provision.facts.qemu import Emulator
from provision.host.journal import Journal, Made, parse_journal, written_journal
from provision.host.plan.resolved import as_noted, resolved_view
from provision.host.plan.steps import Define, Plan
from provision.host.plan.up import plan_up
from provision.host.state import HostState
from provision.lab.identity import spec_as_noted
from provision.lab.spec import Lab
from provision.runtime.command import Run
from provision.runtime.errors import UnreadableError
from provision.runtime.protocols import Domain
from tests.builders import lab_of
from tests.hosts import EMPTY, EVERYTHING, capable

KEPT = Path(__file__).parent / "fixtures" / "rscvm-0.1.0"
NAME = "plain"


def lab(**changes: str) -> Lab:
    """The lab file of 0.1.0, where it lay."""
    text = (KEPT / "lab.yaml").read_text()
    for name in ("vmlinuz", "initrd.gz", "base.qcow2"):
        text = text.replace(f": {name}", f": /srv/lab/{name}")
    for old, new in changes.items():
        text = text.replace(old, new, 1)
    return lab_of(text)


def there(state: str = "off", *, edited: tuple[str, str] = ("", "")) -> HostState:
    """What 0.1.0 left: the domain as libvirt had it, and the journal."""
    live, inactive = ((KEPT / f"{NAME}{form}.xml").read_text() for form in ("", ".inactive"))
    domain = Domain(NAME, state, "" if state == "off" else live, inactive.replace(*edited))
    qemus = {NAME: Emulator("qemu-system-x86_64", "10.2.2", EVERYTHING)}
    return capable(
        replace(
            EMPTY,
            domains={NAME: domain},
            journal=parse_journal((KEPT / "journal.json").read_text()),
            files=frozenset({"/srv/lab/vmlinuz", "/srv/lab/initrd.gz", "/srv/lab/base.qcow2"})
            | {f"/var/lib/rscvm/lab/{NAME}-0.qcow2"},
        ),
        qemus=qemus,
    )


def planned(lab: Lab, state: HostState, *, redefine: bool = False) -> Plan:
    plan = plan_up(lab, "local", [NAME], state, redefine=redefine)
    return replace(plan, steps=tuple(step for step in plan.steps if step.scope == NAME))


def defined(plan: Plan) -> str:
    """The XML of the one definition of a plan."""
    [xml] = [action.xml for step in plan.steps for action in step.do if isinstance(action, Define)]
    return xml


@pytest.mark.parametrize(("state", "whats"), [("running", []), ("off", [f"start {NAME}"])])
def test_a_machine_of_0_1_0_is_not_called_edited_and_is_told_what_a_new_one_has(
    state: str, whats: list[str]
) -> None:
    plan = planned(lab(), there(state))

    assert [step.what for step in plan.steps] == whats
    assert plan.drift == ()
    [kept] = [note for note in plan.notes if note.startswith(NAME)]
    assert kept == (
        f"{NAME} keeps what it was made with; `up --redefine` while it is off would change "
        "cpu/topology: nothing → sockets=1 cores=1 threads=1; "
        "devices/disk[vda]/driver@discard: nothing → unmap; "
        "devices/rng: nothing → model=virtio backend@model=random backend=/dev/urandom; "
        "12 PCIe root ports, 8 of them for NICs to come"
    )


def test_what_the_lab_file_changes_is_changed_and_nothing_else() -> None:
    plan = planned(lab(**{"192MiB": "256MiB"}), there())

    xml = defined(plan)
    assert '<memory unit="KiB">262144</memory>' in xml
    for part in ("<topology", "discard", "<rng", "pcie-root-port", "layout="):
        assert part not in xml
    assert [line for line in plan.steps[0].diff if line[:1] in "+-"] == [
        '-  <memory unit="KiB">196608</memory>',
        '+  <memory unit="KiB">262144</memory>',
    ]


@pytest.mark.parametrize("redefine", [False, True])
def test_an_alias_of_a_machine_type_stays_what_libvirt_made_of_it(*, redefine: bool) -> None:
    """To Windows another version is another board, and `q35` is a later one after each upgrade of QEMU."""
    [kept, other] = (
        parse_domain(defined(planned(lab(**{"192MiB": f"256MiB\n{more}"}), there(), redefine=redefine)))
        for more in ("", "    machine: pc-q35-6.2")
    )

    assert (kept.machine, other.machine) == ("pc-q35-7.2", "pc-q35-6.2")


def test_a_redefinition_takes_all_of_it_and_leaves_the_nic_where_it_was() -> None:
    state = there()
    plan = planned(lab(), state, redefine=True)

    [before] = parse_domain(state.domains[NAME].persistent_xml).nics
    after = parse_domain(defined(plan))
    assert [step.what for step in plan.steps] == [f"define {NAME} anew", f"start {NAME}"]
    assert plan.steps[0].why == "as new machines are made (--redefine)"
    assert before.address is not None
    assert [nic.address for nic in after.nics] == [before.address]
    assert after.mark is not None
    assert after.mark.layout == 2
    assert not any("keeps what it was made with" in note for note in plan.notes)


def test_a_redefinition_waits_until_the_machine_is_off() -> None:
    plan = planned(lab(), there("running"), redefine=True)

    assert plan.steps == ()
    assert [drift.what for drift in plan.drift] == [f"{NAME} runs, and is only defined anew while it is off"]


def test_what_somebody_has_changed_by_hand_is_still_seen() -> None:
    plan = planned(lab(), there(edited=("<vmport state='off'/>", "")))

    first = plan.steps[0]
    assert (first.what, first.why) == (f"define {NAME} anew", "it was edited by hand")
    assert "<rng" not in defined(plan)


def test_a_redefinition_that_was_cut_off_after_its_note_is_no_hand_edit() -> None:
    state = there()
    noted = replace(
        state.journal, made={NAME: as_noted(resolved_view(lab(), NAME, state, redefine=True).choices)}
    )

    plan = planned(lab(), replace(state, journal=noted))

    assert [step.what for step in plan.steps] == [f"start {NAME}"]


@pytest.mark.parametrize("redefine", [False, True])
@pytest.mark.parametrize(("machine", "kept"), [("pc", False), ("q35", True), ("pc-q35-6.2", True)])
def test_a_nic_keeps_its_place_on_the_bus_that_it_is_on(machine: str, *, kept: bool, redefine: bool) -> None:
    """libvirt refuses a place of PCIe on PCI, and by its place on pcie.0 virtio would be transitional."""
    state, there_is = there(), lab()
    spec = there_is.machines[NAME].model_copy(update={"machine": machine})
    changed = there_is.model_copy(update={"machines": {**there_is.machines, NAME: spec}})

    [nic] = resolved_view(changed, NAME, state, redefine=redefine).nics

    assert (nic.address is not None) is kept


@pytest.mark.parametrize("redefine", [False, True])
def test_offloads_that_0_1_0_did_not_know_are_not_said_to_its_machines(*, redefine: bool) -> None:
    dark = lab(**{"nics: [{bridge: br-lab}]": "nics: [{bridge: br-lab, rsc: false}]"})
    state = there()
    dark_then = replace(state.journal, specs={NAME: spec_as_noted(dark.machines[NAME])})
    view = resolved_view(dark, NAME, replace(state, journal=dark_then), redefine=redefine)
    now = resolved_view(dark, NAME, state, redefine=redefine)

    assert ("guest_tunnel" in dict(view.nics[0].properties)) is redefine
    assert dict(now.nics[0].properties)["guest_tunnel"] is False, "what is asked for newly is said whole"


def test_what_is_noted_of_a_machine_that_was_there_is_what_it_was_made_with() -> None:
    opening = planned(lab(), there()).opening

    assert opening is not None
    [write] = [action for action in opening.do if isinstance(action, Run)]
    assert parse_journal(write.stdin).made[NAME].layout == 1


@pytest.mark.parametrize(
    "said",
    [
        {"enlightenments": 5},
        {"properties": [["a"]]},
        {"tsc": "fast"},
        {"layout": True},
        {"features": 1},
        {"later": 1},
        [],
    ],
)
def test_what_no_version_has_noted_of_a_machine_is_no_journal(said: object) -> None:
    text = json.loads(written_journal(Journal("/srv/lab.yaml", made={"vm": Made()})))
    whole = text["made"]["vm"]
    assert parse_journal(json.dumps(text)).made == {"vm": Made()}

    text["made"]["vm"] = {**whole, **said} if isinstance(said, dict) else said
    with pytest.raises(UnreadableError):
        parse_journal(json.dumps(text))
