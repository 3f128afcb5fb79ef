"""Tells whether anything on a test bridge could send what QEMU's HCK engine breaks, by what is there. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from provision.tables.offloads import BY_SENDER
from provision.verify.evidence import NicEvidence, Unasked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.facts.ip import Link
    from provision.verify.collect.host_devices import TapsRead

_OURS = "rscvm "
"""How the alias of a bridge begins that we made."""


def with_test_bridge(
    nics: Sequence[NicEvidence], taps: TapsRead, there: Sequence[NicEvidence]
) -> list[NicEvidence]:
    """The NICs, those with the engine with the bridge on which nothing else can send with offloads, if it is so.

    :param there: every NIC that was asked of the host, these among them.
    """
    return [replace(nic, lone=_lone_on(nic, taps, there)) if nic.hck else nic for nic in nics]


def _lone_on(nic: NicEvidence, taps: TapsRead, there: Sequence[NicEvidence]) -> str:
    links = taps.links
    tap = links.get(nic.tap or "")
    bridge = links.get(tap.master) if tap is not None else None
    if tap is None or bridge is None or bridge.kind != "bridge" or not bridge.alias.startswith(_OURS):
        return ""
    # The host sends without an address of the bridge's, too, where a route leads by it, or a VRF or another bridge has it.
    if bridge.addresses or bridge.master or bridge.name in taps.routed or bridge.name in taps.uplinks:
        return ""
    if any(link.lower in (tap.name, bridge.name) for link in links.values()):
        return ""
    ports = [link for link in links.values() if link.master == bridge.name and link.name != tap.name]
    return bridge.name if all(_is_like_a_wire(nic.host, port, there) for port in ports) else ""


def _is_like_a_wire(host: str, port: Link, there: Sequence[NicEvidence]) -> bool:
    """Whether what comes in by a port has its checksum and is no longer than it was on the wire, if anything comes."""
    if not port.tap:
        return False
    if not port.carrier:
        return True  # nobody holds its other end
    behind = [nic for nic in there if (nic.host, nic.tap) == (host, port.name)]
    facts = behind[0].virtio if len(behind) == 1 and behind[0].model == "virtio" else Unasked("not asked")
    return not isinstance(facts, Unasked) and not facts.offered & BY_SENDER
