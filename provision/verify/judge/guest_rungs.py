"""The rungs *enabled* and *operational*: what the guest itself says of RSC on a NIC. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.facts.guest import NO_FAILURE, FamilyRsc
from provision.tables.failure_reasons import UNNAMED
from provision.tables.families import FAMILY_NAMES
from provision.tables.guests import FIRST_WITH_RSC, NETKVM_ADAPTER
from provision.tables.offloads import BY_NAME
from provision.verify.evidence import FAMILIES, Unasked
from provision.verify.judge.rung import Rung, as_state, same

if TYPE_CHECKING:
    from provision.facts.guest import GuestFacts
    from provision.verify.evidence import AskedGuest, Family, NicEvidence

NOT_ASKED = "the guest was not asked"
KEYWORDS = {"ipv4": "*RscIPv4", "ipv6": "*RscIPv6"}
"""NetKVM's keywords in the registry, as every driver's with RSC (netkvm.inf)."""
_NOTHING = FamilyRsc()
_SHOWN = 3
"""Of a guest's troubles."""


def facts_of(nic: NicEvidence) -> GuestFacts | None:
    """What the guest says of itself, whether it knows the NIC or not."""
    return nic.guest.facts if nic.guest is not None and not isinstance(nic.guest, Unasked) else None


def has_nat(nic: NicEvidence) -> bool:
    """Whether its guest has a WinNAT network, for which RSC off and forwarding on are as they should be."""
    facts = facts_of(nic)
    return facts is not None and bool(facts.nat)


def answered(nic: NicEvidence) -> AskedGuest | None:
    """What the guest says of a NIC that it knows; None where it was not asked, did not answer, or knows no such NIC."""
    guest = nic.guest
    return guest if guest is not None and not isinstance(guest, Unasked) and guest.adapter else None


def unanswered(nic: NicEvidence) -> str:
    """Why the guest says nothing of a NIC; empty where it does."""
    if nic.guest is None:
        return NOT_ASKED
    if isinstance(nic.guest, Unasked):
        return nic.guest.reason
    if nic.guest.adapter:
        return ""
    several = len(nic.guest.facts.of(nic.mac)) > 1
    there = "several adapters, which nothing tells apart," if several else "no adapter"
    troubles = "; ".join(nic.guest.facts.troubles[:_SHOWN])
    more = f"; it could not tell {troubles}" if troubles else ""
    return f"the guest has {there} of the MAC address {nic.mac or 'that it has'}{more}"


def unasked(nic: NicEvidence) -> bool:
    """Whether nobody has asked its guest."""
    return nic.guest is None


def when_linux(nic: NicEvidence) -> bool:
    """Whether its guest is a Linux, as it says."""
    guest = answered(nic)
    return guest is not None and guest.facts.system == "linux"


def may_be_linux(nic: NicEvidence) -> bool:
    """Whether its guest may be a Linux."""
    guest = answered(nic)
    return guest is None or guest.facts.system == "linux"


def may_be_windows(nic: NicEvidence) -> bool:
    """Whether its guest may be a Windows, by what it says or by what its driver took: others' take GUEST_ECN, NetKVM never does."""
    facts = facts_of(nic)
    if facts is not None:
        return facts.system == "windows"
    return isinstance(nic.virtio, Unasked) or BY_NAME["guest_ecn"].virtio not in nic.virtio.negotiated


def when_windows(nic: NicEvidence) -> bool:
    """Whether its guest may be a Windows."""
    return not when_linux(nic)


def when_netkvm(nic: NicEvidence) -> bool:
    """Whether its adapter in a Windows may be one of NetKVM's, as far as that is known."""
    guest = answered(nic)
    described = guest.adapter.description if guest and guest.adapter else ""
    return when_windows(nic) and (not described or NETKVM_ADAPTER in described)


def when_other_driver(nic: NicEvidence) -> bool:
    """Whether its adapter in a Windows is known to be another's."""
    return when_windows(nic) and not when_netkvm(nic)


def told(nic: NicEvidence, family: Family) -> FamilyRsc:
    """RSC of a family on a NIC, as its guest says."""
    guest = answered(nic)
    return guest.adapter.rsc.get(family, _NOTHING) if guest and guest.adapter else _NOTHING


