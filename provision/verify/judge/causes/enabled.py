"""Causes at rung *enabled*: RSC is off in the guest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.verify.judge.cause import Fix, cause, windows_reason
from provision.verify.judge.guest_rungs import (
    KEYWORDS,
    adapter_off,
    answered,
    facts_of,
    globally_off,
    keyword_off,
    told,
    too_old,
    when_linux,
)

if TYPE_CHECKING:
    from provision.verify.evidence import Family, NicEvidence


@cause(
    "enabled",
    Fix("Windows 8, Server 2012 or later", "guest"),
    seen="in the guest, Win32_OperatingSystem: Version below 6.2",
    source="learn.microsoft.com: Overview of Receive Segment Coalescing (NDIS 6.30, Windows 8)",
)
def guest_too_old(nic: NicEvidence, _family: Family) -> str:
    """Windows has RSC since Windows 8 and Server 2012."""
    facts = facts_of(nic)
    release = facts and (facts.release or ".".join(map(str, facts.version)))
    return f"the guest is a Windows from before RSC: {release}" if too_old(nic) else ""


@windows_reason("NetOffloadGlobalDisabled")
def offload_globally_disabled(nic: NicEvidence, family: Family) -> str:
    """RSC is off for the whole guest."""
    return "RSC is off for the whole guest" if globally_off(nic, family) else ""


@windows_reason(
    "NicPropertyDisabled",
    Fix("in the guest: `ethtool -K {adapter} {switch} on`", "guest", when_linux),
)
def nic_property_disabled(nic: NicEvidence, family: Family) -> str:
    """RSC is off on the adapter."""
    if not adapter_off(nic, family):
        return ""
    if when_linux(nic):
        return f"{told(nic, family).switch} is off on {_name(nic)} in the guest"
    why = f"{KEYWORDS[family]} is 0" if keyword_off(nic, family) else told(nic, family).reason
    return f"RSC is off on the guest's adapter {_name(nic)}{f' ({why})' if why else ''}"


def _name(nic: NicEvidence) -> str:
    guest = answered(nic)
    return guest.adapter.name if guest and guest.adapter else ""
