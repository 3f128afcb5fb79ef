"""NICs of Windows machines, and which known issues they are told of."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from provision.verify.judge.known import matches
from tests.builders import nic, virtio
from tests.guests import windows

if TYPE_CHECKING:
    from provision.verify.evidence import AskedGuest, NicEvidence

LINUXS = virtio("linux")
NETKVMS = replace(
    LINUXS,
    negotiated=LINUXS.negotiated - {"VIRTIO_NET_F_GUEST_ECN", "VIRTIO_NET_F_GUEST_UFO"}
    | {"VIRTIO_NET_F_HOST_USO"},
)
"""Composed: what a Linux guest took, without what NetKVM never takes, and with USO."""
SERVER_2025 = (10, 0, 26100)


def machine(**changes: Any) -> NicEvidence:
    """A Windows machine's NIC, of which nothing is known but what is said."""
    return nic(virtio=NETKVMS, **changes)


def found(evidence: NicEvidence) -> list[str]:
    return [match.issue.id for match in matches(evidence)]


def sure(evidence: NicEvidence) -> list[str]:
    return [match.issue.id for match in matches(evidence) if not match.untold]


def driver(build: int, **more: Any) -> AskedGuest:
    return windows(driver_version=f"100.101.104.{build}00", **more)
