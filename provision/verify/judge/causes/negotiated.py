"""Causes at rung *negotiated*: the guest's driver did not take it."""

from __future__ import annotations

from provision.verify.evidence import Family, NicEvidence, Unasked
from provision.verify.judge.cause import ASK, INITIALIZE_RSC_STATE, VIRTIO_STATUS, Fix, cause
from provision.verify.judge.guest_rungs import when_linux, when_windows
from provision.verify.judge.ladder import loaded, missing_features


def _failed(nic: NicEvidence) -> bool:
    return not isinstance(nic.virtio, Unasked) and nic.virtio.failed


@cause(
    "negotiated",
    "wait for the guest to boot",
    Fix("a Windows guest needs NetKVM from virtio-win", "guest"),
    Fix("a device that needs a reset gets it by a reboot of the guest", "guest", _failed),
    unknown=lambda nic: not (nic.waited or _failed(nic)),
    seen=f"{VIRTIO_STATUS}: no VIRTIO_CONFIG_S_DRIVER_OK, or guest-features with no more than a firmware takes (MAC, VERSION_1, …)",
    source="virtio specification, device status field; iPXE sets DRIVER_OK having taken MAC and VERSION_1 (measured)",
)
def driver_not_loaded(nic: NicEvidence, _family: Family) -> str:
    """Until the operating system's driver takes the device nothing is negotiated, and the TAP stays as it is."""
    if isinstance(nic.virtio, Unasked) or loaded(nic):
        return ""
    return nic.virtio.untaken


@cause(
    "negotiated",
    Fix(
        "in a Windows guest: `Set-NetAdapterAdvancedProperty -Name NAME -RegistryKeyword '*RscIPv4' -RegistryValue 1` "
        "(and `'*RscIPv6'`); update NetKVM",
        "guest",
        when_windows,
    ),
    Fix("a Linux guest's driver takes all that it knows: a newer kernel", "guest", when_linux),
    ASK,
    seen=f"{VIRTIO_STATUS}: in host-features and not in guest-features: VIRTIO_NET_F_GUEST_CSUM, GUEST_TSO4 or GUEST_TSO6",
    source=f"{INITIALIZE_RSC_STATE}: TSO is taken where checksum was, and *RscIPv4 or *RscIPv6 is 1",
)
def driver_declined(nic: NicEvidence, family: Family) -> str:
    """The driver runs without it: an old driver, or one told to (NetKVM: `*RscIPv4` or `*RscIPv6` set to 0)."""
    if isinstance(nic.virtio, Unasked) or not loaded(nic):
        return ""
    short = missing_features(nic, family, nic.virtio.negotiated)
    return f"{short} offered, and the guest's driver did not take it" if short else ""
