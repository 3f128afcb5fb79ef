"""Plans, takedowns, requirements and their carrying out, on hosts that are plain data."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provision.apply import take, take_on
from provision.command import Domain
from provision.errors import CommandError
from provision.facts.host import Accelerators, HostFound, Process, QemuFound
from provision.facts.ip import Link
from provision.offloads import OFFLOADS
from provision.ownership import Thing, link_mark
from provision.plan import chosen_view, plan_up, started_argv
from provision.render import domain_xml
from provision.requirements import missing
from provision.steps import Run, Step
from provision.takedown import plan_down
from tests.builders import FakeEdges, FakeHost, one_vm

EVERYTHING = frozenset(row.name for row in OFFLOADS) | {"rsc_interval"}
LAB = one_vm()
MARK = link_mark(LAB.state_dir, "lab", "vm", "net0")
BRIDGE = Link("br-lab", "bridge", link_mark(LAB.state_dir, "lab", "", "br-lab"), up=True, mtu=1500, master="")
TAP = Link("tap0", "tun", MARK, up=True, mtu=1500, master="br-lab", tap=True)
EMPTY = HostFound(
    "local",
    files=frozenset({"/srv/vmlinuz", "/srv/initrd.gz"}),
    qemus={"vm": QemuFound("qemu-system-x86_64", "7.2.22", EVERYTHING)},
    accelerators=Accelerators(tcg=500, kvm="none"),
    programs=frozenset({"ip", "ethtool", "qemu-img"}),
)
PID = "/var/lib/rscvm/lab/vm.pid"


def running(found: HostFound = EMPTY) -> HostFound:
    argv = started_argv(chosen_view(LAB, "vm", found))
    things = (
        Thing("bridge", "br-lab"),
        Thing("tap", "tap0", "vm"),
        Thing("process", PID, "vm"),
        Thing("file", PID, "vm"),
    )
    return replace(
        found, links={"br-lab": BRIDGE, "tap0": TAP}, processes={PID: Process(7, argv)}, journal=things
    )


def whats(steps: tuple[Step, ...]) -> list[str]:
    return [step.what for step in steps]


def commands(step: Step) -> list[tuple[str, ...]]:
    return [action.argv for action in step.do if isinstance(action, Run)]


def test_up_makes_what_is_missing_and_notes_it_first() -> None:
    plan = plan_up(LAB, "local", ["vm"], EMPTY)

    assert [what.split(" ")[0:2] for what in whats(plan.steps)] == [
        ["note", "in"], ["make", "bridge"], ["make", "TAP"], ["start", "vm"]]  # fmt: skip
    assert all(step.why for step in plan.steps)


def test_up_changes_nothing_where_all_is_there() -> None:
    plan = plan_up(LAB, "local", ["vm"], running())

    assert plan.steps == ()
    assert plan.drift == ()


@pytest.mark.parametrize(("queues", "flags"), [(1, ("vnet_hdr",)), (4, ("vnet_hdr", "multi_queue"))])
def test_a_tap_is_multi_queue_if_and_only_if_it_has_queues(queues: int, flags: tuple[str, ...]) -> None:
    lab = one_vm(**{"ifname: tap0": f"ifname: tap0, queues: {queues}"})

    step = next(s for s in plan_up(lab, "local", ["vm"], EMPTY).steps if "TAP" in s.what)

    assert commands(step)[0] == ("ip", "tuntap", "add", "dev", "tap0", "mode", "tap", *flags)


def test_a_machine_that_runs_otherwise_is_drift_and_not_touched() -> None:
    found = running()
    other = replace(found, processes={PID: Process(7, ("qemu", "-m", "1", "-pidfile", PID))})

    plan = plan_up(LAB, "local", ["vm"], other)

    assert plan.steps == ()
    assert "vm runs with another command line" in plan.drift[0]


def test_a_libvirt_machine_is_defined_and_started() -> None:
    plan = plan_up(one_vm("libvirt"), "local", ["vm"], EMPTY)

    assert whats(plan.steps)[1:] == ["make bridge br-lab", "define vm", "start vm"]


def test_a_domain_of_an_older_lab_file_is_defined_anew_while_off() -> None:
    lab, newer = one_vm("libvirt"), one_vm("libvirt", **{"256MiB": "512MiB"})
    xml = domain_xml(chosen_view(lab, "vm", EMPTY))
    off = replace(EMPTY, links={"br-lab": BRIDGE}, domains={"vm": Domain("vm", "off", xml, xml)})
    on = replace(off, domains={"vm": Domain("vm", "running", xml, xml)})

    assert whats(plan_up(lab, "local", ["vm"], off).steps)[1:] == ["start vm"]
    assert whats(plan_up(newer, "local", ["vm"], off).steps)[1:] == ["define vm anew", "start vm"]
    assert plan_up(newer, "local", ["vm"], on).steps == ()
    assert plan_up(newer, "local", ["vm"], on).drift


def test_an_old_qemu_is_told_nothing_of_uso_and_that_is_said() -> None:
    old = replace(
        EMPTY,
        qemus={"vm": QemuFound("qemu", "7.2.22", EVERYTHING - {"guest_uso4", "guest_uso6", "host_uso"})},
    )

    assert plan_up(LAB, "local", ["vm"], old).notes == (
        "QEMU 7.2.22 has no guest_uso4, guest_uso6, host_uso: left out",
    )


def test_down_removes_what_up_made_and_forgets() -> None:
    plan = plan_down(LAB, None, running())

    assert whats(plan.steps) == [
        "stop vm",
        "remove TAP tap0",
        "remove vm's sockets and log",
        "remove bridge br-lab",
        "bring /var/lib/rscvm/lab/journal.json up to date",
    ]


def test_down_finds_our_devices_without_a_journal() -> None:
    plan = plan_down(LAB, None, replace(running(), journal=()))

    assert {"remove TAP tap0", "remove bridge br-lab", "stop vm"} <= set(whats(plan.steps))


def test_down_leaves_devices_of_our_names_that_are_not_ours() -> None:
    theirs = {"br-lab": replace(BRIDGE, alias="prod"), "tap0": replace(TAP, alias="theirs")}

    plan = plan_down(LAB, None, replace(running(), links=theirs))

    assert not any("TAP" in what or "bridge" in what for what in whats(plan.steps))
    assert any("tap0 does not bear this lab's mark" in note for note in plan.notes)


def test_down_takes_an_unmarked_tap_only_where_the_journal_knows_it() -> None:
    unmarked = {"tap0": replace(TAP, alias="")}

    assert "remove TAP tap0" in whats(plan_down(LAB, None, replace(running(), links=unmarked)).steps)
    assert "remove TAP tap0" not in whats(plan_down(LAB, None, replace(EMPTY, links=unmarked)).steps)


def test_down_leaves_a_bridge_that_carries_others() -> None:
    found = running()
    guest = Link("vnet7", "tun", "", up=True, mtu=1500, master="br-lab", tap=True)

    plan = plan_down(LAB, None, replace(found, links={**found.links, "vnet7": guest}))

    assert "remove bridge br-lab" not in whats(plan.steps)
    assert any("carries vnet7" in note for note in plan.notes)


def test_down_of_one_machine_leaves_what_the_lab_shares() -> None:
    found = running()
    other = replace(found, journal=(*found.journal, Thing("tap", "tap9", "other")))

    plan = plan_down(LAB, ["vm"], other)

    assert "remove TAP tap0" in whats(plan.steps)
    assert "remove bridge br-lab" not in whats(plan.steps)


def test_down_leaves_a_domain_that_is_not_ours() -> None:
    theirs = Domain("vm", "running", "<domain><name>vm</name></domain>", "<domain><name>vm</name></domain>")
    found = replace(EMPTY, domains={"vm": theirs}, journal=(Thing("domain", "vm", "vm", "qemu:///system"),))

    plan = plan_down(one_vm("libvirt"), None, found)

    assert not any("vm" in what.split() for what in whats(plan.steps))
    assert plan.notes == ("domain vm does not bear this lab's mark: left alone",)


def test_keep_disks_keeps_them_and_remembers_them() -> None:
    disk = Thing("disk", "/var/lib/rscvm/lab/vm-0.qcow2", "vm")
    found = replace(running(), journal=(*running().journal, disk))

    kept = plan_down(LAB, None, found, keep_disks=True)
    gone = plan_down(LAB, None, found)

    assert not any("overlays" in what for what in whats(kept.steps))
    assert "vm-0.qcow2" in [a.stdin for s in kept.steps for a in s.do if isinstance(a, Run)][-1]
    assert "remove vm's overlays and firmware variables" in whats(gone.steps)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (replace(EMPTY, files=frozenset()), "no kernel at /srv/vmlinuz"),
        (replace(EMPTY, tun="making TAPs and bridges needs root"), "needs root"),
        (replace(EMPTY, programs=frozenset()), "ethtool is not installed"),
        (
            replace(EMPTY, qemus={"vm": QemuFound("qemu-system-x86_64")}),
            "qemu-system-x86_64 is not installed",
        ),
        (replace(EMPTY, links={"tap0": replace(TAP, alias="theirs")}), "tap0 is there and is not ours"),
        (replace(EMPTY, links={"br-lab": replace(TAP, name="br-lab")}), "br-lab is there and is no bridge"),
        (replace(EMPTY, writable=False), "/var/lib/rscvm/lab cannot be written"),
    ],
)
def test_what_the_host_lacks_is_said_before_anything_is_touched(found: HostFound, words: str) -> None:
    assert any(words in sentence for sentence in missing(LAB, "local", ["vm"], found))


def test_a_host_that_has_all_lacks_nothing() -> None:
    assert missing(LAB, "local", ["vm"], EMPTY) == ()
    assert missing(LAB, "local", ["vm"], running()) == ()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"ifname: tap0": "ifname: tap0, offloads: {host_uso: on}"},
            "has no host_uso, which the lab file asks for",
        ),
        ({"ifname: tap0": "ifname: tap0, vhost: true"}, "vhost is true, and /dev/vhost-net cannot be opened"),
        ({"accel: tcg": "accel: kvm"}, "accel is kvm, and KVM is of no use here (none)"),
        ({"bridge: br-lab": "bridge: br-other"}, "bridge br-other is not there"),
    ],
)
def test_what_the_lab_file_asks_for_and_the_host_cannot(changes: dict[str, str], words: str) -> None:
    old = replace(EMPTY, qemus={"vm": QemuFound("qemu", "7.2.22", EVERYTHING - {"host_uso"})})

    assert any(words in sentence for sentence in missing(one_vm(**changes), "local", ["vm"], old))


def test_a_failed_step_takes_back_the_ones_before_it_last_first() -> None:
    edges = FakeEdges(FakeHost(failing="-daemonize"))
    said: list[str] = []

    with pytest.raises(CommandError, match="no such luck"):
        take(edges, plan_up(LAB, "local", ["vm"], EMPTY).steps, said.append)

    taken_back = [line for line in said if line.startswith("taken back: ")]
    assert [line.split(" ")[2] for line in taken_back] == ["start", "make", "make", "note"]
    assert ("ip", "link", "del", "dev", "tap0") in edges.runner.said


def test_a_device_that_could_not_be_made_is_not_removed() -> None:
    edges = FakeEdges(FakeHost(failing="tuntap"))

    with pytest.raises(CommandError):
        take(edges, plan_up(LAB, "local", ["vm"], EMPTY).steps, lambda _: None)

    assert ("ip", "link", "del", "dev", "tap0") not in edges.runner.said
    assert ("ip", "link", "del", "dev", "br-lab") in edges.runner.said


def test_an_interrupt_takes_back_too() -> None:
    edges = FakeEdges(FakeHost(interrupted_at="-daemonize"))

    with pytest.raises(KeyboardInterrupt):
        take(edges, plan_up(LAB, "local", ["vm"], EMPTY).steps, lambda _: None)

    assert ("ip", "link", "del", "dev", "br-lab") in edges.runner.said


def test_taking_down_goes_on_after_a_failure_and_keeps_the_journal() -> None:
    edges = FakeEdges(FakeHost(failing="tap0"))

    errors = take_on(edges, plan_down(LAB, None, running()).steps, lambda _: None)

    assert len(errors) == 1
    assert ("ip", "link", "del", "dev", "br-lab") in edges.runner.said
    assert not any("journal.json" in word for argv in edges.runner.said for word in argv)
