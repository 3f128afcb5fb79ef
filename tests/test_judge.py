"""Each cause, from evidence that was captured where it could be; and the traps around them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from provision.facts.virtio import VirtioFacts
from provision.verify.evidence import Unasked
from provision.verify.judge.causes.catalogue import CATALOGUE
from provision.verify.judge.verdict import judge_nic
from tests.builders import ON, features, nic, virtio
from tests.causes import CASES, HCK, without

# What NetKVM takes, by its source (ParaNdis_Common.cpp): composed, no Windows runs here.
NETKVM = frozenset(
    f"VIRTIO_NET_F_{name}"
    for name in ("GUEST_CSUM", "GUEST_TSO4", "GUEST_TSO6", "CTRL_VQ", "CTRL_GUEST_OFFLOADS", "MAC", "STATUS")
) | {"VIRTIO_F_VERSION_1", "VIRTIO_RING_F_EVENT_IDX"}
IPXE = VirtioFacts(
    virtio("linux").offered,
    frozenset({"VIRTIO_NET_F_MAC", "VIRTIO_F_VERSION_1"}),
    virtio("linux").status,
    vhost=False,
)


@pytest.mark.parametrize("cause", CASES)
def test_each_cause_is_named(cause: str) -> None:
    evidence, ipv4, ipv6 = CASES[cause]

    verdict = judge_nic(evidence)

    assert verdict.finding.cause is not None
    assert verdict.finding.cause.id == cause
    assert verdict.finding.seen
    assert verdict.finding.cause.why
    assert verdict.fix
    assert (verdict.families["ipv4"].verdict, verdict.families["ipv6"].verdict) == (ipv4, ipv6)
    assert verdict.verdict == (
        "unknown"
        if cause
        in {
            "machine-off",
            "machine-paused",
            "driver-not-loaded",
            "failover-standby",
            "tap-unreadable",
            "guest-unreachable",
        }
        else "not-ready"
    )


def test_every_cause_of_the_catalogue_has_a_case() -> None:
    """But for those that speak against nothing."""
    assert {cause.id for cause in CATALOGUE} == {*CASES, "no-traffic", "not-coalesced"}


def test_flags_in_production_are_said_also_of_a_machine_that_waits() -> None:
    waiting = replace(virtio("no-driver"), offered=virtio("hck-driver").offered)

    verdict = judge_nic(nic(state="paused", virtio=waiting))

    assert verdict.finding.cause is not None
    assert verdict.finding.cause.id == "hck-flags-in-production"
    assert {found.verdict for found in verdict.families.values()} == {"unknown"}


def test_a_fix_names_the_tap() -> None:
    assert judge_nic(CASES["host-disabled-checksum"][0]).fix[0] == "ethtool -K tap0 tx on"


def test_a_linux_guest_with_everything_on_is_ready() -> None:
    assert judge_nic(nic()).verdict == "ready"


def test_netkvm_without_ecn_ufo_and_uso_is_ready() -> None:
    taken = replace(virtio("linux"), negotiated=NETKVM)
    tap = {
        **features("negotiated-by-linux"),
        "tx-tcp-ecn-segmentation": features("guest-dropped-rsc")["tx-tcp-ecn-segmentation"],
    }

    assert judge_nic(nic(virtio=taken, features=tap)).verdict == "ready"


def test_a_firmware_driver_is_not_the_systems() -> None:
    verdict = judge_nic(nic(virtio=IPXE, features=features("no-driver")))

    assert verdict.finding.cause is not None
    assert verdict.finding.cause.id == "driver-not-loaded"
    assert "firmware" in verdict.finding.seen


def test_a_driver_that_was_waited_for_in_vain_is_not_ready() -> None:
    verdict = judge_nic(nic(virtio=virtio("no-driver"), features=features("no-driver"), waited=True))

    assert verdict.verdict == "not-ready"


def test_a_fresh_tap_before_the_driver_is_unknown_and_no_fault_of_the_host() -> None:
    verdict = judge_nic(nic(virtio=virtio("no-driver"), features=features("without-qemu")))

    assert verdict.verdict == "unknown"


def test_the_group_line_of_tso_alone_proves_nothing() -> None:
    tap = dict(features("negotiated-by-linux"))
    tap["tx-tcp6-segmentation"] = features("host-tso-off")["tx-tcp6-segmentation"]

    verdict = judge_nic(nic(features=tap))

    assert tap["tcp-segmentation-offload"].active
    assert verdict.families["ipv4"].verdict == "ready"
    assert verdict.families["ipv6"].verdict == "not-ready"
    assert verdict.finding.cause is not None
    assert verdict.finding.cause.id == "tap-segmentation-off"


def test_what_could_not_be_asked_is_unknown_not_a_pass() -> None:
    silent = Unasked("this QEMU has no x-query-virtio-status")
    verdict = judge_nic(nic(virtio=silent, features=Unasked("ethtool is not installed")))

    rungs = {rung.name: rung.states["ipv4"] for rung in verdict.ladder}
    assert rungs["offered"] == rungs["negotiated"] == rungs["passed"] == "unknown"
    assert verdict.verdict == "unknown"
    assert "x-query-virtio-status" in verdict.finding.seen


def test_a_tap_that_passes_is_not_enough_where_qemu_could_not_be_asked() -> None:
    verdict = judge_nic(nic(virtio=Unasked("no x-query-virtio-status")))

    assert {rung.name: rung.states["ipv4"] for rung in verdict.ladder}["passed"] == "pass"
    assert verdict.verdict == "unknown"
    assert verdict.finding.seen == "no x-query-virtio-status"


@pytest.mark.parametrize("state", ["without-qemu", "no-driver", "host-tx-off"])
def test_a_tap_that_is_off_says_nothing_where_the_driver_is_not_known(state: str) -> None:
    verdict = judge_nic(nic(virtio=Unasked("no x-query-virtio-status"), features=features(state)))

    assert (verdict.verdict, verdict.finding.cause) == ("unknown", None)


def test_the_engine_in_production_is_seen_by_its_property_too() -> None:
    verdict = judge_nic(nic(virtio=Unasked("-"), properties={**ON, "guest_rsc_ext": True}))

    assert verdict.finding.cause is not None
    assert verdict.finding.cause.id == "hck-flags-in-production"


def test_in_production_void_hck_flags_are_not_to_be_mended() -> None:
    facts = replace(virtio("hck-driver"), vhost=True)
    verdict = judge_nic(nic(virtio=facts, properties={**ON, "guest_rsc_ext": True}))

    assert verdict.finding.cause is not None
    assert verdict.finding.cause.id == "hck-flags-in-production"


def test_checksum_and_tso_both_off_accuse_nobody() -> None:
    off = features("no-driver")

    verdict = judge_nic(nic(features=off))

    assert verdict.finding.cause is not None
    assert verdict.finding.cause.id == "tap-segmentation-off"
    assert "tx-checksum-ip-generic off with it" in verdict.finding.seen


@pytest.mark.parametrize("kind", ["vhostuser", "vdpa"])
def test_what_a_backend_without_tap_does_not_offer_is_not_the_vnet_header(kind: str) -> None:
    verdict = judge_nic(
        nic(kind=kind, virtio=without(virtio("linux"), "GUEST_CSUM", "GUEST_TSO4", "GUEST_TSO6"))
    )

    assert verdict.finding.cause is not None
    assert verdict.finding.cause.id == "not-offered"


def test_hck_is_ready_when_the_engine_runs_and_the_tap_is_wire_like() -> None:
    verdict = judge_nic(nic(**HCK, virtio=virtio("hck-driver"), features=features("hck-wire-like")))

    assert verdict.verdict == "ready"


def test_hck_with_a_driver_that_does_not_take_rsc_ext_is_not_ready() -> None:
    engine = virtio("hck-driver")
    facts = replace(engine, negotiated=engine.negotiated - {"VIRTIO_NET_F_RSC_EXT"})

    verdict = judge_nic(nic(**HCK, virtio=facts, features=features("hck-wire-like")))

    assert verdict.finding.cause is not None
    assert verdict.finding.cause.id == "driver-declined"


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (replace(virtio("hck-driver"), vhost=True), "vhost"),
        (without(virtio("hck-driver"), "GUEST_TSO4", "GUEST_TSO6"), "no guest TSO"),
        (without(virtio("hck-driver"), "RSC_EXT"), "not offered"),
    ],
)
def test_void_hck_flags_say_what_voids_them(facts: VirtioFacts, words: str) -> None:
    verdict = judge_nic(nic(**HCK, virtio=facts))

    assert verdict.finding.cause is not None
    assert verdict.finding.cause.id == "hck-flags-ineffective"
    assert words in verdict.finding.seen


def test_rsc_false_is_as_meant_when_tso_is_not_offered() -> None:
    off = dict.fromkeys(ON, False)
    verdict = judge_nic(
        nic(rsc="false", properties=off, virtio=virtio("rsc-false"), features=features("rsc-false"))
    )

    assert verdict.verdict == "ready"
    assert verdict.finding.cause is None
    assert verdict.families["ipv4"].verdict == "not-ready"


def test_an_emulated_nic_that_is_meant_to_be_is_ready() -> None:
    assert judge_nic(nic(rsc="false", model="e1000e", virtio=Unasked("-"))).verdict == "ready"


def test_the_top_cause_is_of_the_worst_family_and_earliest_rung() -> None:
    tap = dict(features("negotiated-by-linux"))
    tap["tx-tcp-segmentation"] = features("host-tso-off")["tx-tcp-segmentation"]

    verdict = judge_nic(nic(properties={**ON, "guest_tso6": False}, features=tap))

    assert [found.cause.id for found in verdict.families.values() if found.cause] == [
        "tap-segmentation-off",
        "guest-offloads-off",
    ]
    assert verdict.finding.cause is not None
    assert verdict.finding.cause.id == "guest-offloads-off"


def test_a_passed_through_device_is_unknown() -> None:
    verdict = judge_nic(nic(kind="hostdev", model="", rsc=None, purpose=None))

    assert verdict.verdict == "unknown"


def test_what_is_broken_below_shows_as_evidence_above() -> None:
    off = dict.fromkeys(ON, False)
    verdict = judge_nic(nic(properties=off, virtio=virtio("rsc-false"), features=features("rsc-false")))

    assert [rung.states["ipv4"] for rung in verdict.ladder][:4] == ["fail"] * 4
    assert verdict.finding.cause is not None
    assert verdict.finding.cause.id == "guest-offloads-off"


@pytest.mark.parametrize(
    "changes", [{"broken": True}, {"status": virtio("linux").status | {"VIRTIO_CONFIG_S_NEEDS_RESET"}}]
)
def test_a_device_that_has_given_up_is_not_ready(changes: dict[str, Any]) -> None:
    verdict = judge_nic(nic(virtio=replace(virtio("linux"), **changes)))

    assert (verdict.verdict, verdict.finding.cause and verdict.finding.cause.id) == (
        "not-ready",
        "driver-not-loaded",
    )
    assert "given up until it is reset" in verdict.finding.seen
