"""TABLE: one row per NIC backend: what it is to QEMU and to libvirt, and what it cannot pass on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NicBackend:
    """Where a NIC's frames come from."""

    name: str
    netdev: str
    """QEMU's `-netdev` type; empty where the QEMU backend of ours cannot make it."""
    interface: str
    """libvirt's `<interface type=…>`."""
    vnet_header: bool
    """Without the header QEMU offers neither checksum nor TSO to the guest."""
    readable: bool
    """Whether `ethtool -k` on the host tells what the guest negotiated."""
    device: bool = True
    """Whether there is a network device on the host at all."""


BACKENDS = {
    row.name: row
    for row in (
        NicBackend("bridge", "tap", "bridge", vnet_header=True, readable=True),
        NicBackend("tap", "tap", "ethernet", vnet_header=True, readable=True),
        # tap.c inverts TSO into GRO on the macvlan: every line reads `on [fixed]` in every state.
        NicBackend("macvtap", "", "direct", vnet_header=True, readable=False),
        NicBackend("user", "user", "user", vnet_header=False, readable=False, device=False),
    )
}
