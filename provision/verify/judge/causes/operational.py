"""Causes at rung *operational*: the guest's stack keeps RSC off, and who is to blame there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.runtime.guest_channel import AGENT_PORT
from provision.verify.judge.blockers import culprits, suspects
from provision.verify.judge.cause import Fix, always, cause, windows_reason
from provision.verify.judge.guest_rungs import (
    answered,
    facts_of,
    incapable,
    named_reason,
    told,
    unanswered,
    when_other_driver,
)

if TYPE_CHECKING:
    from provision.verify.evidence import Family, NicEvidence


@windows_reason(
    "Capability",
    Fix(
        "its own driver decides: a newer one may have RSC, where the device can do it",
        "guest",
        when_other_driver,
    ),
)
def capability(nic: NicEvidence, family: Family) -> str:
    """The driver declares no RSC."""
    if not incapable(nic, family):
        return ""
    said = told(nic, family).reason or "RscHardwareCapabilities"
    return f"the guest's driver{_which(nic)} declares no RSC ({said})"


def _which(nic: NicEvidence) -> str:
    """Which the driver is, as far as that is told."""
    guest = answered(nic)
    if guest is None or guest.adapter is None:
        return ""
    dated = f"of {guest.adapter.driver_date}" if guest.adapter.driver_date else ""
    return "".join(f" {word}" for word in (guest.adapter.driver_version, dated) if word)


@windows_reason("NDISCompatibility")
def ndis_compatibility(nic: NicEvidence, family: Family) -> str:
    """An old filter driver, or a MUX driver, is bound to the adapter."""
    if named_reason(nic, family) != "NDISCompatibility":
        return ""
    found = culprits(nic)
    return f"Windows says NDISCompatibility{f'; bound to the adapter: {found}' if found else ''}"


@windows_reason("WFPCompatibility")
def wfp_compatibility(nic: NicEvidence, family: Family) -> str:
    """A filter of a firewall, antivirus, VPN or proxy takes no segments above the MTU."""
    if named_reason(nic, family) != "WFPCompatibility":
        return ""
    found = suspects(nic)
    return f"Windows says WFPCompatibility{f'; suspects: {found}' if found else ''}"


@windows_reason("ForwardingEnabled")
def forwarding_enabled(nic: NicEvidence, family: Family) -> str:
    """The interface forwards."""
    return "Windows says ForwardingEnabled" if named_reason(nic, family) == "ForwardingEnabled" else ""


def _is_silent(nic: NicEvidence) -> bool:
    return facts_of(nic) is None


@cause(
    "operational",
    Fix(
        f"`<channel type='unix'><target type='virtio' name='{AGENT_PORT}'/></channel>` among the machine's `<devices>`, and a "
        "power cycle: without it no agent in the guest is heard",
        "libvirt",
        lambda nic: _is_silent(nic) and nic.agent_port is False,
    ),
    Fix(
        "install the QEMU guest agent there (virtio-win has it), and let it run guest-exec",
        "guest",
        _is_silent,
    ),
    Fix("the machine's `ask` may name other ways: ssh, winrm", "lab", _is_silent),
    "or see there yourself: `Get-NetAdapterRsc | Format-List`, and `rscvm check --from` its output",
    unknown=always,
    seen="`rscvm check --guest`: each way into the guest with its own error",
    source="the guest was to be asked, and did not answer",
)
def guest_unreachable(nic: NicEvidence, _family: Family) -> str:
    """The guest had to answer, and told nothing of this NIC; whether it lets RSC work is not known."""
    return unanswered(nic) if nic.guest_must else ""
