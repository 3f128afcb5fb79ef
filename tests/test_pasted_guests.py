"""What is pasted beside Get-NetAdapterRsc: settings of the whole guest, and whose NIC on the host an adapter is."""

from __future__ import annotations

import json

import pytest

from provision.facts.pasted_windows import PastedWindows, parse_windows
from provision.runtime.errors import RequestError
from provision.verify.collect.pasted import pasted
from provision.verify.evidence import AskedGuest
from provision.verify.judge.verdict import judge_nic
from tests.builders import FIXTURES, nic
from tests.pastes import TAP, verdicts
from tests.printed import NETKVM, Rsc, as_list, causes, only, rungs, saved

MAC = "52:54:00:00:00:71"
GLOBAL = "ReceiveSideScaling           : Enabled\nReceiveSegmentCoalescing     : {}\nChimney                      : Disabled\n\n"


def test_what_is_off_for_all_is_the_cause_of_each() -> None:
    off = Rsc("Ethernet", operational=(False, False), reasons=("Unknown", "Unknown"))

    assert causes(GLOBAL.format("Disabled") + as_list([off])) == [
        ("Ethernet", "not-ready", "offload-globally-disabled")
    ]
    assert causes(GLOBAL.format("Enabled") + as_list([off])) == [("Ethernet", "not-ready", "")]


def test_what_is_off_for_all_is_not_told_of_an_adapter_on_which_it_works() -> None:
    verdict = only(GLOBAL.format("Disabled") + as_list([Rsc("Ethernet")]))

    assert verdict.verdict == "unknown"
    assert "the two are not of one moment" in " ".join(verdict.notes)


def test_what_is_said_twice_and_not_alike_is_not_known() -> None:
    off = Rsc("Ethernet", operational=(False, False), reasons=("Unknown", "Unknown"))
    verdict = only(GLOBAL.format("Disabled") + GLOBAL.format("Enabled") + as_list([off]))

    assert verdict.finding.cause is None
    assert "more than once, and not alike" in " ".join(verdict.notes)


def netsh(*lines: str) -> str:
    return "".join(f"{line}\n" for line in ("X 1323 y : disabled", "x RTO : 1000", *lines))


@pytest.mark.parametrize(
    ("text", "right"),
    [
        (netsh("Zzz : disabled", "Y SACK z : disabled"), False),
        (netsh("Zzz : enabled", "Y Sack z : disabled"), True),
        ("Receive Segment Coalescing State : disabled\n", False),
        ("host1 | 接收段合并状态                : enabled\n", True),
    ],
)
def test_netsh_is_read_by_a_label_or_else_by_its_place(text: str, *, right: bool) -> None:
    assert parse_windows(text) == PastedWindows(global_rsc=right)


@pytest.mark.parametrize(
    "text",
    [
        netsh("Zzz : disabled", "Www : disabled", "Y SACK z : disabled"),
        netsh("Y SACK z : disabled", "Zzz : disabled"),
        netsh("Zzz : deaktiviert", "Y SACK z : deaktiviert"),
        netsh("Zzz : disabled"),
        netsh(),
    ],
)
def test_netsh_whose_line_cannot_be_told_tells_nothing_and_says_so(text: str) -> None:
    assert parse_windows(text).global_rsc is None
    with pytest.raises(RequestError) as raised:
        pasted({"x": text})
    assert "cannot be told in this language: Get-NetOffloadGlobalSetting" in raised.value.hint


def test_another_output_of_netsh_is_none() -> None:
    assert (
        parse_windows("Mindest-RTO (ms) : 20\nAnfängliches Fenster (MSS) : 10\nSACK : enabled x\n")
        == PastedWindows()
    )


# What else is said of an adapter.

NAMED = "Name                      InterfaceDescription                    ifIndex Status       MacAddress             LinkSpeed\n"
RULER = "----                      --------------------                    ------- ------       ----------             ---------\n"
LISTED = f"{NAMED}{RULER}Ethernet                  {NETKVM}               6 Up           52-54-00-00-00-71        10 Gbps\n\n"
XML = f"<interface type='bridge'><mac address='{MAC}'/><source bridge='br0'/><target dev='vnet21'/><model type='virtio'/></interface>\n"
BAD = Rsc("Ethernet", operational=(False, False), reasons=("NDISCompatibility", "NDISCompatibility"))


