"""What people paste of a Windows guest: each adapter is judged by what Windows says, and what is cut away is not known."""

from __future__ import annotations

import json

import pytest

from provision.facts.guest import FamilyRsc
from provision.facts.pasted_windows import PastedWindows, parse_windows
from provision.runtime.errors import RequestError
from provision.verify.collect.pasted import pasted
from provision.verify.judge.verdict import NicVerdict, judge_nic
from tests.builders import FIXTURES
from tests.pastes import TAP, verdicts
from tests.printed import NETKVM, REASONS, Rsc, as_list, table

SAVED = FIXTURES / "pasted-windows"
MAC = "52:54:00:00:00:71"
PROMPT = "PS C:\\> "


def saved(name: str) -> str:
    return (SAVED / f"{name}.txt").read_text()


def told(text: str) -> list[tuple[str, str, str]]:
    """Each NIC's name, verdict and cause."""
    return [
        (each.evidence.nic, each.verdict, each.finding.cause.id if each.finding.cause else "")
        for each in verdicts(text)
    ]


def rungs(verdict: NicVerdict) -> dict[str, str]:
    return {rung.name: f"{rung.states['ipv4']} {rung.states['ipv6']}" for rung in verdict.ladder}


def only(text: str) -> NicVerdict:
    [verdict] = verdicts(text)
    return verdict


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("rsc-list", [("Ethernet", "not-ready", "capability")]),
        ("rsc-cut", [("Ethernet 3", "not-ready", "ndis-compatibility")]),
        ("rsc-one-line", [("Ethernet 4", "unknown", ""), ("Ethernet 4 (2)", "not-ready", "ndis-compatibility")]),
        ("netsh-english", [("every adapter", "not-ready", "offload-globally-disabled")]),
        ("netsh-german", [("every adapter", "not-ready", "offload-globally-disabled")]),
        ("netsh-japanese", [("every adapter", "unknown", "")]),
        ("netsh-chinese", [("every adapter", "unknown", "")]),
    ],
)  # fmt: skip
def test_what_people_have_pasted_is_judged(name: str, right: list[tuple[str, str, str]]) -> None:
    for text in (saved(name), saved(name).replace("\n", "\r\n"), saved(name).replace(" ", "\xa0")):
        assert told(text) == right


CAUSES = {
    "NicPropertyDisabled": "nic-property-disabled",
    "WFPCompatibility": "wfp-compatibility",
    "NDISCompatibility": "ndis-compatibility",
    "ForwardingEnabled": "forwarding-enabled",
    "NetOffloadGlobalDisabled": "offload-globally-disabled",
    "Capability": "capability",
    "Unknown": "",
}


@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize("form", ["list", "table"])
def test_each_reason_is_its_cause_of_the_family_that_has_it(reason: str, form: str) -> None:
    works = reason == "NoFailure"
    one = Rsc("Ethernet", operational=(True, works), reasons=("NoFailure", reason))
    verdict = only(as_list([one]) if form == "list" else table([one], (30, 12, 12, 15, 15, 17, 24)))

    cause = verdict.families["ipv6"].cause
    assert (verdict.families["ipv6"].verdict, cause.id if cause else "") == (
        ("unknown", "") if works else ("not-ready", CAUSES[reason])
    )
    assert verdict.families["ipv4"].verdict == "unknown"
    assert rungs(verdict)["passed"] == "unknown unknown"


def test_windows_own_yes_makes_nobody_ready_and_says_what_is_missing() -> None:
    verdict = only(as_list([Rsc("Ethernet")]))

    assert (verdict.verdict, rungs(verdict)["operational"]) == ("unknown", "pass pass")
    assert "whether the host hands large frames on is not in what was pasted" in " ".join(verdict.notes)


CUT = (
    "Name     IPv4OperationalState IPv4FailureReason\n----     -------------------- ---\nEthernet {:<20} {}\n"
)


