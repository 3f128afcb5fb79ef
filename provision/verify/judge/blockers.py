"""Who in a guest keeps RSC off, or will once the first reason is gone. Pure."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from provision.runtime.powershell import literal, pattern
from provision.tables.failure_reasons import DECIDED
from provision.tables.families import FAMILY_NAMES
from provision.verify.judge.guest_rungs import adapter_off, answered, globally_off, named_reason, told

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from provision.facts.guest import Binding, Callout
    from provision.verify.evidence import Family, NicEvidence

_MICROSOFT = "ms_"
"""What Windows' own components begin with; of these a team's and a virtual switch's are MUX drivers."""
MUX = {
    "ms_implat": "NIC teaming (LBFO)",
    "vms_pp": "a Hyper-V virtual switch",
    "ms_bridge": "a network bridge",
}
_SHOWN = 4
_UNTOLD = "; which of these are filters is not told"


def culprits(nic: NicEvidence) -> str:
    """What is bound to the adapter between it and TCP/IP and is no part of an ordinary Windows."""
    guest = answered(nic)
    found = [each for each in guest.adapter.bindings if is_foreign(each)] if guest and guest.adapter else []
    untold = any(each.is_filter is None and each.component not in MUX for each in found)
    return f"{_listed([_binding(each) for each in found])}{_UNTOLD if untold else ''}"


def is_foreign(binding: Binding) -> bool:
    """Whether a binding may be what NDIS says no for: a MUX driver, or somebody else's filter."""
    return binding.component in MUX or (
        binding.is_filter is not False and not binding.component.startswith((_MICROSOFT, "vms_"))
    )


def _binding(binding: Binding) -> str:
    name = MUX.get(binding.component) or binding.name or binding.component
    more = " ".join(part for part in (binding.driver, binding.version) if part)
    return f"{name} ({more})" if more else name


def suspects(nic: NicEvidence) -> str:
    """Whose WFP callouts see inbound TCP; which of them it is no one tells from user mode."""
    guest = answered(nic)
    if guest is None:
        return ""
    found = [_callout(each) for each in guest.facts.callouts]
    if guest.facts.defender:
        found.append("Windows Defender's network inspection (WdNisDrv)")
    return _listed(list(dict.fromkeys(found)))


def _callout(callout: Callout) -> str:
    name = callout.name or callout.provider or "a callout without a name"
    return f"{name} ({callout.driver})" if callout.driver else name


def _listed(found: list[str]) -> str:
    more = [f"and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
    return ", ".join([*found[:_SHOWN], *more])


def to_come(nic: NicEvidence, family: Family) -> Iterator[str]:
    """What else in the guest will keep a family's RSC off once its first reason is gone, in the order in which Windows decides."""
    guest, reason = answered(nic), named_reason(nic, family)
    if guest is None or guest.adapter is None or guest.facts.system != "windows" or not reason:
        return
    later = DECIDED[DECIDED.index(reason) + 1 :] if reason in DECIDED else ()
    if "NicPropertyDisabled" in later and adapter_off(nic, family) and globally_off(nic, family):
        yield "the adapter's own switch"
    if "NDISCompatibility" in later and (found := culprits(nic)):
        yield f"what is bound to the adapter: {found}"
    if "WFPCompatibility" in later and (found := suspects(nic)):
        yield f"perhaps a WFP callout: {found}"
    if "ForwardingEnabled" in later and guest.adapter.forwarding.get(family):
        yield "the interface forwards"


def guest_words(nic: NicEvidence, families: Sequence[Family]) -> dict[str, str]:
    """What stands in the words of a fix for a guest's own names, as its shell takes them, by `{adapter}` and the others.

    :param families: those that the fix is for.
    """
    guest = answered(nic)
    if guest is None or guest.adapter is None or not guest.adapter.name:
        return {"adapter": "NAME", "component": "ID", "family": "", "switch": told(nic, "ipv4").switch}
    quote = pattern if guest.facts.system == "windows" else shlex.quote
    foreign = next((each.component for each in guest.adapter.bindings if is_foreign(each)), "")
    return {
        "adapter": quote(guest.adapter.name),
        "component": literal(foreign) if foreign else "ID",
        "family": f" -AddressFamily {FAMILY_NAMES[families[0]]}" if len(families) == 1 else "",
        "switch": told(nic, "ipv4").switch,
    }
