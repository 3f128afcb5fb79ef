"""fix --guest: changes what of a guest's own settings the finding needs, and nothing else, and says what puts it back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from provision.runtime.errors import HostError
from provision.verbs.check import Look, check
from provision.verbs.fix.fix import Fixed, Place, fix_domain
from provision.verbs.fix.in_guest import _ROWS, Guests, InGuest, guest_mends, is_restarting
from provision.verbs.fix.repair import IN_GUEST
from provision.verify.collect.source import domain_source
from provision.verify.evidence import Unasked
from provision.verify.judge.verdict import judge_nic
from tests.asked_guests import Guest, GuestEdges, answer, host
from tests.builders import nic
from tests.guests import REASONS_NAMED, linux, windows


def fix(there: GuestEdges, *, guest: bool = True, dry_run: bool = False) -> Fixed:
    source = domain_source(there, "local", ("vm",))
    look = Look(guest=True)
    guests = Guests(there, "local") if guest else None
    place = Place(
        there, "local", "qemu:///x", "vm", lambda: check(source, look), lambda *_: "/backup", guests
    )
    return fix_domain(place, lambda _: None, dry_run=dry_run)


def changed(kind: str, old: dict[str, Any], new: dict[str, Any], *troubles: dict[str, str]) -> str:
    said = {
        "rscvm": "fix/1",
        "fix": kind,
        "adapter": "" if kind == "global" else "Ethernet 2",
        "old": old,
        "new": new,
        "troubles": list(troubles),
    }
    return json.dumps(said)


def guest_that(reason: str, script: str, says: str) -> Guest:
    """It says the reason until the script has run."""
    return Guest({"rsc": [answer(reason), answer()], script: [says]})


DONE = [
    (
        "NicPropertyDisabled", "fix-rsc", changed("rsc", {"IPv4": False, "IPv6": True}, {"IPv4": True, "IPv6": True}),
        "Enable-NetAdapterRsc -Name 'Ethernet 2' -IPv4 -IPv6", ["Disable-NetAdapterRsc -Name 'Ethernet 2' -IPv4"],
    ),
    (
        "NetOffloadGlobalDisabled", "fix-global",
        changed("global", {"ReceiveSegmentCoalescing": "Disabled"}, {"ReceiveSegmentCoalescing": "Enabled"}),
        "Set-NetOffloadGlobalSetting -ReceiveSegmentCoalescing Enabled",
        ["Set-NetOffloadGlobalSetting -ReceiveSegmentCoalescing 'Disabled'"],
    ),
    (
        "ForwardingEnabled", "fix-forwarding",
        changed("forwarding", {"IPv4": "Enabled", "IPv6": "Disabled"}, {"IPv4": "Disabled", "IPv6": "Disabled"}),
        "; ".join(f"Set-NetIPInterface -InterfaceAlias 'Ethernet 2' -AddressFamily {family} -Forwarding Disabled" for family in ("IPv4", "IPv6")),
        ["Set-NetIPInterface -InterfaceAlias 'Ethernet 2' -AddressFamily 'IPv4' -Forwarding 'Enabled'"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("reason", "script", "says", "what", "restore"), DONE, ids=[row[0] for row in DONE])
def test_what_the_finding_needs_is_changed_and_what_puts_it_back_is_told(
    reason: str, script: str, says: str, what: str, restore: list[str]
) -> None:
    guest = guest_that(reason, script, says)
    there = host()
    there.guests = {"the guest agent": guest}

    fixed = fix(there)

    [change] = fixed.changed
    assert isinstance(change, InGuest)
    assert (change.what, list(change.restore)) == (what, restore)
    assert {each.name for each in guest.scripts} == {"rsc", script}
    assert fixed.error is None
    assert {
        rung.states["ipv4"] for v in fixed.verdicts for rung in v.ladder if rung.name == "operational"
    } == {"pass"}


@pytest.mark.parametrize(("reason", "script", "says", "what", "restore"), DONE, ids=[row[0] for row in DONE])
def test_a_dry_run_says_the_same_and_changes_nothing(
    reason: str, script: str, says: str, what: str, restore: list[str]
) -> None:
    guest = guest_that(reason, script, says)
    there = host()
    there.guests = {"the guest agent": guest}

    fixed = fix(there, dry_run=True)

    [change] = fixed.changed
    assert isinstance(change, InGuest)
    assert change.what == what
    assert {*restore} <= {*change.restore}
    assert {each.name for each in guest.scripts} == {"rsc"}


def test_without_being_asked_for_it_nothing_in_a_guest_is_changed_and_it_is_said_how() -> None:
    guest = guest_that("NicPropertyDisabled", "fix-rsc", "")
    there = host()
    there.guests = {"the guest agent": guest}

    fixed = fix(there, guest=False)

    assert not fixed.changed
    assert {each.name for each in guest.scripts} == {"rsc"}
    assert any("`fix --guest` does it" in note for note in fixed.notes)


@pytest.mark.parametrize("reason", ["WFPCompatibility", "NDISCompatibility", "Capability", "Unknown"])
def test_what_would_have_to_be_uninstalled_is_told_and_left(reason: str) -> None:
    guest = Guest(answer(reason))
    there = host()
    there.guests = {"the guest agent": guest}

    fixed = fix(there)

    assert not fixed.changed
    assert {each.name for each in guest.scripts} == {"rsc"}


def test_a_guest_that_changed_nothing_is_an_error_with_its_own_words() -> None:
    trouble = {
        "asked": "Enable-NetAdapterRsc",
        "type": "CimException",
        "code": "0x80041003",
        "words": "Access denied",
    }
    there = host()
    there.guests = {
        "the guest agent": guest_that("NicPropertyDisabled", "fix-rsc", changed("rsc", {}, {}, trouble))
    }

    fixed = fix(there)

    assert not fixed.changed
    assert (
        str(fixed.error)
        == "vm: the guest changed nothing: Enable-NetAdapterRsc: Access denied (CimException 0x80041003)"
    )


def test_a_guest_that_is_lost_while_it_is_changed_is_an_error_and_nothing_is_claimed() -> None:
    class Lost(Guest):
        def run(self, script: Any, *, timeout: float) -> Any:
            if script.name != "rsc":
                raise HostError("the guest agent is gone")
            return super().run(script, timeout=timeout)

    there = host()
    there.guests = {"the guest agent": Lost(answer("NicPropertyDisabled"))}

    fixed = fix(there)

    assert (fixed.changed, str(fixed.error)) == ((), "the guest agent is gone")


def test_what_concerns_the_whole_guest_is_changed_once_for_its_nics() -> None:
    both = [judge_nic(nic(nic=name, guest=windows("NetOffloadGlobalDisabled"))) for name in ("net0", "net1")]

    assert len(guest_mends(both)) == 1


@pytest.mark.parametrize("reason", REASONS_NAMED)
def test_a_guest_of_a_nic_without_rsc_is_left_alone(reason: str) -> None:
    """Also where another fault makes it not ready: what its families lack is as it is meant."""
    off = judge_nic(nic(rsc="false", guest=windows(reason, reason)))

    assert off.verdict == "not-ready"
    assert guest_mends([off]) == []


def test_what_is_mended_in_a_guest_is_said_nowhere_else_to_be_nobodys() -> None:
    assert {cause for rows in _ROWS.values() for cause in rows} == IN_GUEST


def test_a_change_that_was_not_read_back_is_not_called_none_and_what_undoes_it_is_told() -> None:
    there = host()
    trouble = {"asked": "Enable-NetAdapterRsc", "type": "Timeout", "code": "0x1", "words": "not back yet"}
    said = json.loads(changed("rsc", {"IPv4": False}, {}, trouble))
    del said["new"]
    there.guests = {"the guest agent": guest_that("NicPropertyDisabled", "fix-rsc", json.dumps(said))}

    fixed = fix(there)

    assert fixed.error is not None
    assert str(fixed.error).startswith(
        "vm: whether the guest changed it was not read back: Enable-NetAdapterRsc: not back yet"
    )
    assert "Disable-NetAdapterRsc -Name 'Ethernet 2' -IPv4" in fixed.error.hint


OTHERS = {
    "another kind": changed("global", {"ReceiveSegmentCoalescing": "Disabled"}, {"ReceiveSegmentCoalescing": "Enabled"}),
    "a Linux' feature": json.dumps({"rscvm": "fix/1", "fix": "linux", "adapter": "vnet0", "old": {"tx-checksumming": "off"}, "new": {"tx-checksumming": "on"}}),
    "another adapter": changed("rsc", {"IPv4": False}, {"IPv4": True}).replace("Ethernet 2", "Ethernet 3"),
    "the other way round": changed("rsc", {"IPv4": True}, {"IPv4": False}),
    "another setting": changed("rsc", {"tx": "off"}, {"tx": "on"}),
}  # fmt: skip


@pytest.mark.parametrize("says", OTHERS.values(), ids=[*OTHERS])
def test_an_answer_of_something_else_than_was_asked_is_no_change_and_no_command_comes_of_it(
    says: str,
) -> None:
    there = host()
    there.guests = {"the guest agent": guest_that("NicPropertyDisabled", "fix-rsc", says)}

    fixed = fix(there)

    assert not fixed.changed
    assert "something else than it was asked to" in str(fixed.error)


def test_a_silent_guest_that_was_not_changed_is_not_waited_for() -> None:
    silent = nic(machine="b", guest=Unasked("silent"))

    assert not is_restarting({"a.net0"}, silent)
    assert is_restarting({"b.net0"}, silent)


def test_a_guest_that_said_nothing_of_what_it_found_has_changed_nothing_that_is_known() -> None:
    there = host()
    there.guests = {"the guest agent": guest_that("NicPropertyDisabled", "fix-rsc", changed("rsc", {}, {}))}

    assert "the guest changed nothing: it told no reason" in str(fix(there).error)


def test_a_keyword_is_set_a_family_at_a_time_where_windows_says_that_it_is_on() -> None:
    guest = windows(keywords={"*RscIPv4": "0", "*RscIPv6": "0"})

    mends = guest_mends([judge_nic(nic(guest=guest))])

    assert [mend.change.what for mend in mends] == [
        f"Set-NetAdapterAdvancedProperty -Name 'Ethernet 2' -RegistryKeyword '*Rsc{family}' -RegistryValue 1"
        for family in ("IPv4", "IPv6")
    ]
    assert {mend.script.name for mend in mends} == {"fix-keyword"}


def test_a_guest_with_containers_behind_nat_is_left_alone_and_that_is_said() -> None:
    there = host()
    there.guests = {"the guest agent": Guest(answer("ForwardingEnabled", nat=True))}

    fixed = fix(there)

    assert not fixed.changed
    assert [note for note in fixed.notes if "WinNAT network" in note]


def test_a_guest_that_fails_keeps_no_other_from_being_mended() -> None:
    fails, works = (
        judge_nic(nic(machine="a", guest=windows("NicPropertyDisabled"))),
        judge_nic(nic(machine="b", guest=windows("NetOffloadGlobalDisabled"))),
    )
    both = GuestEdges(
        guests={"the guest agent": Guest({"fix-rsc": [changed("rsc", {}, {})], "fix-global": [DONE[1][2]]})}
    )

    mended = Guests(both, "local").mend(guest_mends([fails, works]), lambda _: None)

    assert [change.machine for change in mended.changed] == ["b"]
    assert str(mended.error).startswith("a: the guest changed nothing")


def test_a_linux_guest_gets_its_switch_back() -> None:
    [mend] = guest_mends([judge_nic(nic(guest=linux(on=False)))])

    assert mend.change.what == "ethtool -K eth0 rx-gro-hw on"
    assert mend.script.shell == "sh"
