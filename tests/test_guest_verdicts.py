"""What a guest says and what the layers below it show come to one cause, as CAUSES.md has it: all of them, from one table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from provision.facts.guest import Adapter
from provision.verify.collect.machines import nics_in_xml
from provision.verify.evidence import FAMILIES, AskedGuest, Family, NicEvidence, Unasked
from provision.verify.judge.ladder import ladder
from provision.verify.judge.verdict import judge_nic
from tests.builders import ON, features, nic, virtio
from tests.causes import CASES
from tests.guests import ALL_REASONS, CAUSES, REASONS_NAMED, WORKS, linux, windows

CAUSE_OF = {**dict.fromkeys(ALL_REASONS), **CAUSES}
"""What each reason is where all below holds."""

BELOW: dict[str, tuple[NicEvidence, str | None, bool]] = {
    "all holds": (nic(), None, True),
    "nothing known": (nic(properties=Unasked("-"), virtio=Unasked("-"), features=Unasked("-")), None, True),
    "guest-offloads-off": (nic(properties={**ON, "guest_tso4": False, "guest_tso6": False}), "guest-offloads-off", False),
    "not-offered": (nic(virtio=replace(virtio("linux"), offered=frozenset({"VIRTIO_NET_F_GUEST_CSUM"}))), "not-offered", False),
    "driver-declined": (CASES["driver-declined"][0], "driver-declined", True),
    "tap-segmentation-off": (CASES["tap-segmentation-off"][0], "tap-segmentation-off", True),
    "guest-disabled-rsc": (CASES["guest-disabled-rsc"][0], "guest-disabled-rsc", True),
    "host-disabled-checksum": (CASES["host-disabled-checksum"][0], "host-disabled-checksum", True),
    "gro-off": (CASES["gro-off"][0], "gro-off", False),
}  # fmt: skip
"""A state of the lower rungs, what it is called without the guest, and whether a guest that names its reason decides why."""
NO_REASON = {"tap-segmentation-off": {"NoFailure": "host-disabled-segmentation"}}
"""What a guest that gives no reason decides all the same: it says that RSC is operational, so the host did it."""


def expected(below: str, reason: str) -> str | None:
    """The cause that CAUSES.md prescribes."""
    _, own, decides = BELOW[below]
    if below in ("all holds", "nothing known"):
        return CAUSE_OF[reason]
    if decides and reason in REASONS_NAMED:
        return CAUSE_OF[reason]
    return NO_REASON.get(below, {}).get(reason, own)


@pytest.mark.parametrize("below", BELOW)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("reason", ALL_REASONS)
def test_each_reason_on_each_state_below_is_the_cause_that_is_prescribed(
    below: str, family: Family, reason: str
) -> None:
    there = replace(BELOW[below][0], guest=windows(**{family: reason}))

    verdict = judge_nic(there)

    found = verdict.families[family]
    assert (found.cause.id if found.cause else None) == expected(below, reason)
    good = below == "all holds" and reason == "NoFailure"
    unknown = below == "nothing known" and reason == "NoFailure"
    assert found.verdict == ("ready" if good else "unknown" if unknown else "not-ready")


@pytest.mark.parametrize("below", BELOW)
def test_what_the_guest_says_leaves_the_rungs_below_as_they_are(below: str) -> None:
    without = BELOW[below][0]
    asked = replace(without, guest=windows("WFPCompatibility", "WFPCompatibility"))

    assert ladder(asked)[:5] == ladder(without)[:5]


def cause(evidence: NicEvidence) -> str | None:
    found = judge_nic(evidence).finding.cause
    return found.id if found else None


def states(evidence: NicEvidence, name: str) -> set[str]:
    return {*next(rung for rung in ladder(evidence) if rung.name == name).states.values()}


def test_a_guest_that_was_not_asked_is_skipped_and_holds_nothing_up() -> None:
    assert states(nic(), "enabled") == states(nic(), "operational") == {"skipped"}
    assert judge_nic(nic()).verdict == "ready"


def test_a_guest_that_does_not_answer_is_unknown_at_its_rungs_and_holds_nothing_up_unless_it_must() -> None:
    silent = nic(guest=Unasked("the guest agent: not connected"))

    assert states(silent, "enabled") == states(silent, "operational") == {"unknown"}
    assert judge_nic(silent).verdict == "ready"
    assert cause(replace(silent, guest_must=True)) == "guest-unreachable"
    assert judge_nic(replace(silent, guest_must=True)).finding.seen == "the guest agent: not connected"


@pytest.mark.parametrize(
    ("port", "first"), [("org.qemu.guest_agent.0", "install"), ("com.redhat.spice.0", "libvirt: `<channel")]
)
def test_where_the_agents_channel_is_missing_the_fix_begins_with_it(port: str, first: str) -> None:
    channel = f"<channel type='unix'><target type='virtio' name='{port}'/></channel>"
    text = f"<domain><name>vm</name><devices><interface type='bridge'/>{channel}</devices></domain>"

    [read] = nics_in_xml("local", "vm", text)
    silent = nic(rsc=None, guest_must=True, defined_in="libvirt", agent_port=read.agent_port)

    assert judge_nic(silent).fix[0].startswith(first)
    assert judge_nic(replace(silent, agent_port=None)).fix[0].startswith("install")


def test_a_guest_that_must_answer_and_was_not_asked_is_unknown() -> None:
    assert judge_nic(nic(guest_must=True)).verdict == "unknown"


def test_a_guest_that_does_not_know_the_nic_has_not_answered_for_it() -> None:
    stranger = AskedGuest(windows().facts, None)

    assert cause(nic(guest=stranger, guest_must=True)) == "guest-unreachable"
    assert judge_nic(nic(guest=stranger)).verdict == "ready"


def test_what_is_broken_below_is_told_before_that_the_guest_is_unreachable() -> None:
    broken = replace(CASES["gro-off"][0], guest=Unasked("-"), guest_must=True)

    assert cause(broken) == "gro-off"


OTHERS = {
    "a virtual switch's": Adapter("vEthernet (External)", "", "52:54:00:00:00:01", "Hyper-V Virtual Ethernet Adapter", dict.fromkeys(FAMILIES, WORKS)),
    "a team's": Adapter("Team", "", "52:54:00:00:00:01", "Microsoft Network Adapter Multiplexor Driver"),
    "a failover's VF": Adapter("VF", "52:54:00:00:00:01", "", "Mellanox ConnectX-5 Virtual Adapter", dict.fromkeys(FAMILIES, WORKS)),
}  # fmt: skip
"""What has the MAC address of a NIC of NetKVM's, too."""


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("first", [True, False])
def test_of_several_adapters_with_one_mac_netkvms_answers_for_the_nic(other: str, first: bool) -> None:  # noqa: FBT001
    guest = windows("NDISCompatibility", "NDISCompatibility")
    assert guest.adapter is not None
    there = (OTHERS[other], guest.adapter) if first else (guest.adapter, OTHERS[other])
    facts = replace(guest.facts, adapters=there)

    assert facts.adapter("52:54:00:00:00:01") is guest.adapter