def has_it_on(nic: NicEvidence, family: Family) -> bool:
    """Whether the guest says that RSC of the NIC is operational; Windows may say so of RSC by software, which is not the NIC's."""
    guest, rsc = answered(nic), told(nic, family)
    declared = guest.adapter.declared.get(family) if guest and guest.adapter else None
    return bool(rsc.operational) and rsc.supported is not False and declared is not False


def named_reason(nic: NicEvidence, family: Family) -> str:
    """Windows' FailureReason where it is one that says why; empty otherwise."""
    reason = told(nic, family).reason
    return "" if reason in (NO_FAILURE, UNNAMED) else reason


def too_old(nic: NicEvidence) -> bool:
    """Whether it is a Windows from before RSC."""
    facts = facts_of(nic)
    return facts is not None and facts.system == "windows" and () < facts.version < FIRST_WITH_RSC


def globally_off(nic: NicEvidence, family: Family) -> bool:
    """Whether RSC is off for the whole guest."""
    guest = answered(nic)
    off = guest is not None and guest.facts.global_rsc is False
    return off or told(nic, family).reason == "NetOffloadGlobalDisabled"


def adapter_off(nic: NicEvidence, family: Family) -> bool:
    """Whether RSC of a family is off on the adapter."""
    rsc = told(nic, family)
    return rsc.enabled is False or rsc.reason == "NicPropertyDisabled" or keyword_off(nic, family)


def keyword_off(nic: NicEvidence, family: Family) -> bool:
    """Whether the driver's own keyword has RSC of a family off; what Windows says follows it at the adapter's next start."""
    guest = answered(nic)
    return bool(guest and guest.adapter and guest.adapter.keywords.get(KEYWORDS[family]) == "0")


def incapable(nic: NicEvidence, family: Family) -> bool:
    """Whether the driver declares no RSC for a family."""
    rsc = told(nic, family)
    return rsc.reason == "Capability" or (rsc.supported is False and not rsc.operational)


def enabled(nic: NicEvidence) -> Rung:
    """Whether RSC is on in the guest."""
    if too_old(nic):
        return same("enabled", "fail", _release(nic))
    if silent := _silent("enabled", nic):
        return silent
    states = {family: as_state(_is_enabled(nic, family)) for family in FAMILIES}
    more = ["off for the whole guest"] if any(globally_off(nic, family) for family in FAMILIES) else []
    words = [f"{FAMILY_NAMES[family]} {_WORDS[told(nic, family).enabled]}" for family in FAMILIES]
    return Rung("enabled", states, "; ".join((f"in the guest: {', '.join(words)}", *more)))


def _is_enabled(nic: NicEvidence, family: Family) -> bool | None:
    off = globally_off(nic, family) or adapter_off(nic, family)
    return False if off else told(nic, family).enabled


def operational(nic: NicEvidence) -> Rung:
    """Whether the guest's stack lets RSC work."""
    if silent := _silent("operational", nic):
        return silent
    guest = answered(nic)
    if guest and guest.facts.system == "linux":
        return same("operational", "skipped", "Linux tells no more than whether it is on")
    states = {family: as_state(_works(nic, family)) for family in FAMILIES}
    return Rung("operational", states, "; ".join(_operational_words(nic, family) for family in FAMILIES))


def _works(nic: NicEvidence, family: Family) -> bool | None:
    rsc = told(nic, family)
    if rsc.operational is not None:
        return rsc.operational
    if incapable(nic, family) or rsc.reason not in ("", NO_FAILURE):
        return False
    return None


def _operational_words(nic: NicEvidence, family: Family) -> str:
    rsc = told(nic, family)
    reason = f" ({rsc.reason})" if rsc.reason and rsc.reason != NO_FAILURE else ""
    return f"{FAMILY_NAMES[family]} {_OPERATIONAL[rsc.operational]}{reason}"


def _silent(name: str, nic: NicEvidence) -> Rung | None:
    """The rung of a guest that says nothing."""
    why = unanswered(nic)
    return (
        same(name, "skipped" if nic.guest is None and not nic.guest_must else "unknown", why) if why else None
    )


def _release(nic: NicEvidence) -> str:
    facts = facts_of(nic)
    return f"{facts.release or '.'.join(map(str, facts.version))}" if facts else ""


_WORDS = {True: "on", False: "off", None: "not told"}
_OPERATIONAL = {True: "operational", False: "not operational", None: "not told"}
