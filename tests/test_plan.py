"""What `up` would do, and what stands in its way, on hosts that are plain data."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provision.facts.accelerators import Accelerators
from provision.facts.ip import Link
from provision.facts.qemu import Emulator
from provision.host.journal import Journal, Thing, parse_journal
from provision.host.marks import unfinished_name
from provision.host.plan.down import plan_down
from provision.host.plan.resolved import resolved_view
from provision.host.plan.steps import Drift
from provision.host.plan.up import plan_up
from provision.host.state import HostState
from provision.lab.identity import spec_as_noted
from provision.render.machine import domain_xml
from provision.runtime.command import Run
from provision.runtime.protocols import Domain
from tests.builders import one_vm
from tests.hosts import (
    BRIDGE,
    EMPTY,
    EVERYTHING,
    LAB,
    TAP,
    allowed,
    capable,
    commands,
    every,
    lacking,
    lacking_for_settings,
    running,
    whats,
)


def test_up_makes_what_is_missing_and_notes_it_first() -> None:
    plan = plan_up(LAB, "local", ["vm"], EMPTY)

    assert [what.split(" ")[0:2] for what in whats(every(plan))] == [
        ["note", "in"], ["make", "bridge"], ["make", "TAP"], ["start", "vm"]]  # fmt: skip
    assert all(step.why for step in plan.steps)
    assert plan.notes == ()


def test_up_changes_nothing_where_all_is_there() -> None:
    plan = plan_up(LAB, "local", ["vm"], running())

    assert plan.steps == ()
    assert plan.drift == ()


@pytest.mark.parametrize(("queues", "flags"), [(1, ("vnet_hdr",)), (4, ("vnet_hdr", "multi_queue"))])
def test_a_tap_is_multi_queue_if_and_only_if_it_has_queues(queues: int, flags: tuple[str, ...]) -> None:
    lab = one_vm(**{"ifname: tap0": f"ifname: tap0, queues: {queues}"})

    step = next(s for s in plan_up(lab, "local", ["vm"], EMPTY).steps if "TAP" in s.what)

    assert commands(step)[0] == ("ip", "tuntap", "add", "dev", "tap0", "mode", "tap", *flags)
    assert step.diff == (f"+ tap tap0 {' '.join(flags)}", "+   bridge br-lab")


def test_a_machine_that_runs_otherwise_is_drift_and_not_touched() -> None:
    plan = plan_up(one_vm(**{"256MiB": "512MiB"}), "local", ["vm"], running())

    assert plan.steps == ()
    assert plan.drift == (
        Drift(
            "vm",
            "vm runs with other settings than the lab file has",
            ('- "memory": "262144KiB",', '+ "memory": "524288KiB",'),
        ),
    )


def test_what_auto_came_to_is_no_drift() -> None:
    later = capable(allowed(running(), vhost=True), accelerators=Accelerators(tcg=500, kvm=40))

    assert plan_up(one_vm(), "local", ["vm"], later).drift == ()


@pytest.mark.parametrize(("device", "what"), [("tap0", "TAP tap0"), ("br-lab", "bridge br-lab")])
def test_a_device_that_was_left_half_made_is_made_anew_and_removed(device: str, what: str) -> None:
    """A killed run leaves it under the name that it has until it is marked."""
    found = replace(running(), processes={})
    name = unfinished_name(LAB, device)
    links = {each: link for each, link in found.links.items() if each != device}
    half = replace(found, links={**links, name: replace(found.links[device], name=name, alias="")})

    assert f"make {what}" in whats(plan_up(LAB, "local", ["vm"], half).steps)
    assert f"remove {what.partition(' ')[0]} {name}" in whats(plan_down(LAB, None, half).steps)
    theirs = replace(half, journal=Journal())
    assert f"remove {what.partition(' ')[0]} {name}" not in whats(plan_down(LAB, None, theirs).steps)


@pytest.mark.parametrize("device", ["tap0", "br-lab"])
def test_what_bears_a_noted_name_without_our_mark_is_somebody_elses(device: str) -> None:
    """However it came there while an `up` was killed: ours would have been marked before it got that name."""
    found = replace(running(), processes={})
    theirs = replace(found, links={**found.links, device: replace(found.links[device], alias="")})

    assert not any(
        f"make TAP {device}" in what for what in whats(plan_up(LAB, "local", ["vm"], theirs).steps)
    )
    assert not any(device in what for what in whats(plan_down(LAB, None, theirs).steps))


def test_a_qemu_that_has_lost_its_tap_is_drift_and_gets_none() -> None:
    found = running()
    plan = plan_up(LAB, "local", ["vm"], replace(found, links={"br-lab": BRIDGE}))

    assert plan.steps == ()
    assert [drift.what for drift in plan.drift] == ["vm runs without its TAP tap0, which has gone"]


def test_an_overlay_that_a_running_machine_has_lost_is_drift_and_not_made_anew() -> None:
    lab = one_vm(**{"nics:": "disks: [{image: /srv/base.qcow2}]\n    nics:"})

    plan = plan_up(lab, "local", ["vm"], running())

    assert not any("overlay" in step.what for step in plan.steps)
    assert any("which has been deleted" in drift.what for drift in plan.drift)


def test_a_bridge_that_somebody_made_in_place_of_ours_is_used_and_not_removed() -> None:
    plan = plan_up(LAB, "local", ["vm"], EMPTY)
    assert plan.opening is not None
    [written] = [action for action in plan.opening.do if isinstance(action, Run)]
    theirs = replace(
        running(), journal=parse_journal(written.stdin), links={"br-lab": replace(BRIDGE, alias="")}
    )

    assert not any(
        "br-lab" in str(command)
        for s in plan_up(LAB, "local", ["vm"], theirs).steps
        for command in commands(s)
        if "del" in command
    )
    assert not any("bridge" in what for what in whats(plan_down(LAB, None, theirs).steps))


def test_another_lab_file_of_the_same_name_is_refused() -> None:
    theirs = replace(running(), journal=replace(running().journal, file="/home/other/lab.yaml"))

    assert "is of another lab file, /home/other/lab.yaml" in lacking(LAB, ["vm"], theirs)[0]


def test_a_libvirt_machine_is_defined_and_started() -> None:
    plan = plan_up(one_vm("libvirt"), "local", ["vm"], EMPTY)

    assert whats(plan.steps) == ["make bridge br-lab", "define vm", "start vm"]


def test_a_domain_of_an_older_lab_file_is_defined_anew_while_off() -> None:
    lab, newer = one_vm("libvirt"), one_vm("libvirt", **{"256MiB": "512MiB"})
    xml = domain_xml(resolved_view(lab, "vm", EMPTY))
    off = replace(EMPTY, links={"br-lab": BRIDGE}, domains={"vm": Domain("vm", "off", xml, xml)})
    on = replace(off, domains={"vm": Domain("vm", "running", xml, xml)})

    assert whats(plan_up(lab, "local", ["vm"], off).steps) == ["start vm"]
    define, start = plan_up(newer, "local", ["vm"], off).steps
    assert [define.what, start.what] == ["define vm anew", "start vm"]
    noted = replace(off, journal=Journal(lab.file, specs={"vm": spec_as_noted(lab.machines["vm"])}))
    told = plan_up(newer, "local", ["vm"], noted).steps[0].diff
    assert [line.split() for line in told if line[0] in "+-"] == [
        ["-", "<memory", 'unit="KiB">262144</memory>'],
        ["+", "<memory", 'unit="KiB">524288</memory>'],
    ]
    assert define.diff == ("- memory: 262144 KiB", "+ memory: 524288 KiB"), "with no journal by what is there"
    assert plan_up(newer, "local", ["vm"], on).steps == ()
    assert plan_up(newer, "local", ["vm"], on).drift


def test_a_later_measurement_of_accelerators_makes_no_other_machine_of_one_that_is_there() -> None:
    lab = one_vm("libvirt", **{"accel: tcg": "accel: auto"})
    fast, slow = Accelerators(tcg=500, kvm=40), Accelerators(tcg=500, kvm=501)
    made = capable(replace(EMPTY, links={"br-lab": BRIDGE}), accelerators=fast)
    xml = domain_xml(resolved_view(lab, "vm", made))
    domain = {"vm": Domain("vm", "running", xml, xml)}
    later = capable(replace(made, domains=domain, journal=Journal(kvm={"vm": True})), accelerators=slow)

    assert plan_up(lab, "local", ["vm"], later).steps == ()
    assert plan_up(lab, "local", ["vm"], later).drift == ()


def test_a_domain_that_was_made_at_another_libvirt_stands_in_the_way() -> None:
    elsewhere = replace(EMPTY, journal=Journal(things=(Thing("domain", "vm", "vm", "qemu:///session"),)))

    assert any("made at qemu:///session" in s for s in lacking(one_vm("libvirt"), ["vm"], elsewhere))


def test_an_uplink_of_another_bridge_is_not_taken_away_from_it() -> None:
    lab = one_vm(**{"address: 10.9.0.1/24": "uplink: eno1"})
    eno1 = Link("eno1", "", "", up=True, mtu=1500, master="br-prod")
    ours, theirs = replace(BRIDGE, addresses=()), replace(BRIDGE, alias="theirs")
    words = "bridge br-lab: its uplink eno1 is on br-prod"

    for found, taken in (({}, True), ({"br-lab": ours}, True), ({"br-lab": theirs}, False)):
        host = replace(EMPTY, links={"eno1": eno1, **found})
        assert (words in lacking(lab, ["vm"], host)) is taken
        assert (words in lacking(lab, [], host)) is taken, "also where no machine is on it"
        assert (words in lacking_for_settings(lab, host)) is taken


def test_an_old_qemu_is_told_nothing_of_uso_and_that_is_said() -> None:
    old = capable(
        EMPTY,
        qemus={"vm": Emulator("qemu", "7.2.22", EVERYTHING - {"guest_uso4", "guest_uso6", "host_uso"})},
    )

    assert plan_up(LAB, "local", ["vm"], old).notes == (
        "QEMU 7.2.22 has no guest_uso4, guest_uso6, host_uso: left out",
    )


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (replace(EMPTY, files=frozenset()), "no kernel at /srv/vmlinuz"),
        (allowed(EMPTY, tun="making TAPs and bridges needs root"), "needs root"),
        (allowed(EMPTY, programs=frozenset()), "ethtool is not installed"),
        (
            capable(EMPTY, qemus={"vm": Emulator("qemu-system-x86_64")}),
            "qemu-system-x86_64 is not installed",
        ),
        (replace(EMPTY, links={"tap0": replace(TAP, alias="theirs")}), "tap0 is there and is not ours"),
        (replace(EMPTY, links={"br-lab": replace(TAP, name="br-lab")}), "br-lab is there and is no bridge"),
        (allowed(EMPTY, writable=False), "/var/lib/rscvm/lab cannot be written"),
    ],
)
def test_what_the_host_lacks_is_said_before_anything_is_touched(found: HostState, words: str) -> None:
    assert any(words in sentence for sentence in lacking(LAB, ["vm"], found))


def test_a_state_directory_that_leaves_no_room_for_a_socket_stands_in_the_way() -> None:
    deep = LAB.model_copy(update={"state_dir": "/" + "d" * 100})

    assert any("too long a name for a socket" in s for s in lacking(deep, ["vm"], EMPTY))


def test_a_sockets_name_is_its_machines_as_long_as_the_kernel_takes_it() -> None:
    """sun_path has 108 bytes, and the last is a NUL."""
    longest, own, short = 107, len("/lab/vm.agent"), len("/0123456789ab.agent")
    for length in (longest - own, longest - own + 1, longest - short, longest - short + 1):
        lab = LAB.model_copy(update={"state_dir": "/" + "d" * (length - 1)})
        socket = resolved_view(lab, "vm", EMPTY).socket("agent")
        refused = any("too long a name" in s for s in lacking(lab, ["vm"], EMPTY))

        assert socket.endswith("/lab/vm.agent") is (length + own <= longest)
        assert refused is (len(socket) > longest)


def test_a_host_that_has_all_lacks_nothing() -> None:
    assert lacking(LAB, ["vm"], EMPTY) == ()
    assert lacking(LAB, ["vm"], running()) == ()


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
    old = capable(EMPTY, qemus={"vm": Emulator("qemu", "7.2.22", EVERYTHING - {"host_uso"})})

    assert any(words in sentence for sentence in lacking(one_vm(**changes), ["vm"], old))


@pytest.mark.parametrize(
    ("nic", "missed"),
    [("rsc: true", ()), ("rsc: false", ()), ("rsc: hck", ("guest_rsc_ext", "rsc_interval"))],
)
def test_the_engines_properties_are_missed_where_the_engine_is_asked_for(
    nic: str, missed: tuple[str, ...]
) -> None:
    lab = one_vm(**{"ifname: tap0": f"ifname: tap0, {nic}", "guest: linux": "guest: linux\n    purpose: hck"})

    assert lab.machines["vm"].nics[0].unknown_to(EVERYTHING - {"guest_rsc_ext", "rsc_interval"}) == missed