def test_adapters_that_nothing_tells_apart_answer_for_no_nic_and_that_is_said() -> None:
    guest = windows()
    assert guest.adapter is not None
    twice = AskedGuest(replace(guest.facts, adapters=(guest.adapter, guest.adapter)), None)
    evidence = nic(guest=twice, guest_must=True, mac="52:54:00:00:00:01")

    assert cause(evidence) == "guest-unreachable"
    assert "several adapters, which nothing tells apart" in judge_nic(evidence).finding.seen
    assert not [words for words in judge_nic(evidence).fix if "guest agent" in words]


def test_a_guest_too_old_for_rsc_is_told_so_though_it_tells_of_no_adapter() -> None:
    old = AskedGuest(replace(windows().facts, adapters=(), version=(6, 1, 7601), release=""), None)

    assert cause(nic(guest=old)) == "guest-too-old"
    assert "6.1.7601" in judge_nic(nic(guest=old)).finding.seen


def test_what_a_guest_without_the_nic_could_not_tell_is_said() -> None:
    broken = AskedGuest(
        replace(windows().facts, adapters=(), troubles=("Get-NetAdapter: load failure",)), None
    )

    assert (
        "could not tell Get-NetAdapter: load failure"
        in judge_nic(nic(guest=broken, guest_must=True)).finding.seen
    )


