"""Joins a NIC with its host's devices: its TAP, the ways to it, and where its cable is out. Pure."""

from __future__ import annotations

from dataclasses import replace
from shlex import quote
from typing import TYPE_CHECKING, Literal

from provision.tables.offloads import TAP_CHECKSUM, TAP_TSO
from provision.verify.collect.own_taps import MACVTAPS, has_device, with_own_tap
from provision.verify.collect.ways import hop, ways_to
from provision.verify.evidence import Cut, Unasked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from provision.facts.ethtool_features import Features, FeaturesRead
    from provision.facts.ip import Link
    from provision.verify.collect.host_devices import TapsRead
    from provision.verify.evidence import NicEvidence

_BLOCKED = frozenset({"disabled", "blocking", "listening", "learning"})
"""States of a bridge's port in which nothing is forwarded to it (Linux net/bridge/br_forward.c, should_deliver)."""
_ON_THEIR_WAY = frozenset({"listening", "learning"})
"""Those of them that a port of a bridge with STP is in for its forward_delay each, and then forwards."""
_BESIDES = frozenset({"bridge", "tun", "dummy", "veth"})
"""Kinds of port that bring nothing from outside; the kernel names no kind of a physical NIC."""


def with_tap(nic: NicEvidence, read: TapsRead) -> NicEvidence:
    """The NIC with what its TAP tells, and with notes on what stands in the way though RSC itself may be ready."""
    nic = replace(with_own_tap(nic, read), kernel=read.release)
    whole, read = read, read.of(nic.network)
    link = read.links.get(nic.tap or "")
    if link is not None and link.kind in MACVTAPS:  # also where libvirt was handed it as an ordinary TAP
        nic = replace(nic, kind="direct")
    header = link.vnet_hdr if link is not None and link.tap and nic.state != "off" else None
    told = replace(nic, features=_features(nic, read.features), vnet_header=header)
    if nic.state == "off":
        return told
    if link is not None and whole.queueing is not None:
        sender = hop(whole, nic.network, link, "sends")
        told = replace(told, ways=ways_to(whole, nic.network, link.name), sender=sender)
    inside = [cut for cut in nic.cuts if cut.at in ("xml", "qemu")]
    cuts, notes = (*inside, *_cuts(nic, read)), tuple(_link_notes(nic, read))
    return replace(told, cuts=cuts, notes=(*nic.notes, *notes))


def _features(nic: NicEvidence, read: FeaturesRead) -> Features | Unasked:
    if nic.state == "off":
        return Unasked("the machine is not running")
    if nic.tap is None:
        unknown = (
            has_device(nic) and isinstance(nic.features, Unasked) and nic.features != Unasked("not asked")
        )
        return nic.features if unknown else Unasked("there is no TAP")
    if read.trouble:
        return Unasked(read.trouble)
    features = read.devices.get(nic.tap)
    if features is None:
        return Unasked(f"no device {nic.tap} on {nic.host}")
    lacking = [name for name in (TAP_CHECKSUM, *TAP_TSO) if name not in features]
    return Unasked(f"ethtool tells no {lacking[0]}") if lacking else features


def _cuts(nic: NicEvidence, read: TapsRead) -> Iterator[Cut]:
    """Links that are down or elsewhere; of Open vSwitch's bridges neither their own link nor a port's master tells.

    libvirt takes the macvtap of a paused domain down (virDomainInterfaceStopDevice).
    """
    tap = read.links.get(nic.tap or "")
    bridge = read.links.get(nic.bridge or (tap.master if tap else ""))
    if tap is not None and not tap.up and not (nic.kind == "direct" and nic.state == "paused"):
        yield Cut("tap", f"{tap.name} is down")
    if bridge is None and nic.bridge and tap is not None and tap.master != nic.bridge:
        yield Cut(
            "missing", f"there is no {nic.bridge}, which its machine's definition has it on", nic.bridge
        )
    if bridge is None or bridge.kind != "bridge":
        return
    if tap is not None and tap.master != bridge.name:
        yield Cut("port", f"{tap.name} is not on {bridge.name}", bridge.name)
    elif tap is not None and tap.up and bridge.up and tap.port_state in _BLOCKED:
        at: Literal["learning", "state"] = "learning" if tap.port_state in _ON_THEIR_WAY else "state"
        yield Cut(at, f"{tap.name} is {tap.port_state} on {bridge.name}", bridge.name)
    if not bridge.up:
        yield Cut("bridge", f"{bridge.name} is down", bridge.name)


def _link_notes(nic: NicEvidence, read: TapsRead) -> Iterator[str]:
    """Links of another MTU, queueing that nobody could read, or ports whose GRO is off."""
    tap = read.links.get(nic.tap or "")
    bridge = read.links.get(nic.bridge or (tap.master if tap else ""))
    mtus = {link.name: link.mtu for link in (tap, bridge) if link is not None}
    mtus |= {"the guest is told": nic.mtu} if nic.mtu else {}
    if len(set(mtus.values())) > 1:
        yield f"the MTU differs along the way: {', '.join(f'{name} {mtu}' for name, mtu in mtus.items())}"
    if tap is not None and read.queueing is not None and read.queueing.trouble:
        yield f"whether queueing cuts large frames is not known: {read.queueing.trouble}"
    if tap is not None and read.queueing is not None and tap.name in read.queueing.classes:
        yield f"a class of {tap.name}'s queueing cuts what it is handed: {read.queueing.classes[tap.name]}"
    if bridge is not None and bridge.kind == "bridge" and not nic.hck and read.queueing is None:
        yield from _without_gro(bridge, read)


def _without_gro(bridge: Link, read: TapsRead) -> Iterator[str]:
    """Ports to the outside that do not aggregate what they receive, in evidence that does not have the whole way."""
    for port in read.links.values():
        gro = read.features.devices.get(port.name, {}).get("generic-receive-offload")
        if port.master == bridge.name and port.kind not in _BESIDES and gro is not None and not gro.active:
            yield (
                f"{port.name}, on the same bridge, has generic-receive-offload off: what comes in by it reaches the "
                f"guest in frames of MTU size (ethtool -K {quote(port.name)} gro on)"
            )
