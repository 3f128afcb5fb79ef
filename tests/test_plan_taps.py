"""Which TAPs are switched on again: what the host switched off, told from what the guest did by captured output."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provision.facts.ethtool_features import Feature
from provision.host.plan.readback import in_vain
from provision.host.plan.settings import plan_apply
from provision.host.plan.taps import late_steps, made_tap, taken_by_host, tap_steps_back_on, with_late
from provision.host.plan.up import plan_up
from provision.host.state import HostState
from provision.runtime.protocols import Domain
from provision.tables.offloads import BY_NAME
from tests.builders import features, one_vm
from tests.hosts import EMPTY, LAB, TAP, commands, running, runs, whats
from tests.labs import hlk

OFF = "offloads: {guest_tso6: off}"

TOLD = [
    ("negotiated-by-linux", ""),
    ("host-tx-off", "tx-checksum-ip-generic"),
    ("host-sg-off", "tx-scatter-gather"),
    ("host-tso-off", "tx-tcp-segmentation tx-tcp6-segmentation"),
    ("guest-dropped-rsc", "tx-tcp-segmentation tx-tcp6-segmentation"),
    ("guest-dropped-rsc-host-asked", ""),
    ("driver-without-tso", "tx-tcp-segmentation tx-tcp6-segmentation"),
    ("no-driver", ""),
    ("without-qemu", ""),
]
"""Captured states of a TAP, and what is tried on it. That a guest dropped it looks as if the host had: it is tried once."""


def tried(state: str, **lab: str) -> list[str]:
    found = replace(running(), features={"tap0": features(state)})
    return [
        " ".join(argv[4:])
        for step in tap_steps_back_on(one_vm(**lab), ["vm"], found)
        for argv in commands(step)
    ]


@pytest.mark.parametrize(("state", "names"), TOLD)
def test_what_is_tried_on_a_tap(state: str, names: str) -> None:
    words = " ".join(f"{name} on" for name in names.split())

    assert tried(state) == ([f"ethtool -K tap0 {words}"] if words else [])


@pytest.mark.parametrize("off", ["tx-checksum-ip-generic", "tx-scatter-gather"])
def test_tso_that_nobody_asks_for_is_not_tried_without_what_it_needs(off: str) -> None:
    """Checksum or scatter-gather that is off takes TSO with it; only beside both may the host have taken TSO itself."""
    there = {**features("driver-without-tso")}
    there[off] = Feature(active=False, requested=False, fixed=False)

    offered = ["guest_tso4", "guest_tso6"]
    tso = {BY_NAME[name].tap for name in offered}

    assert tso <= {*taken_by_host(features("driver-without-tso"), offered)}
    assert not tso & {*taken_by_host(there, offered)}


def test_what_the_lab_file_does_not_offer_is_not_asked_for() -> None:
    nic = 'mac: "52:54:00:12:34:56"'

    assert tried("host-tso-off", **{nic: f"{nic}, {OFF}"}) == ["ethtool -K tap0 tx-tcp-segmentation on"]


@pytest.mark.parametrize("state", ["host-tx-off", "hck-wire-like"])
@pytest.mark.parametrize("more", ["rsc: false", "model: e1000e, rsc: false"])
def test_a_nic_that_is_not_to_receive_large_frames_is_left_alone(state: str, more: str) -> None:
    nic = 'mac: "52:54:00:12:34:56"'

    assert tried(state, **{nic: f"{nic}, {more}"}) == []


def test_a_test_nics_tx_off_is_as_meant() -> None:
    """`rsc: hck` is made wire-like on purpose."""
    changes = {"guest: linux": "guest: linux\n    purpose: hck", 'mac: "52:54:00:12:34:56"': "rsc: hck"}

    assert tried("hck-wire-like", **changes) == []


def test_a_machine_without_its_tap_is_left_alone() -> None:
    assert list(tap_steps_back_on(one_vm(), ["vm"], running())) == []


@pytest.mark.parametrize(
    ("backend", "held", "left_alone"),
    [("qemu", (), True), ("libvirt", (), True), ("libvirt", ("tap1",), True), ("libvirt", ("tap0",), False)],
)
def test_a_device_of_that_name_that_somebody_else_made_is_left_alone(
    backend: str, held: tuple[str, ...], *, left_alone: bool
) -> None:
    """libvirt's own TAPs bear no mark: its machine's QEMU holds them."""
    links = {"tap0": replace(TAP, alias="")}
    off = {"tap0": features("host-tso-off")}
    found = replace(EMPTY, links=links, features=off, held={"vm": frozenset(held)})

    assert (list(tap_steps_back_on(one_vm(backend), ["vm"], found)) == []) is left_alone


def test_the_step_is_tried_shown_and_never_guarded() -> None:
    found = replace(running(), features={"tap0": features("host-tx-off")})

    plan = plan_apply(one_vm(), "local", found)
    [step] = plan.steps

    assert (step.attempt, step.guarded, step.makes) == (True, False, ())
    assert step.diff == ("  tap0", "-   tx-checksum-ip-generic: off", "+   tx-checksum-ip-generic: on")
    assert step.undo


CHECKSUM = "tx-checksum-ip-generic"


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (Feature(active=True, requested=True, fixed=False), ""),
        (Feature(active=False, requested=True, fixed=False), "the guest's negotiation has the last word"),
        (Feature(active=False, requested=False, fixed=False), "the host did not take it"),
    ],
)
def test_what_was_tried_in_vain_is_told_with_whose_doing_that_is(now: Feature, why: str) -> None:
    found = replace(running(), features={"tap0": features("host-tx-off")})
    steps = [*tap_steps_back_on(one_vm(), ["vm"], found)]
    others = plan_up(LAB, "local", ["vm"], EMPTY).steps

    vain = in_vain({"tap0": {**features("host-tx-off"), CHECKSUM: now}}, [*others, *steps])

    assert vain == ([(steps[0], f"tap0: {CHECKSUM} stays {now}: {why}")] if why else [])
    assert in_vain({}, steps) == [], "a TAP that has gone has refused nothing"


def test_a_tap_on_a_bridge_that_stands_for_a_cable_queues_as_much_as_autohcks() -> None:
    lab = hlk("qemu")
    queues = {
        nic.name: [
            word for argv in made_tap(lab, name, nic, ovs=False).commands for word in argv if word == "11000"
        ]
        for name, machine in lab.machines.items()
        for nic in machine.nics
    }

    assert {name for name, found in queues.items() if found} == {"test"}


def on_the_wire(queue: int, *, held: bool = True) -> HostState:
    """A host where an HLK lab's DUT runs under libvirt, on a TAP that queues so many packets."""
    [nic] = [each for each in HLK_LAB.machines[DUT].nics if each.name == "test"]
    tap = replace(TAP, name=nic.ifname, alias="", master=str(nic.bridge), queue=queue)
    return replace(
        EMPTY,
        links={tap.name: tap},
        held={DUT: frozenset({tap.name})} if held else {},
        domains={DUT: Domain(DUT, "running", "<domain/>", "<domain/>")},
    )


