"""What people paste of a Windows guest: each adapter is judged by what Windows says, and what is cut away is not known."""

from __future__ import annotations

import html
import json

import pytest

from provision.facts.guest import FamilyRsc
from provision.facts.pasted_windows import PastedWindows, parse_windows
from provision.runtime.errors import RequestError
from provision.verify.collect.pasted import pasted
from provision.verify.judge.verdict import judge_nic
from tests.guests import CAUSES
from tests.printed import NETKVM, REASONS, Rsc, as_list, causes, only, rungs, saved, table

PROMPT = "PS C:\\> "


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
        assert causes(text) == right


CAUSE_OF = {**CAUSES, "Unknown": ""}


@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize("form", ["list", "table"])
def test_each_reason_is_its_cause_of_the_family_that_has_it(reason: str, form: str) -> None:
    works = reason == "NoFailure"
    one = Rsc("Ethernet", operational=(True, works), reasons=("NoFailure", reason))
    verdict = only(as_list([one]) if form == "list" else table([one], (30, 12, 12, 15, 15, 17, 24)))

    cause = verdict.families["ipv6"].cause
    assert (verdict.families["ipv6"].verdict, cause.id if cause else "") == (
        ("unknown", "") if works else ("not-ready", CAUSE_OF[reason])
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
        ("No", "", "No is cut off, and may be NoFailure"),
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


LISTED = "Name              : Ethernet 3\r\nIPv4FailureReason : NDISCompatibility\r\n"
FORMS = {
    "a narrow console, whose last column is gone": ("\n".join(line[:100] for line in saved("rsc-cut").splitlines()), "Ethernet 3"),
    "a row that findstr has left": (f"{PROMPT}Get-NetAdapterRsc | findstr Ethernet\n{saved('rsc-cut').splitlines()[-1]}", "Ethernet 3"),
    "columns that were chosen": ("IPv4OperationalState IPv4FailureReason Name\n-------------------- ----------------- ----\n               False NDISCompatibility Ethernet 3\n", "Ethernet 3"),
    "a page's code, on one line": (f"<p><code>{html.escape(saved('rsc-one-line').splitlines()[1]).replace('Ethernet 4', 'Ethernet 3')}</code></p>", "Ethernet 3"),
    "two columns of text": (f"Name       InterfaceDescription               IPv4OperationalState IPv4FailureReason\n----       --------------------               -------------------- -----------------\nEthernet 3 {NETKVM} #2                False NDISCompatibility\n", "Ethernet 3"),
    "bullets of a page": ("  * Name: Ethernet 3\n  * IPv4OperationalState: False\n  * IPv4FailureReason: NDISCompatibility\n", "Ethernet 3"),
    "a list on one line": (f"Name : Ethernet 3 InterfaceDescription : {NETKVM} Source : 2 IPv4OperationalState : False IPv4FailureReason : NDISCompatibility", "Ethernet 3"),
    "a list with more in it": ("IPv4FailureReason       : NDISCompatibility\nifAlias                 : Ethernet 3\nInstanceID              : {0A-1}\nName                    : Ethernet 3\nSource                  : 2\nIPv4OperationalState    : False\nRscHardwareCapabilities : MSFT_NetAdapterRscCapabilities\n", "Ethernet 3"),
    "a list without a name": (f"{PROMPT}Get-NetAdapterRsc -Name x | fl IPv4OperationalState, IPv4FailureReason\n\nIPv4OperationalState : False\nIPv4FailureReason    : NDISCompatibility\n", "unnamed"),
    "a list between quotes of JSON": ('"stdout": "\\r\\nName              : Ethernet 3\\r\\nIPv4FailureReason : NDISCompatibility\\r\\n"', "Ethernet 3"),
    "Ansible's answer, in which it is twice": ("hv1 | CHANGED => " + json.dumps({"stdout": LISTED, "stdout_lines": LISTED.splitlines()}, indent=4), "Ethernet 3"),
    "lines of Ansible's": ("=> " + json.dumps({"out.stdout_lines": LISTED.splitlines()}, indent=4), "Ethernet 3"),
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
        assert causes(text) == [("Ethernet", "unknown", ""), ("Ethernet 2", "not-ready", "wfp-compatibility")]


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


def test_what_follows_a_table_is_no_part_of_a_name() -> None:
    text = saved("rsc-cut").rstrip() + "\nEthernet is slow\n"

    assert causes(text) == [("Ethernet 3", "not-ready", "ndis-compatibility")]


def test_a_name_that_was_wrapped_is_put_together() -> None:
    text = "Name       IPv4OperationalState IPv4FailureReason\n----       -------------------- -----------------\nEthernet   False                WFPCompatibility\nInstance 2\n"

    assert causes(text) == [("Ethernet Instance 2", "not-ready", "wfp-compatibility")]
