"""What `down` removes, and what it leaves alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provision.facts.ip import Link
from provision.host.journal import Journal, Made, Thing, parse_journal, written_journal
from provision.host.plan.down import plan_down
from provision.host.plan.resolved import resolved_view
from provision.host.plan.steps import Action, Destroy, Undefine
from provision.host.plan.up import plan_up
from provision.host.state import HostState
from provision.render.machine import domain_xml
from provision.runtime.command import Run
from provision.runtime.errors import UnreadableError
from provision.runtime.protocols import Domain
from tests.builders import one_vm
from tests.hosts import BRIDGE, EMPTY, LAB, TAP, every, lacking, noting, running, runs, whats


def test_an_unmarked_device_is_not_ours() -> None:
    found = running()
    unmarked = {name: replace(link, alias="") for name, link in found.links.items()}
    rebooted = replace(found, links=unmarked, boot="boot-2", processes={})

    assert not any(
        "remove" in what and "'s" not in what for what in whats(plan_down(LAB, None, rebooted).steps)
    )
    assert any("tap0 is there and is not ours" in words for words in lacking(LAB, ["vm"], rebooted))


def test_a_device_that_somebody_made_after_a_reboot_is_forgotten_and_stays_for_every_later_run() -> None:
    found = running()
    theirs = {"br-lab": replace(BRIDGE, alias="")}
    rebooted = replace(found, links=theirs, boot="boot-2", processes={})

    plan = plan_down(LAB, None, rebooted)
    up = plan_up(LAB, "local", ["vm"], rebooted)

    assert plan.closing is not None
    assert up.opening is not None
    assert not any("br-lab" in str(action) for step in every(plan) for action in step.do)
    [written] = [action for action in up.opening.do if isinstance(action, Run)]
    later = replace(rebooted, journal=parse_journal(written.stdin))
    assert not any("bridge" in step.what for step in plan_down(LAB, None, later).steps)
    assert not any("bridge" in step.what for step in plan_up(LAB, "local", ["vm"], later).steps)


def test_down_removes_what_up_made_and_forgets() -> None:
    plan = plan_down(LAB, None, running())

    assert whats(every(plan)) == [
        "stop vm",
        "remove TAP tap0",
        "remove vm's sockets and log",
        "remove bridge br-lab",
        "bring /var/lib/rscvm/lab/journal.json up to date",
    ]


def test_down_finds_our_devices_without_a_journal() -> None:
    plan = plan_down(LAB, None, replace(running(), journal=Journal()))

    assert {"remove TAP tap0", "remove bridge br-lab", "stop vm"} <= set(whats(plan.steps))


def test_down_leaves_devices_of_our_names_that_are_not_ours() -> None:
    theirs = {"br-lab": replace(BRIDGE, alias="prod"), "tap0": replace(TAP, alias="theirs")}

    plan = plan_down(LAB, None, replace(running(), links=theirs))

    assert not any("TAP" in what or "bridge" in what for what in whats(plan.steps))
    assert any("tap0 does not bear this lab's mark" in note for note in plan.notes)


def test_down_leaves_a_bridge_that_carries_others() -> None:
    found = running()
    guest = Link("vnet7", "tun", "", up=True, mtu=1500, master="br-lab", tap=True)

    plan = plan_down(LAB, None, replace(found, links={**found.links, "vnet7": guest}))

    assert "remove bridge br-lab" not in whats(plan.steps)
    assert any("carries vnet7" in note for note in plan.notes)


def test_down_of_one_machine_leaves_what_the_lab_shares() -> None:
    found = running()
    other = replace(found, journal=noting(found, Thing("tap", "tap9", "other")))

    plan = plan_down(LAB, ["vm"], other)

    assert "remove TAP tap0" in whats(plan.steps)
    assert "remove bridge br-lab" not in whats(plan.steps)


def test_down_of_a_machine_leaves_what_apply_has_set_of_the_host() -> None:
    nic, link = (
        Thing("nic", "eno1", was="{}"),
        Thing("link-file", "/etc/systemd/network/10-rscvm-lab-eno1.link"),
    )
    found = running()
    set_up = replace(found, journal=replace(found.journal, things=(*found.journal.things, nic, link)))
    alone = replace(EMPTY, journal=Journal(LAB.file, (nic, link, Thing("bridge", "br-lab"))))

    down = plan_down(LAB, ["vm"], set_up)

    assert "remove bridge br-lab" in whats(down.steps)
    assert not any("eno1" in what for what in whats(down.steps))
    assert plan_down(LAB, ["vm"], alone).steps == ()


def test_down_leaves_a_domain_that_is_not_ours() -> None:
    theirs = Domain("vm", "running", "<domain><name>vm</name></domain>", "<domain><name>vm</name></domain>")
    found = replace(
        EMPTY,
        domains={"vm": theirs},
        journal=Journal(LAB.file, (Thing("domain", "vm", "vm", "qemu:///system"),)),
    )

    plan = plan_down(one_vm("libvirt"), None, found)

    assert not any("vm" in what.split() for what in whats(plan.steps))
    assert plan.kept == ("domain vm does not bear this lab's mark: left alone",)


def test_keep_disks_keeps_them_and_remembers_them() -> None:
    disk = Thing("disk", "/var/lib/rscvm/lab/vm-0.qcow2", "vm")
    found = replace(running(), journal=noting(running(), disk))

    kept = plan_down(LAB, None, found, keep_disks=True)
    gone = plan_down(LAB, None, found)

    assert not any("overlays" in what for what in whats(kept.steps))
    assert "vm-0.qcow2" in [a.stdin for s in every(kept) for a in s.do if isinstance(a, Run)][-1]
    assert "remove vm's overlays, firmware variables and TPM state" in whats(gone.steps)


@pytest.mark.parametrize("was", [None, '[["ethtool"]]', '{"features": 3}', "half a jour"])
def test_a_journal_that_cannot_be_read_tells_the_way_on(was: str | None) -> None:
    text = "half a jour" if was is None else written_journal(Journal(things=(Thing("nic", "eno1", was=was),)))

    with pytest.raises(UnreadableError) as caught:
        parse_journal(text)

    assert "move journal.json out of the lab's directory" in caught.value.hint


def of_libvirt(state: str = "running", *, defined: bool = True, keys: str = "firmware: uefi") -> HostState:
    """A host where the machine is a domain of ours."""
    lab = one_vm("libvirt", **{"accel: tcg": f"accel: tcg\n    {keys}", "kernel:": "#"})
    xml = domain_xml(resolved_view(lab, "vm", EMPTY))
    journal = Journal(lab.file, (Thing("domain", "vm", "vm", "qemu:///system"),))
    return replace(EMPTY, domains={"vm": Domain("vm", state, xml, xml if defined else "")}, journal=journal)


@pytest.mark.parametrize(
    ("found", "keep_disks", "actions"),
    [
        (of_libvirt(), False, (Destroy("vm"), Undefine("vm"))),
        (of_libvirt("off"), False, (Undefine("vm"),)),
        (of_libvirt(keys="firmware: bios"), True, (Destroy("vm"), Undefine("vm"))),
        (of_libvirt(defined=False), False, (Destroy("vm"),)),
        (of_libvirt(defined=False), True, (Destroy("vm"),)),
    ],
)
def test_a_domain_goes_with_its_definition_where_it_has_one(
    found: HostState, actions: tuple[Action, ...], *, keep_disks: bool
) -> None:
    plan = plan_down(one_vm("libvirt"), None, found, keep_disks=keep_disks)

    [step] = plan.steps
    assert step.do == actions
    assert plan.notes == ()
    assert plan.closing is not None
    assert "bring" in plan.closing.what
    assert not any(run.stdin for run in runs(plan.closing.do)), "nothing is left to be noted"


@pytest.mark.parametrize(("state", "actions"), [("running", [(Destroy("vm"),)]), ("off", [])])
def test_with_its_disks_a_domain_keeps_the_definition_that_its_firmwares_variables_go_with(
    state: str, actions: list[tuple[Action, ...]]
) -> None:
    found = of_libvirt(state)
    journal = replace(found.journal, specs={"vm": {}}, kvm={"vm": True}, made={"vm": Made(2, tsc=1)})
    plan = plan_down(one_vm("libvirt"), None, replace(found, journal=journal), keep_disks=True)

    assert [step.do for step in plan.steps] == actions
    assert plan.notes == ("domain vm stays defined: libvirt keeps its firmware or TPM state with it",)
    assert plan.closing is not None
    [written] = runs(plan.closing.do)
    left = parse_journal(written.stdin)
    assert [thing.name for thing in left.things] == ["vm"]
    assert (left.specs, left.kvm, left.made) == (journal.specs, journal.kvm, journal.made)


def test_a_domain_that_has_gone_needs_nothing() -> None:
    plan = plan_down(one_vm("libvirt"), None, replace(of_libvirt(), domains={}))

    assert (plan.steps, plan.notes) == ((), ())


@pytest.mark.parametrize("there", [True, False])
def test_a_nic_that_has_gone_is_not_put_back(*, there: bool) -> None:
    link = Link("eno1", "", "", up=True, mtu=1500, master="")
    was = '{"features": {"generic-receive-offload": true}}'
    found = replace(
        EMPTY,
        links={"eno1": link} if there else {},
        journal=Journal(LAB.file, (Thing("nic", "eno1", was=was),)),
    )

    assert whats(plan_down(LAB, None, found).steps) == (["put eno1's settings back"] if there else [])
