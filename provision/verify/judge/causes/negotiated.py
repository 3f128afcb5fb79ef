"""Rung *negotiated*: the guest's driver did not take it."""

from __future__ import annotations

from provision.verify.evidence import Family, NicEvidence, Unasked
from provision.verify.judge.cause import cause
from provision.verify.judge.ladder import _missing, loaded


@cause(
    "negotiated",
    "wait for the guest to boot; a Windows guest needs NetKVM from virtio-win",
    unknown=lambda nic: not nic.waited,
)
def driver_not_loaded(nic: NicEvidence, _family: Family) -> str:
    """Until the operating system's driver takes the device nothing is negotiated, and the TAP stays as it is."""
    if isinstance(nic.virtio, Unasked) or loaded(nic):
        return ""
    return (
        "only a firmware's driver has taken it" if nic.virtio.driver_ok else "no driver has taken the device"
    )


@cause(
    "negotiated",
    "in a Windows guest: Set-NetAdapterAdvancedProperty -Name NAME -RegistryKeyword '*RscIPv4' -RegistryValue 1 "
    "(and '*RscIPv6'); update NetKVM",
)
def driver_declined(nic: NicEvidence, family: Family) -> str:
    """The driver runs without it: an old driver, or one told to (NetKVM: `*RscIPv4` or `*RscIPv6` set to 0)."""
    if isinstance(nic.virtio, Unasked) or not loaded(nic):
        return ""
    short = _missing(nic, family, nic.virtio.negotiated)
    return f"{short} offered, and the guest's driver did not take it" if short else ""