def test_windows_own_software_rsc_does_not_blame_the_host() -> None:
    below = CASES["tap-segmentation-off"][0]

    assert cause(replace(below, guest=windows())) == "host-disabled-segmentation"
    assert (
        cause(replace(below, guest=windows(declared={"ipv4": False, "ipv6": False})))
        == "tap-segmentation-off"
    )


@pytest.mark.parametrize("below", ["driver-declined", "tap-segmentation-off", "guest-disabled-rsc"])
def test_a_linux_guest_gets_no_advice_for_windows(below: str) -> None:
    told = judge_nic(replace(CASES[below][0], guest=linux())).fix

    assert told
    assert not [words for words in told if "Windows" in words or "NetAdapter" in words]


def test_linux_tells_whether_it_is_on_and_that_does_for_a_guest_that_must_answer() -> None:
    asked = nic(guest=linux(), guest_must=True)

    assert states(asked, "enabled") == {"pass"}
    assert states(asked, "operational") == {"skipped"}
    assert judge_nic(asked).verdict == "ready"


def test_a_linux_guest_that_dropped_it_says_so_in_the_place_of_the_tap_and_how_to_undo_it() -> None:
    verdict = judge_nic(replace(CASES["guest-disabled-rsc"][0], guest=linux(on=False)))

    assert verdict.finding.cause is not None
    assert verdict.finding.cause.id == "nic-property-disabled"
    assert verdict.fix == ("in the guest: `ethtool -K eth0 rx-gro-hw on`",)


def test_a_fix_names_the_adapter_as_powershell_takes_it() -> None:
    guest = windows("NicPropertyDisabled")
    assert guest.adapter is not None
    hostile = replace(guest, adapter=replace(guest.adapter, name="a'; Stop-Computer; '\u2019"))

    assert "-Name 'a''; Stop-Computer; ''\u2019\u2019'" in judge_nic(nic(guest=hostile)).fix[0]


def test_a_driver_that_declares_no_rsc_is_named_by_version_and_date() -> None:
    told = {"driver_version": "100.95.104.26200", "driver_date": "2024-02-21"}

    assert "driver 100.95.104.26200 of 2024-02-21 declares no RSC" in _seen(**told)
    assert "driver 100.95.104.26200 declares" in _seen(driver_version="100.95.104.26200")
    assert "the guest's driver declares" in _seen()


def _seen(**adapter: Any) -> str:
    return judge_nic(nic(guest=windows("Capability", "Capability", **adapter))).finding.seen


def test_the_engine_of_an_hck_machine_is_off_where_the_guest_says_so() -> None:
    dut = replace(
        CASES["guest-disabled-rsc"][0],
        rsc="hck", purpose="hck", rsc_asked=True, properties={**ON, "guest_rsc_ext": True},
        virtio=virtio("hck-driver"), features=features("guest-dropped-rsc"), guest=windows("ForwardingEnabled", "ForwardingEnabled"),
    )  # fmt: skip

    assert {found.cause.id for found in judge_nic(dut).families.values() if found.cause} == {
        "forwarding-enabled"
    }


def test_rsc_that_is_not_wanted_needs_no_guest() -> None:
    off = nic(
        rsc="false",
        virtio=replace(virtio("linux"), offered=frozenset()),
        guest=windows("Capability", "Capability"),
    )

    assert judge_nic(off).verdict == "ready"


def test_an_adapter_of_which_nothing_is_told_is_unknown_at_its_rungs() -> None:
    bare = AskedGuest(windows().facts, Adapter("Ethernet"))

    assert states(nic(guest=bare), "enabled") == states(nic(guest=bare), "operational") == {"unknown"}