@pytest.mark.parametrize(
    ("reason", "cause", "note"),
    [
        ("NDISCompa…", "ndis-compatibility", "IPv6FailureReason is not in what was pasted"),
        ("Ca...", "capability", ""),
        ("N", "", "N is cut off, and may be NoFailure or NicPropertyDisabled or NDISCompatibility or NetOffloadGlobalDisabled"),
        ("NicProperties", "", "NicProperties is none that is known"),
        ("3", "ndis-compatibility", ""),
        ("6", "", "6 is a number that no document names"),
    ],
)  # fmt: skip
def test_a_reason_that_is_cut_is_completed_where_one_alone_begins_so(
    reason: str, cause: str, note: str
) -> None:
    verdict = only(CUT.format("False", reason))

    found = verdict.families["ipv4"]
    assert (found.verdict, found.cause.id if found.cause else "") == ("not-ready", cause)
    assert note in " ".join(verdict.notes)
    assert verdict.families["ipv6"].verdict == "unknown"


FORMS = {
    "a narrow console, whose last column is gone": ("\n".join(line[:100] for line in saved("rsc-cut").splitlines()), "Ethernet 3"),
    "a row that findstr has left": (f"{PROMPT}Get-NetAdapterRsc | findstr Ethernet\n{saved('rsc-cut').splitlines()[-1]}", "Ethernet 3"),
    "columns that were chosen": ("IPv4OperationalState IPv4FailureReason Name\n-------------------- ----------------- ----\n               False NDISCompatibility Ethernet 3\n", "Ethernet 3"),
    "two columns of text": (f"Name       InterfaceDescription               IPv4OperationalState IPv4FailureReason\n----       --------------------               -------------------- -----------------\nEthernet 3 {NETKVM} #2                False NDISCompatibility\n", "Ethernet 3"),
    "bullets of a page": ("  * Name: Ethernet 3\n  * IPv4OperationalState: False\n  * IPv4FailureReason: NDISCompatibility\n", "Ethernet 3"),
    "a list on one line": (f"Name : Ethernet 3 InterfaceDescription : {NETKVM} Source : 2 IPv4OperationalState : False IPv4FailureReason : NDISCompatibility", "Ethernet 3"),
    "a list with more in it": ("IPv4FailureReason       : NDISCompatibility\nifAlias                 : Ethernet 3\nInstanceID              : {0A-1}\nName                    : Ethernet 3\nSource                  : 2\nIPv4OperationalState    : False\nRscHardwareCapabilities : MSFT_NetAdapterRscCapabilities\n", "Ethernet 3"),
    "a list without a name": (f"{PROMPT}Get-NetAdapterRsc -Name x | fl IPv4OperationalState, IPv4FailureReason\n\nIPv4OperationalState : False\nIPv4FailureReason    : NDISCompatibility\n", "unnamed"),
    "a list between quotes of JSON": ('"stdout": "\\r\\nName              : Ethernet 3\\r\\nIPv4FailureReason : NDISCompatibility\\r\\n"', "Ethernet 3"),
    "WMI's numbers": ("Name                 : Ethernet 3\nIPv4FailureReason    : 3\nIPv4OperationalState : False\n", "Ethernet 3"),
    "JSON of WMI": (json.dumps({"Name": "Ethernet 3", "IPv4FailureReason": 3, "RscHardwareCapabilities": {"IPv4Supported": True}}), "Ethernet 3"),
    "JSON that Windows PowerShell counts": (json.dumps({"value": [{"ifAlias": "Ethernet 3", "IPv4FailureReason": "NDISCompatibility"}], "Count": 1}, indent=4), "Ethernet 3"),
    "JSON that is cut off": ('[\n    {\n        "Name":  "Ethernet 3",\n        "IPv4FailureReason":  3,\n        "IPv6Fail', "Ethernet 3"),
    "another language's name": (saved("rsc-cut").replace("Ethernet 3                ", "イーサネット 3          "), "イーサネット 3"),
    "the same, padded by letters": (saved("rsc-cut").replace("Ethernet 3  ", "イーサネット 3"), "イーサネット 3"),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_the_same_are_told_alike(form: str) -> None:
    text, name = FORMS[form]
    verdict = only(text)

    assert (verdict.evidence.nic, verdict.verdict) == (name, "not-ready")
    assert verdict.finding.cause is not None
    assert verdict.finding.cause.id == "ndis-compatibility"


def test_several_adapters_are_each_their_own() -> None:
    adapters = [
        Rsc("Ethernet"),
        Rsc("Ethernet 2", operational=(False, True), reasons=("WFPCompatibility", "NoFailure")),
    ]

    for text in (as_list(adapters), table(adapters, (30, 12, 12, 15, 15, 17, 17))):
        assert told(text) == [("Ethernet", "unknown", ""), ("Ethernet 2", "not-ready", "wfp-compatibility")]


@pytest.mark.parametrize(
    "text",
    [
        "Name     Version V1IPv4Enabled IPv4Enabled IPv6Enabled\n----     ------- ------------- ----------- -----------\nEthernet 2       False         True        True\n",
        "Disable-NetAdapterRsc -Name Ethernet -IPv4Enabled:$False\n",
        "IPv4Enabled : True\nIPv6Enabled : True\n",
        "Name : x\nMacAddress : 52-54-00-00-00-01\n",
        "netsh int tcp set global rsc=disabled\n",
        "Initial RTO : 1000\n",
        "--- ---\nTrue True\n",
    ],
)  # fmt: skip
def test_what_only_looks_like_it_is_nothing(text: str) -> None:
    assert parse_windows(text) == PastedWindows()
    with pytest.raises(RequestError, match="nothing in x"):
        pasted({"x": text})


# The whole of a Windows.

GLOBAL = "ReceiveSideScaling           : Enabled\nReceiveSegmentCoalescing     : {}\nChimney                      : Disabled\n\n"


def test_what_is_off_for_all_is_the_cause_of_each() -> None:
    off = Rsc("Ethernet", operational=(False, False), reasons=("Unknown", "Unknown"))

    assert told(GLOBAL.format("Disabled") + as_list([off])) == [
        ("Ethernet", "not-ready", "offload-globally-disabled")
    ]
    assert told(GLOBAL.format("Enabled") + as_list([off])) == [("Ethernet", "not-ready", "")]


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
def test_netsh_is_read_by_a_label_or_else_by_its_place(text: str, right: bool) -> None:  # noqa: FBT001
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
    assert "bound to it, and not Windows' own: INSECURE_NPCAP; which of them are filters" in " ".join(
        verdict.notes
    )


def test_another_vendors_adapter_is_judged_the_same_but_not_told_of_netkvm() -> None:
    text = saved("rsc-list")
    ours, other = only(text), only(text.replace(NETKVM, "Intel(R) Ethernet Controller X710"))

    assert ours.finding.cause is other.finding.cause
    assert any("guest_csum" in line for line in ours.fix)
    assert not any("guest_csum" in line or "virtio-win" in line for line in other.fix)
    assert any("its own driver decides" in line for line in other.fix)
    assert "no VirtIO adapter" in " ".join(other.notes)


def test_what_works_though_the_driver_declares_none_is_windows_own() -> None:
    verdict = only(
        saved("rsc-list").replace("State : False", "State : True").replace("Capability", "NoFailure")
    )

    assert verdict.verdict == "unknown"
    assert "Windows' own RSC, in software" in " ".join(verdict.notes)


def test_a_list_of_whatever_length_is_refused_past_two_thousand() -> None:
    with pytest.raises(RequestError, match="more than 2000 NICs"):
        pasted({"x": as_list([Rsc("a")] * 2001)})


def test_names_from_outside_steer_no_terminal() -> None:
    [found] = parse_windows(as_list([Rsc("a\x07b" + "c" * 400)])).adapters

    assert found.adapter.name.startswith("a\\x07b")
    assert len(found.adapter.name) < 300


def test_what_is_not_told_is_none_and_not_false() -> None:
    [found] = parse_windows("IPv4FailureReason : WFPCompatibility\n").adapters

    assert found.adapter.rsc["ipv4"] == FamilyRsc(reason="WFPCompatibility")
    assert found.adapter.rsc["ipv6"] == FamilyRsc()
    assert [judge_nic(nic).verdict for nic in pasted({"x": "IPv4FailureReason : WFPCompatibility\n"})] == [
        "not-ready"
    ]
