"""Guests' own answers, as facts, for tests of what is made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from provision.facts.guest import Adapter, FamilyRsc, GuestFacts
from provision.runtime.guest_channel import GuestWay
from provision.tables.failure_reasons import UNNAMED
from provision.verify.evidence import AskedGuest

if TYPE_CHECKING:
    from collections.abc import Mapping

MAC = "52:54:00:00:00:01"
BY_AGENT = GuestWay("agent", domain="vm")
SERVER_2022 = (10, 0, 20348)
WORKS = FamilyRsc(enabled=True, supported=True, operational=True, reason="NoFailure")


def says(reason: str) -> FamilyRsc:
    """What Windows says of a family with a FailureReason, as its documentation has them together."""
    return FamilyRsc(
        enabled=reason != "NicPropertyDisabled",
        supported=reason != "Capability",
        operational=reason == "NoFailure",
        reason=reason,
    )


def windows(ipv4: str = "NoFailure", ipv6: str = "NoFailure", **more: Any) -> AskedGuest:
    """A Windows guest that gives these reasons; further words go to the adapter, or to the guest."""
    of_adapter = {name: more.pop(name) for name in list(more) if name in Adapter.__dataclass_fields__}
    rsc: Mapping[str, FamilyRsc] = {"ipv4": says(ipv4), "ipv6": says(ipv6)}
    usual = {"name": "Ethernet 2", "mac": MAC, "description": "Red Hat VirtIO Ethernet Adapter", "rsc": rsc}
    adapter = Adapter(**{**usual, **of_adapter})
    said = {"release": "Microsoft Windows Server 2022 Standard", "version": SERVER_2022, **more}
    return AskedGuest(GuestFacts("windows", adapters=(adapter,), **said), adapter, BY_AGENT)


def linux(*, on: bool = True) -> AskedGuest:
    """A Linux guest with rx-gro-hw on or off."""
    rsc = dict.fromkeys(("ipv4", "ipv6"), FamilyRsc(enabled=on, supported=True, switch="rx-gro-hw"))
    adapter = Adapter("eth0", MAC, rsc=rsc)
    return AskedGuest(GuestFacts("linux", "6.12.0", (6, 12, 0), (adapter,)), adapter, BY_AGENT)


CAUSES = {
    "NicPropertyDisabled": "nic-property-disabled",
    "WFPCompatibility": "wfp-compatibility",
    "NDISCompatibility": "ndis-compatibility",
    "ForwardingEnabled": "forwarding-enabled",
    "NetOffloadGlobalDisabled": "offload-globally-disabled",
    "Capability": "capability",
}
"""What each of Windows' reasons is where all below holds; the others are none."""
REASONS_NAMED = ("NicPropertyDisabled", "WFPCompatibility", "NDISCompatibility", "ForwardingEnabled", "NetOffloadGlobalDisabled")  # fmt: skip
ALL_REASONS = ("NoFailure", *REASONS_NAMED, "Capability", UNNAMED)
