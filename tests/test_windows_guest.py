"""What a Windows guest says becomes facts, or is refused: whatever the language, and whoever says it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.facts.guest import Callout, FamilyRsc
from provision.facts.guest_change import parse_guest_change
from provision.facts.windows_guest import parse_windows_guest
from provision.runtime.errors import UnreadableError
from provision.tables.failure_reasons import REASONS, UNNAMED

COMPOSED = Path(__file__).parent / "fixtures/composed"
NPCAP = "INSECURE_NPCAP"


def answer(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((COMPOSED / f"windows-guest-{name}.json").read_text("utf-8"))
    assert "not captured" in found["composed"]
    return found


def as_said(said: object) -> str:
    """As the script says it: one line of ASCII."""
    return json.dumps(said, separators=(",", ":"), ensure_ascii=True) + "\r\n"


WORKS, BLOCKED = answer("works"), answer("blocked")


def test_a_guest_whose_rsc_works_tells_all_there_is() -> None:
    guest = parse_windows_guest(as_said(WORKS))

    assert (guest.system, guest.release) == ("windows", "Microsoft Windows Server 2022 Standard")
    assert (guest.version, guest.processors, guest.global_rsc) == ((10, 0, 20348), 4, True)
    assert (guest.nat, guest.defender, guest.throttling) == (False, True, 0xFFFFFFFF)
    assert guest.callouts == ()
    assert guest.troubles == ()
    adapter = guest.adapter("52:54:00:12:34:56")
    assert adapter is not None
    assert adapter.name == "Ethernet 2"
    assert adapter.rsc == dict.fromkeys(
        ("ipv4", "ipv6"), FamilyRsc(enabled=True, supported=True, operational=True, reason="NoFailure")
    )
    assert (adapter.driver_version, adapter.driver_date) == ("100.95.104.26200", "2024-02-21")
    assert adapter.keywords["*RscIPv4"] == "1"
    assert adapter.forwarding == {"ipv4": False, "ipv6": False}
    assert (adapter.coalesced_host, adapter.coalesced_win) == (98765, 0)
    assert adapter.coalesced == 1200345
    assert adapter.declared == {"ipv4": True, "ipv6": True}
    assert [each.component for each in adapter.bindings if each.is_filter] == ["ms_pacer"]
    assert (adapter.switch, adapter.software_rsc) == ("", None)


def test_each_blocker_is_told_with_who_it_is() -> None:
    guest = parse_windows_guest(as_said(BLOCKED))

    first, second, third = guest.adapters
    assert first.name == "イーサネット"
    assert first.rsc["ipv4"].reason == "NDISCompatibility"
    assert first.rsc["ipv6"] == FamilyRsc(
        enabled=False, supported=True, operational=False, reason="NicPropertyDisabled"
    )
    npcap = next(each for each in first.bindings if each.component == NPCAP)
    assert (npcap.driver, npcap.version) == ("npcap", "0.99.7.0")
    assert npcap.is_filter
    assert first.forwarding == {"ipv4": True, "ipv6": False}
    assert guest.global_rsc is False
    assert guest.nat is True
    assert second.rsc["ipv4"].reason == "Capability"
    assert (second.switch, second.software_rsc) == ("the Hyper-V switch External", True)
    assert second.declared == {"ipv4": False, "ipv6": False}
    assert third.switch == "the team LAN"
    assert third.rsc == {}
    assert guest.troubles == ("NetKvm_Config: Ungültige Klasse (CimException 0x80131500)",)
    assert guest.throttling is None


def test_the_hosts_mac_address_finds_an_adapter_that_was_given_another() -> None:
    guest = parse_windows_guest(as_said(BLOCKED))

    found = guest.adapter("52:54:00:00:00:01")
    assert found is not None
    assert found.name == "イーサネット"
    assert guest.adapter("02:00:00:00:00:07") is None
    assert guest.adapter("52:54:00:00:00:02") is guest.adapters[1]


def test_callouts_of_others_are_suspects_and_windows_own_are_none() -> None:
    guest = parse_windows_guest(as_said(BLOCKED))

    assert guest.callouts == (
        Callout("Example Filter inbound", "Example Filter", "exflt 2.1.0.5", called=True),
        Callout("Example VPN idle callout", called=False),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "number", "reason"),
    [
        *((row.name, None, row.name) for row in REASONS),
        *((row.name, 77, row.name) for row in REASONS),
        *(("", row.code, row.name) for row in REASONS if row.code is not None),
        *((str(row.code), row.code, row.name) for row in REASONS if row.code is not None),
        ("", 6, UNNAMED),
        ("6", 6, UNNAMED),
        ("SomethingNew", None, UNNAMED),
        ("SomethingNew", 8, UNNAMED),
        ("", None, ""),
    ],
)
def test_a_reason_is_known_by_its_name_and_else_by_its_documented_number(
    name: str, number: int | None, reason: str
) -> None:
    said = changed(ipv4={"enabled": True, "operational": False, "reason": name, "code": number})

    assert parse_windows_guest(as_said(said)).adapters[0].rsc["ipv4"].reason == reason


def changed(**more: object) -> dict[str, Any]:
    """The guest whose RSC works, its adapter otherwise."""
    return {**WORKS, "adapters": [{**WORKS["adapters"][0], **more}]}


def test_a_windows_from_before_powershell_3_tells_its_version() -> None:
    guest = parse_windows_guest('{"rscvm":"windows/1","os":{"version":"6.1.7601.65536"}}\r\n')

    assert guest.version == (6, 1, 7601, 65536)
    assert guest.adapters == ()


def test_lines_that_a_narrow_terminal_broke_are_one_line_again() -> None:
    said = as_said(WORKS)

    wrapped = "\r\n".join(said[i : i + 79] for i in range(0, len(said), 79))
    assert parse_windows_guest(wrapped) == parse_windows_guest(said)


def test_what_a_login_shell_says_before_it_does_not_matter() -> None:
    assert parse_windows_guest(f"\ufeffWelcome to {{this}} machine\n{as_said(WORKS)}") == parse_windows_guest(
        as_said(WORKS)
    )


@pytest.mark.parametrize(
    "text",
    ["", "{}", '{"rscvm":"windows/2"}', '{"rscvm":"linux/1","devices":[]}', '{"rscvm":', '{"rscvm":"windows/1"', "[" * 100_000,
     '{"rscvm":"windows/1","os":[1]}', as_said(WORKS)[:500], " " * (4 << 20) + as_said(WORKS), '{"rscvm":"windows/1","a":[' + "0," * 300_000 + "0]}"],
    ids=range(11),
)  # fmt: skip
def test_what_is_no_answer_is_refused(text: str) -> None:
    with pytest.raises(UnreadableError):
        parse_windows_guest(text)


def test_what_a_guest_says_too_much_of_is_cut() -> None:
    adapter = {
        **WORKS["adapters"][0],
        "name": "n" * 10_000,
        "bindings": WORKS["adapters"][0]["bindings"] * 100,
    }
    trouble = {**BLOCKED["troubles"][0], "words": "w" * 9_000}
    said = {
        **WORKS,
        "adapters": [adapter] * 10,
        "callouts": [BLOCKED["callouts"][1]] * 3000,
        "troubles": [trouble] * 99,
    }

    guest = parse_windows_guest(as_said(said))

    assert len(guest.adapters[0].name) <= 200
    assert len(guest.adapters[0].bindings) <= 64
    assert len(guest.callouts) == 1
    assert len(guest.troubles) <= 32
    assert max(map(len, guest.troubles)) < 500


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@given(st.data())
def test_whatever_stands_in_the_place_of_a_value_is_facts_or_refused(data: st.DataObject) -> None:
    said = json.loads(json.dumps(data.draw(st.sampled_from((WORKS, BLOCKED)))))
    place = said
    while isinstance(place, dict | list) and place:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if key == "rscvm":
            return
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.booleans()):
            place[key] = data.draw(JUNK)
            break
        place = place[key]

    try:
        guest = parse_windows_guest(as_said(said))
    except UnreadableError:
        return
    str(guest).encode("utf-8")


def test_half_a_character_of_utf_16_can_be_written_all_the_same() -> None:
    said = as_said(changed(name="\ud83d"))

    parse_windows_guest(said).adapters[0].name.encode("utf-8")


def fixed(**more: object) -> str:
    return as_said({"rscvm": "fix/1", "fix": "rsc", "adapter": "Ethernet", **more})


def test_a_change_tells_what_was_before_and_what_is_now() -> None:
    change = parse_guest_change(
        fixed(old={"IPv4": False, "IPv6": True}, new={"IPv4": True, "IPv6": True}, troubles=[])
    )

    assert (change.kind, change.adapter) == ("rsc", "Ethernet")
    assert change.changed == {"IPv4": "False"}
    assert change.troubles == ()


def test_a_change_that_failed_half_way_tells_why_and_what_was() -> None:
    change = parse_guest_change(
        fixed(
            old={"IPv4": False},
            troubles=[{"asked": "Enable-NetAdapterRsc", "type": "A.B", "code": "0x1", "words": "no"}],
        )
    )

    assert change.troubles == ("Enable-NetAdapterRsc: no (B 0x1)",)
    assert change.old == {"IPv4": "False"}
    assert change.changed == {}


@pytest.mark.parametrize("fix", ["", "uninstall", None, 7, ["rsc"]])
def test_a_change_that_we_do_not_make_is_refused(fix: object) -> None:
    with pytest.raises(UnreadableError):
        parse_guest_change(fixed(fix=fix))