def test_an_adapter_is_the_machines_nic_whose_mac_address_it_has() -> None:
    for listed in (LISTED, "Name       : Ethernet\nMacAddress : 52-54-00-00-00-71\n\n"):
        verdict = only(XML + listed + as_list([BAD]))

        assert (verdict.evidence.nic, verdict.evidence.tap) == ("net0", "vnet21")
        assert (rungs(verdict)["configured"], rungs(verdict)["operational"]) == ("pass pass", "fail fail")
        assert verdict.finding.cause is not None
        assert verdict.finding.cause.id == "ndis-compatibility"


@pytest.mark.parametrize(
    "more",
    ["", LISTED.replace("71", "72"), LISTED + LISTED.replace("71", "72"), LISTED.replace("Ethernet   ", "Ethernet 2 "), LISTED.replace("Ethernet                  ", "Ethernet ")],
)  # fmt: skip
def test_without_that_proof_there_are_two_nics(more: str) -> None:
    found = verdicts(XML + more + as_list([BAD]))

    assert [each.evidence.nic for each in found] == ["net0", "Ethernet"]
    assert rungs(found[0])["operational"] == "skipped skipped"


def test_one_that_was_asked_twice_is_nobodys() -> None:
    found = verdicts(XML + LISTED + as_list([Rsc("Ethernet"), BAD]))

    assert [each.evidence.nic for each in found] == ["net0", "Ethernet", "Ethernet (2)"]


def test_a_machine_and_its_guest_may_be_pasted_to_files_of_their_own() -> None:
    nics = pasted({"host.txt": XML, "guest.txt": LISTED + as_list([BAD])})

    assert [(nic.machine, nic.nic, nic.guest is not None) for nic in nics] == [("host.txt", "net0", True)]


def test_a_tap_beside_an_adapter_stays_its_own() -> None:
    found = verdicts(
        f"Features for vnet21:\n{TAP.replace('segmentation: off', 'segmentation: on')}\n{as_list([BAD])}"
    )

    assert [(each.evidence.nic, each.verdict) for each in found] == [
        ("vnet21", "unknown"),
        ("Ethernet", "not-ready"),
    ]
    assert "Get-NetAdapter | Format-List Name, MacAddress" in " ".join(found[1].notes)


KEYWORDS = (
    "Name                      DisplayName                    DisplayValue                   RegistryKeyword RegistryValue\n"
    "----                      -----------                    ------------                   --------------- -------------\n"
    "Ethernet                  Recv Segment Coalescing (IPv4) Disabled                       *RscIPv4        {0}\n"
    "Ethernet                  Recv Segment Coalescing (IPv6) Enabled                        *RscIPv6        {1}\n"
)


def test_the_drivers_keyword_tells_that_it_is_off() -> None:
    verdict = only(KEYWORDS)

    assert (verdict.evidence.nic, verdict.verdict) == ("Ethernet", "not-ready")
    assert verdict.finding.cause is not None
    assert verdict.finding.cause.id == "nic-property-disabled"
    assert rungs(verdict)["enabled"] == "fail pass"
    assert parse_windows(KEYWORDS).adapters[0].adapter.keywords == {"*RscIPv4": "0", "*RscIPv6": "1"}