DUT, HLK_LAB = "rsc-dut", hlk()


def test_libvirts_tap_on_such_a_bridge_is_set_to_queue_as_much_where_it_is_proven_the_machines() -> None:
    [step] = late_steps(HLK_LAB, [DUT], on_the_wire(1000))
    [tap] = step.devices

    assert commands(step) == [("ip", "link", "set", "dev", tap, "txqueuelen", "11000")]
    assert runs(step.undo)[0].argv == ("ip", "link", "set", "dev", tap, "txqueuelen", "1000")
    assert [*late_steps(HLK_LAB, [DUT], on_the_wire(11000))] == []
    assert [*late_steps(HLK_LAB, [DUT], on_the_wire(1000, held=False))] == []


def test_why_it_is_set_names_libvirt_where_libvirt_made_it() -> None:
    bare = hlk("qemu")
    for lab, libvirts in ((HLK_LAB, True), (bare, False)):
        [step] = late_steps(lab, [DUT], on_the_wire(500))
        assert ("libvirt" in step.why) is libvirts


def test_a_tap_that_queues_less_is_said_by_every_plan() -> None:
    found = on_the_wire(1000)
    [what] = whats((*late_steps(HLK_LAB, [DUT], found),))

    assert what in whats(plan_up(HLK_LAB, "local", [DUT], found).steps)
    assert what in whats(plan_apply(HLK_LAB, "local", found).steps)
    unproven = plan_apply(HLK_LAB, "local", on_the_wire(1000, held=False)).notes
    assert any("txqueuelen 11000 is not set: that" in note for note in unproven)
    assert not any("txqueuelen" in note for note in plan_apply(HLK_LAB, "local", on_the_wire(11000, held=False)).notes)  # fmt: skip


def test_what_libvirt_makes_is_set_once_it_runs_and_what_we_make_from_the_start() -> None:
    for backend, late in (("libvirt", [DUT, "rsc-support"]), ("qemu", [])):
        lab = hlk(backend)
        said = [note for name in lab.machines for note in plan_up(lab, "local", [name], EMPTY).notes]

        assert with_late(lab, list(lab.machines)) == late
        assert [note for note in said if "txqueuelen" in note] == [
            f"{name}.test: txqueuelen 11000 of its TAP is set once it runs" for name in late
        ]
