"""What is said beside a guest's verdict: culprits and suspects, what comes next, and what nothing comes of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from provision.facts.guest import Binding, Callout, FamilyRsc
from provision.verify.evidence import FAMILIES
from provision.verify.judge.verdict import judge_nic
from tests.builders import nic
from tests.causes import CASES
from tests.frames import WHOLE_WAY, recorded, traffic
from tests.guests import windows


def test_the_culprits_of_ndis_are_named_with_driver_and_version_and_windows_own_filters_are_not() -> None:
    bindings = (
        Binding("ms_tcpip", "Internet Protocol Version 4 (TCP/IPv4)", "tcpip"),
        Binding("ms_pacer", "QoS Packet Scheduler", "pacer", is_filter=True),
        Binding("INSECURE_NPCAP", "Npcap Packet Driver (NPCAP)", "npcap.sys", "0.9.9", is_filter=True),
        Binding("ms_implat", "Microsoft Network Adapter Multiplexor Protocol", "mslbfoprovider.sys"),
    )

    seen = judge_nic(nic(guest=windows("NDISCompatibility", bindings=bindings))).finding.seen

    assert "Npcap Packet Driver (NPCAP) (npcap.sys 0.9.9)" in seen
    assert "NIC teaming (LBFO)" in seen
    assert "QoS" not in seen
    assert "Internet Protocol" not in seen


def test_wfp_has_suspects_and_defender_is_one() -> None:
    guest = windows(
        "WFPCompatibility", callouts=(Callout("Acme Web Shield", driver="acmewfp.sys"),), defender=True
    )

    seen = judge_nic(nic(guest=guest)).finding.seen

    assert seen.startswith(
        "Windows says WFPCompatibility; suspects: Acme Web Shield (acmewfp.sys), Windows Defender"
    )


def test_what_will_come_up_next_is_told_in_the_order_in_which_windows_decides() -> None:
    npcap = Binding("INSECURE_NPCAP", "Npcap", "npcap.sys", is_filter=True)
    guest = windows(
        "NetOffloadGlobalDisabled", "NetOffloadGlobalDisabled",
        bindings=(npcap,), callouts=(Callout("Acme"),), forwarding={"ipv4": True, "ipv6": False},
        rsc=dict.fromkeys(FAMILIES, FamilyRsc(enabled=False, operational=False, reason="NetOffloadGlobalDisabled")),
    )  # fmt: skip

    notes = [note for note in judge_nic(nic(guest=guest)).notes if "more against RSC" in note]

    assert [note.partition(": ")[2].split()[0] for note in notes] == ["the", "what", "perhaps", "the"]
    assert "(IPv4)" in notes[-1]
    assert "(IPv4 and IPv6)" in notes[0]


SAYS_NOTHING: list[tuple[str, dict[str, Any], str]] = [
    ("cut", {"traffic": traffic(recorded("gro-off")), "ways": WHOLE_WAY}, "in frames of one segment: the fault lies before it"),
    ("nothing counted", {"guest": windows(coalesced_host=0, coalesced_win=0)}, "not had one coalesced frame"),
    ("nothing counted by NetKVM", {"guest": windows(coalesced_host=0, coalesced_win=0, coalesced=7)}, "not had one coalesced frame"),
    ("no counts of NetKVM's", {"guest": windows(coalesced=0)}, "not had one coalesced frame"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "more", "words"), SAYS_NOTHING)
def test_a_guest_that_says_no_failure_is_told_when_nothing_comes_of_it(
    name: str, more: dict[str, Any], words: str
) -> None:
    [note] = [
        n for n in judge_nic(nic(**{"guest": windows(), **more})).notes if "the guest says NoFailure" in n
    ]

    assert words in note, name


@pytest.mark.parametrize(
    "counted", [{"coalesced_host": 7, "coalesced_win": 0, "coalesced": 0}, {"coalesced": 7}, {}]
)
def test_a_guest_that_gets_large_frames_is_told_nothing(counted: dict[str, Any]) -> None:
    fine = nic(guest=windows(**counted), traffic=traffic(recorded("outside")), ways=WHOLE_WAY)

    assert not [note for note in judge_nic(fine).notes if "NoFailure" in note]


def notes(**guest: Any) -> str:
    return "\n".join(judge_nic(nic(guest=windows(**guest))).notes)


def test_windows_own_software_rsc_is_told_from_the_nics() -> None:
    assert "Windows' own, by software" in notes(declared={"ipv4": False, "ipv6": True})
    assert "off, or declares none, for IPv4:" in notes(declared={"ipv4": False, "ipv6": True})
    assert "by software" not in notes(declared={"ipv4": True, "ipv6": True})
    assert "part of the Hyper-V switch ext, which gathers by software itself" in notes(
        switch="the Hyper-V switch ext", software_rsc=True
    )


def test_a_keyword_that_is_off_is_named_though_windows_does_not_follow_it_yet() -> None:
    verdict = judge_nic(nic(guest=windows(keywords={"*RscIPv4": "0", "*RscIPv6": "1"})))

    assert {f: found.verdict for f, found in verdict.families.items()} == {
        "ipv4": "not-ready",
        "ipv6": "ready",
    }
    assert "*RscIPv4 is 0" in verdict.finding.seen


@pytest.mark.parametrize(
    "host", ["host-disabled-checksum", "host-disabled-segmentation", "segment-limit", "queueing-segments"]
)
def test_what_the_host_does_beside_a_guests_veto_is_told_as_what_comes_next(host: str) -> None:
    both = judge_nic(replace(CASES[host][0], guest=windows("WFPCompatibility", "WFPCompatibility")))
    veto = judge_nic(
        replace(CASES["guest-disabled-rsc"][0], guest=windows("WFPCompatibility", "WFPCompatibility"))
    )

    assert both.finding.cause is not None
    assert both.finding.cause.id == "wfp-compatibility"
    assert [note for note in both.notes if f"the host has more against RSC: {host}:" in note]
    assert not [note for note in veto.notes if "the host has more" in note]


def test_a_windows_that_does_not_say_why_is_told_what_is_left_to_do() -> None:
    assert "go through the others by hand" in notes(ipv4="Unknown")


def test_what_may_be_worth_knowing_of_a_guest_is_said_where_it_is_so() -> None:
    assert notes(nat=True).count("a WinNAT network") == 1
    assert "WinNAT" not in notes(nat=False)
    assert "NetworkThrottlingIndex is 10" in notes(throttling=10)
    assert "Throttling" not in notes(throttling=0xFFFFFFFF)
    assert "could not tell Get-VMSwitch: not there" in notes(troubles=("Get-VMSwitch: not there",))


def test_each_family_has_its_own_cause_with_its_fix() -> None:
    npcap = Binding("INSECURE_NPCAP", "Npcap", "npcap.sys", is_filter=True)
    verdict = judge_nic(nic(guest=windows("NDISCompatibility", "NicPropertyDisabled", bindings=(npcap,))))

    assert verdict.finding.cause is not None
    assert verdict.finding.cause.id == "nic-property-disabled"
    [other] = [note for note in verdict.notes if "a cause of its own" in note]
    assert other.startswith(
        "IPv4 has a cause of its own, ndis-compatibility: Windows says NDISCompatibility; bound to the adapter: Npcap"
    )
    assert "Disable-NetAdapterBinding -Name 'Ethernet 2' -ComponentID 'INSECURE_NPCAP'" in other


def test_forwarding_of_one_family_is_not_the_others() -> None:
    one = judge_nic(nic(guest=windows("ForwardingEnabled"))).fix
    both = judge_nic(nic(guest=windows("ForwardingEnabled", "ForwardingEnabled"))).fix

    assert one[0].startswith(
        "`Set-NetIPInterface -InterfaceAlias 'Ethernet 2' -AddressFamily IPv4 -Forwarding Disabled"
    )
    assert both[0].startswith("`Set-NetIPInterface -InterfaceAlias 'Ethernet 2' -Forwarding Disabled")


def test_who_has_not_asked_the_guest_is_told_that_it_can_be() -> None:
    asked = replace(CASES["tap-segmentation-off"][0], guest=windows())

    assert [words for words in judge_nic(CASES["tap-segmentation-off"][0]).fix if "check --guest" in words]
    assert not [words for words in judge_nic(asked).fix if "check --guest" in words]