def test_bindings_and_forwarding_go_to_their_adapter() -> None:
    bound = (
        "Name                           DisplayName                                        ComponentID          Enabled\n"
        "----                           -----------                                        -----------          -------\n"
        "Ethernet                       Internet Protocol Version 4 (TCP/IPv4)             ms_tcpip             True\n"
        "Ethernet                       Npcap Packet Driver (NPCAP)                        INSECURE_NPCAP       True\n"
        "Ethernet                       Something else                                     other_one            False\n\n"
    )
    forwards = "InterfaceAlias : Ethernet\nAddressFamily  : IPv4\nForwarding     : Enabled\n\n"
    [found] = parse_windows(bound + forwards + as_list([BAD])).adapters
    verdict = only(bound + forwards + as_list([BAD]))

    assert [each.component for each in found.adapter.bindings] == ["ms_tcpip", "INSECURE_NPCAP"]
    assert found.adapter.forwarding == {"ipv4": True}
    assert verdict.finding.seen == (
        "Windows says NDISCompatibility; bound to the adapter: Npcap Packet Driver (NPCAP); which of these are filters is not told"
    )


def test_another_vendors_adapter_is_judged_the_same_but_not_told_of_netkvm() -> None:
    text = saved("rsc-list")
    ours, other = only(text), only(text.replace(NETKVM, "Intel(R) Ethernet Controller X710"))

    assert ours.finding.cause is other.finding.cause
    assert any("guest_csum" in line for line in ours.fix)
    assert not any("guest_csum" in line or "virtio-win" in line for line in other.fix)
    assert any("its own driver decides" in line for line in other.fix)
    assert "no VirtIO adapter" in " ".join(other.notes)


@pytest.mark.parametrize(("described", "tells"), [("Google VirtIO Ethernet Adapter #2", True), ("Red Hat VirtIO Eth...", True), ("Red H...", True), ("Intel(R) X710", False)])  # fmt: skip
def test_a_description_that_does_not_tell_whose_driver_it_is_excludes_none(
    described: str, *, tells: bool
) -> None:
    verdict = only(saved("rsc-list").replace(NETKVM, described))

    assert any("guest_csum" in line for line in verdict.fix) is tells
    assert ("no VirtIO adapter" in " ".join(verdict.notes)) is not tells


def test_what_works_though_the_driver_declares_none_is_windows_own() -> None:
    verdict = only(
        saved("rsc-list").replace("State : False", "State : True").replace("Capability", "NoFailure")
    )

    assert verdict.verdict == "unknown"
    assert "declares none, for IPv4 and IPv6: then it is Windows' own, by software" in " ".join(verdict.notes)


def test_what_was_pasted_is_told_the_same_as_what_an_agent_says() -> None:
    bound = "Name        : Ethernet\nDisplayName : Acme Shield\nComponentID : acme\nEnabled     : True\n\n"
    works = saved("rsc-list").replace("State : False", "State : True").replace("Capability", "NoFailure")
    unknown = as_list([Rsc("Ethernet", operational=(False, False), reasons=("Unknown", "Unknown"))])
    texts = {
        "it is Windows' own, by software": works,
        "is Intel(R) X710, and no VirtIO adapter": saved("rsc-list").replace(NETKVM, "Intel(R) X710"),
        "bound to the adapter: Acme Shield": bound + unknown,
    }

    for words, text in texts.items():
        [of_paste] = pasted({"x": text})
        asked = nic(guest=of_paste.guest)
        assert words in " ".join(judge_nic(of_paste).notes)
        assert words in " ".join(judge_nic(asked).notes)


def test_what_the_host_does_is_asked_for_only_where_nothing_of_it_is_known() -> None:
    works = as_list([Rsc("Ethernet")])
    [alone] = pasted({"x": works})

    assert "whether the host hands" in " ".join(judge_nic(alone).notes)
    assert "whether the host hands" not in " ".join(only(XML + LISTED + works).notes)
    assert "whether the host hands" not in " ".join(judge_nic(nic(guest=alone.guest)).notes)


@pytest.mark.parametrize("before", ["", "PS C:\\> .\\rsc.ps1\n"])
def test_what_our_own_script_answered_by_hand_is_read(before: str) -> None:
    text = json.dumps(
        json.loads((FIXTURES / "composed" / "windows-guest-works.json").read_text()), separators=(",", ":")
    )

    nics = pasted({"answer.txt": before + text})

    assert {each.guest.facts.system for each in nics if isinstance(each.guest, AskedGuest)} == {"windows"}
    assert "52:54:00:12:34:56" in {each.mac for each in nics}
