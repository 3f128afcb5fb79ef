"""What is done about each cause: asked of the TAP, edited in the definition, or told."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from provision.facts.ethtool_features import Feature
from provision.runtime.protocols import Domain
from provision.verbs.fix.definition import EDITED, edit_diffs, unified
from provision.verbs.fix.domain_edit import DropOverride, SetValue
from provision.verbs.fix.lab_keys import lab_words
from provision.verbs.fix.repair import BACK_ON, ONE_NUMBER, Repair, plan_repair
from provision.verify.collect.machines import collect_domain
from provision.verify.evidence import NicEvidence, Owner
from provision.verify.judge.verdict import judge_nic
from tests.builders import ON, FakeEdges, features, nic, one_vm, virtio
from tests.causes import CASES, HCK
from tests.repairs import NIC, TSO4_OFF, xml
from tests.starts import TSO6_OFF, domain, interface
from tests.starts import override as starts_with


def override(**properties: str) -> str:
    inner = "".join(f"<qemu:property name='{name}' value='{value}'/>" for name, value in properties.items())
    return (
        "<qemu:override><qemu:device alias='ua-net0'><qemu:frontend>"
        f"{inner}</qemu:frontend></qemu:device></qemu:override>"
    )


def repaired(evidence: NicEvidence, live: str = "", kept: str | None = None) -> Repair:
    live = live or xml()
    domain = Domain("vm", evidence.state, live, live if kept is None else kept)
    return plan_repair(judge_nic(evidence), domain)


def edits(repair: Repair) -> list[object]:
    return [mend.edit for mend in repair.mends]


def off(*names: str) -> NicEvidence:
    return nic(properties={**ON, **dict.fromkeys(names, False)})


@pytest.mark.parametrize("cause", CASES)
def test_every_cause_is_mended_or_told(cause: str) -> None:
    evidence = CASES[cause][0]
    repair = repaired(evidence, xml(f"<model type='{evidence.model}'/>"))

    assert bool(repair.told) != bool(repair.command or repair.mends)
    assert bool(repair.command) <= (cause in {*BACK_ON, ONE_NUMBER, "not-wire-like"})
    assert bool(repair.mends) <= (cause in EDITED)
    assert all("{tap}" not in line for line in repair.told)


@pytest.mark.parametrize(
    ("state", "names"),
    [
        ("host-tx-off", ["tx-checksum-ip-generic"]),
        ("host-sg-off", ["tx-scatter-gather"]),
        ("host-tso-off", ["tx-tcp-segmentation", "tx-tcp6-segmentation"]),
        ("guest-dropped-rsc", ["tx-tcp-segmentation", "tx-tcp6-segmentation"]),
    ],
)
def test_a_tap_is_asked_for_what_is_off_and_not_asked_for(state: str, names: list[str]) -> None:
    words = [word for name in names for word in (name, "on")]

    assert repaired(nic(features=features(state))).command == ("ethtool", "-K", "tap0", *words)


def test_of_one_family_only_its_own_segmentation_is_asked_for() -> None:
    six = {**features("negotiated-by-linux"), "tx-tcp6-segmentation": Feature(False, False, False)}

    assert [*repaired(nic(features=six)).switched] == ["tx-tcp6-segmentation"]


def test_what_the_driver_cannot_change_is_not_asked_for() -> None:
    fixed = {**features("negotiated-by-linux"), "tx-tcp6-segmentation": Feature(False, False, True)}
    repair = repaired(nic(features=fixed))

    assert repair.command == ()
    assert repair.told[0].startswith("tap-segmentation-off: nothing that can be changed from here")


@pytest.mark.parametrize(
    "evidence",
    [
        nic(),
        nic(rsc="false", virtio=virtio("rsc-false"), features=features("rsc-false")),
        nic(**HCK, virtio=virtio("hck-driver"), features=features("hck-wire-like")),
    ],
)
def test_a_nic_that_is_as_it_is_meant_to_be_is_left_alone(evidence: NicEvidence) -> None:
    assert repaired(evidence) == Repair(judge_nic(evidence))


def test_a_nic_that_shall_have_no_rsc_gets_none_by_the_way() -> None:
    """`rsc: false` with guest TSO offered and the TAP switched off by the host: nothing is switched on."""
    assert repaired(nic(rsc="false", features=features("host-tx-off"))).command == ()


GUEST = ("driver", "guest")


@pytest.mark.parametrize(
    ("live", "kept", "wanted"),
    [
        (xml(TSO4_OFF), None, [SetValue(0, GUEST, "tso4", "on")]),
        (xml(), None, [SetValue(0, GUEST, "tso4", "on")]),  # the machine type's own, or a -global
        (xml(more=override(guest_tso4="false")), None, [DropOverride("ua-net0", ("guest_tso4",))]),
        (
            xml(TSO4_OFF, override(guest_tso4="off")),
            None,
            [DropOverride("ua-net0", ("guest_tso4",)), SetValue(0, GUEST, "tso4", "on")],
        ),
    ],
)
def test_an_offload_is_switched_on_where_it_was_switched_off(
    live: str, kept: str | None, wanted: list[object]
) -> None:
    assert edits(repaired(off("guest_tso4"), live, kept)) == wanted


def test_only_the_broken_familys_offload_is_switched_on() -> None:
    assert edits(repaired(off("guest_tso6"))) == [SetValue(0, GUEST, "tso6", "on")]
    assert [edit.attribute for edit in edits(repaired(off("guest_csum"))) if isinstance(edit, SetValue)] == [
        "csum"
    ]


EMULATED = nic(model="e1000e", virtio=CASES["not-virtio"][0].virtio)
PRODUCTION = nic(virtio=virtio("hck-driver"))


@pytest.mark.parametrize(
    ("evidence", "live", "kept", "pending"),
    [
        (off("guest_tso4"), xml(TSO4_OFF), xml(), "guest_tso4 on"),
        (off("guest_tso4"), xml(more=override(guest_tso4="false")), xml(), "guest_tso4 on"),
        (EMULATED, xml("<model type='e1000e'/>"), xml("<model type='virtio-transitional'/>"), "model virtio"),
        (PRODUCTION, xml(more=override(guest_rsc_ext="true")), xml(), "no override of guest_rsc_ext"),
    ],
)
def test_what_the_definition_has_already_is_not_edited_again(
    evidence: NicEvidence, live: str, kept: str, pending: str
) -> None:
    repair = repaired(evidence, live, kept)

    assert (repair.mends, repair.pending, repair.told) == ((), (pending,), ())


def test_what_no_edit_of_ours_reaches_is_told() -> None:
    said_on = xml("<model type='virtio'/><driver><guest tso4='on'/></driver>")

    assert "look into its <qemu:commandline>" in repaired(off("guest_tso4"), said_on).told[0]
    assert "look into its <qemu:commandline>" in repaired(PRODUCTION).told[0]
    usb = xml("<model type='usb-net'/><address type='usb' bus='0' port='1'/>")
    assert "the NIC is on the usb bus" in repaired(EMULATED, usb).told[0]
    assert "left as it is" in repaired(nic(kind="hostdev", model=""), xml("")).told[0]


def with_vhost(**more: Any) -> NicEvidence:
    """As an HCK NIC on KVM whose vhost libvirt has switched on: composed, no KVM is here."""
    return nic(**{**HCK, "virtio": replace(virtio("hck-driver"), vhost=True), **more})


def test_vhost_goes_from_an_hck_machine_and_the_engine_from_any_other() -> None:
    asked = xml(more=override(guest_rsc_ext="true", rsc_interval="1000000"))

    hck = repaired(with_vhost(), asked)
    other = repaired(with_vhost(rsc=None, purpose=None), asked)

    assert edits(hck) == [SetValue(0, ("driver",), "name", "qemu")]
    assert edits(other) == [DropOverride("ua-net0", ("guest_rsc_ext", "rsc_interval"))]


def test_an_hck_machine_whose_definition_has_qemu_already_waits_for_its_power_cycle() -> None:
    kept = xml("<model type='virtio'/><driver name='qemu'/>")

    assert repaired(with_vhost(), xml(), kept).pending == ("<driver name='qemu'>",)


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        ("", "vm is transient: there is no definition to edit"),
        (xml(nics=""), "the running machine has it, and its definition has not"),
        (xml(nics=NIC + NIC.replace("ua-net0", "ua-b")), "several NICs have this MAC"),
    ],
)
def test_a_nic_that_cannot_be_found_in_a_definition_is_not_edited(kept: str, words: str) -> None:
    repair = repaired(off("guest_tso4"), xml(TSO4_OFF), kept)

    assert repair.mends == ()
    assert words in repair.told[0]


def test_of_several_nics_the_one_with_the_mac_is_edited_however_it_is_written() -> None:
    kept = xml(
        nics=NIC.replace("12:34:56", "00:00:01").replace("{}", "") + NIC.replace("52:54:00", "52:54:0A")
    )
    evidence = nic(mac="52:54:0a:12:34:56", properties={**ON, "guest_tso4": False})

    assert edits(repaired(evidence, kept)) == [SetValue(1, GUEST, "tso4", "on")]


NUMBERED = domain(interface(), more=starts_with("net0", "false"))  # as libvirt will number it


@pytest.mark.parametrize(
    ("there", "wanted"),
    [
        (Domain("vm", "off", NUMBERED, NUMBERED), DropOverride("net0", ("guest_tso4",))),
        (Domain("vm", "running", domain(), domain(interface(TSO6_OFF))), SetValue(0, GUEST, "tso6", "on")),
    ],
)
def test_a_definition_alone_tells_what_to_edit(there: Domain, wanted: object) -> None:
    [evidence] = collect_domain(FakeEdges(), "local", there, monitor=False)

    assert [mend.edit for mend in plan_repair(judge_nic(evidence), there).later] == [wanted]


def test_edits_of_one_element_are_one_diff_and_one_that_another_has_made_is_left_out() -> None:
    before = "<domain>\n  <devices>\n    <interface>\n      <mac address='52:54:00:12:34:56'/>\n    </interface>\n  </devices>\n</domain>"
    repair = repaired(off("guest_tso4", "guest_tso6"), before)

    [(mend, diff)] = edit_diffs(before, [*repair.mends, *repair.mends])

    assert mend.what == "<driver><guest tso4='on' tso6='on'/>"
    assert [line for line in diff if line[0] in "+-"][2:] == [
        "+      <driver>",
        "+        <guest tso4='on' tso6='on'/>",
        "+      </driver>",
    ]


def test_what_is_edited_in_two_places_is_told_as_two() -> None:
    live = xml(TSO4_OFF, override(guest_tso4="off"))

    found = edit_diffs(live, repaired(off("guest_tso4"), live).mends)

    assert [mend.what for mend, _ in found] == ["no override of guest_tso4", "<driver><guest tso4='on'/>"]


@pytest.mark.parametrize("line", ["same words in each line", "line {n}"])
def test_a_diff_of_a_domain_with_200000_lines_of_description_is_made_at_once(line: str) -> None:
    description = "\n".join(line.format(n=n) for n in range(200_000))
    before = xml(f"<model type='e1000e'/><x>{description}</x>\n")
    started = time.monotonic()

    diff = unified(before, before.replace("e1000e", "virtio"))

    assert time.monotonic() - started < 5
    assert len(diff) < 12


def test_a_lab_file_that_has_it_so_is_named_with_the_key() -> None:
    switched = {'mac: "52:54:00:12:34:56"': 'mac: "52:54:00:12:34:56", offloads: {guest_tso4: off}'}

    [line] = lab_words(one_vm(**switched), judge_nic(off("guest_tso4")))

    key = "machines.vm.nics[0].offloads.guest_tso4"
    assert line.startswith(
        f"guest-offloads-off: take {key} out of /srv/labs/lab.yaml, then `rscvm down --keep"
    )


def test_a_machine_that_is_not_as_its_lab_file_has_it_goes_down_and_up() -> None:
    lab = one_vm().model_copy(update={"file": "/srv/my labs/lab.yaml"})

    [line] = lab_words(lab, judge_nic(off("guest_tso4")))

    again = "`rscvm down --keep-disks '/srv/my labs/lab.yaml' vm` and `rscvm up '/srv/my labs/lab.yaml' vm`"
    assert line == f"guest-offloads-off: the machine is not as the lab file has it: {again} make it so"
    assert lab_words(one_vm(), judge_nic(nic())) == ()


def test_an_override_that_finds_no_device_goes() -> None:
    """libvirt gives aliases of its own to what has none, so an override under a made-up alias does nothing."""
    stray = override(guest_rsc_ext="true", rsc_interval="1000000").replace("ua-net0", "ua-lost")
    evidence = nic(rsc=None, purpose=None, rsc_asked=True)

    assert edits(repaired(evidence, xml(more=stray))) == [
        DropOverride("ua-lost", ("guest_rsc_ext", "rsc_interval"))
    ]


@pytest.mark.parametrize(
    "name", ["gro-off", "path-segments", "segment-limit", "queueing-segments", "link-down"]
)
def test_what_concerns_more_than_the_tap_is_printed_and_not_run(name: str) -> None:
    repair = plan_repair(judge_nic(replace(CASES[name][0], owner=Owner(42), pid=42)), None)

    assert not repair.command
    assert any(words.startswith(f"{name}: for you to run: ") for words in repair.told)
