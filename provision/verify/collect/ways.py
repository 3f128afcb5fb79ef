"""Walks from a TAP to every place that its guest's frames come from: NICs, and the host itself. Pure.

Only who receives (and may gather) and who sends (and may cut) does anything to a frame: a bridge's own features matter to
what the host sends through it, and not to what it forwards.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from provision.verify.evidence import Hop, Way

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from provision.facts.ip import Link
    from provision.verify.collect.host_devices import TapsRead
    from provision.verify.evidence import Act

    _Seen = frozenset[tuple[str, str]]
    """The devices that a way has come by, so that no ring is walked twice."""

_OVER = frozenset({"vlan", "macvlan", "ipvlan", "macvtap", "ipvtap"})
"""Kinds that lie on another device."""
_SILENT = frozenset({"dummy", "ifb", "nlmon"})
"""Kinds from which nothing comes."""
_OVS = "openvswitch"
_OVS_USERSPACE = "ovs-netdev"
"""The device that ovs-vswitchd keeps for bridges of datapath_type netdev, whose ports the kernel does not tell."""


@dataclass(frozen=True, slots=True)
class _Device:
    """A device, and the network namespace that it is in."""

    network: str
    link: Link

    @property
    def key(self) -> tuple[str, str]:
        return self.network, self.link.name


def ways_to(read: TapsRead, network: str, name: str) -> tuple[Way, ...]:
    """Every way by which frames get to a device of a network namespace; none where it is not there.

    Containers on the same bridge whose namespaces were not read are like other guests: their own business, as long as
    there is another way in.
    """
    link = read.of(network).links.get(name)
    if link is None:
        return ()
    lies_over = link.kind in _OVER
    # To one bridge's TAPs all comes by the same ways.
    key = (network, name if lies_over else link.master or name)
    if key not in read.walked:
        at, seen = _Device(network, link), frozenset({(network, name)})
        found = list(_below(read, at, seen) if lies_over else _handed_to(read, at, seen))
        sure = [way for way in found if not (way.trouble and way.apart)]
        read.walked[key] = tuple(sure if any(way.source == "outside" for way in sure) else found)
    return read.walked[key]


def hop(read: TapsRead, network: str, link: Link, act: Act) -> Hop:
    """A device on the way, with what was read of it."""
    there = read.of(network)
    features = there.features.devices.get(link.name)
    lists = features.get("rx-gro-list") if features else None
    comes_in = act != "sends" and link.kind != "bridge"  # a bridge's own ingress sees what is for its host
    return Hop(
        link.name,
        act,
        network,
        features,
        link.limits,
        there.queueing.devices.get(link.name, "") if there.queueing else "",
        link.mtu,
        lists is not None and lists.active and read.gathers_lists,
        link.kind == "veth",
        generic_xdp=link.generic_xdp,
        diverted=_diverted(there, link) if comes_in else "",
    )


def _diverted(there: TapsRead, link: Link) -> str:
    """The ifbs that cut, where a device's filters might hand them what comes in, as traffic shapers let them."""
    if there.queueing is None or link.name not in there.queueing.inward:
        return ""
    cutting = there.queueing.devices
    return ", ".join(
        f"{name} ({cutting[name]})"
        for name, each in there.links.items()
        if each.kind == "ifb" and name in cutting
    )


def _then(read: TapsRead, way: Way, at: _Device, act: Act) -> Way:
    return replace(way, hops=(*way.hops, hop(read, at.network, at.link, act)))


def _handed_to(read: TapsRead, at: _Device, seen: _Seen) -> Iterator[Way]:
    """The ways by which frames come to be sent by a device: from its bridge's other ports, or from its host."""
    there = read.of(at.network)
    master = there.links.get(at.link.master)
    if master is None:
        if at.link.tap and _OVS_USERSPACE in there.links:
            yield Way(
                "outside",
                trouble=f"{at.link.name} may be a port of ovs-vswitchd's, which works without the kernel",
            )
        yield from _from_host(read, at, None, seen, routed=True)
    elif master.kind == "bridge":
        ports = [link for link in there.ports[master.name] if link.name != at.link.name]
        bridge = _Device(at.network, master)
        inward = [
            _then(read, way, bridge, "hands on")
            for port in ports
            for way in _arriving(read, _Device(at.network, port), seen | {bridge.key})
        ]
        yield from inward
        wired = any(way.source == "outside" and not way.apart for way in inward)
        yield from _from_host(read, bridge, bridge, seen | {bridge.key}, routed=not wired)
    elif master.kind == _OVS:
        yield from _through_ovs(read, at, master, seen)
    else:
        kind = master.kind or "device"
        yield Way(
            "outside", trouble=f"{at.link.name} belongs to {master.name}, a {kind}, which is not walked"
        )


def _through_ovs(read: TapsRead, at: _Device, master: Link, seen: _Seen) -> Iterator[Way]:
    """From the other ports of an Open vSwitch: the kernel does not tell which of them are on one bridge."""
    links = read.of(at.network).links
    seen |= {(at.network, master.name)}
    for port in links.values():
        if port.master == master.name and port.name != at.link.name:
            for way in _arriving(read, _Device(at.network, port), seen):
                yield replace(way, unsure=_on_its_bridge(master))
        elif port.kind == _OVS and port.name != master.name and port.up and port.name != at.link.name:
            for way in _from_host(read, _Device(at.network, port), None, seen, routed=False):
                yield replace(
                    _then(read, way, _Device(at.network, port), "sends"), unsure=_on_its_bridge(master)
                )


def _on_its_bridge(switch: Link) -> str:
    return f"which ports of {switch.name} are on its bridge `ovs-vsctl show` tells"


def _from_host(
    read: TapsRead, at: _Device, own: _Device | None, seen: _Seen, *, routed: bool
) -> Iterator[Way]:
    """What the host itself sends by a device, and what it forwards there where nothing else leads in.

    :param own: the device as a sender of its own, a bridge; a TAP or veth without a master is one by its own rung.
    """
    there = read.of(at.network)
    over = [link for link in there.uppers.get(at.link.name, ()) if link.kind in _OVER]
    for link in (at.link, *over):
        if not (_addressed(link) or link.name in there.routed) and (
            link is not at.link or own is not None or at.link.kind == _OVS
        ):
            continue
        senders = [*([_Device(at.network, link)] if link is not at.link else []), *([own] if own else [])]
        yield _sent(read, Way("host"), senders)
        if routed and there.forwards:
            for name in there.uplinks:
                uplink = there.links.get(name)
                if uplink is not None and (at.network, name) not in seen and uplink is not link:
                    for way in _arriving(read, _Device(at.network, uplink), seen):
                        yield _sent(read, way, senders)


def _addressed(link: Link) -> bool:
    """Whether the host has an address there that others than its neighbours could talk to."""
    return any(not address.startswith("fe80:") for address in link.addresses)


def _sent(read: TapsRead, way: Way, senders: list[_Device]) -> Way:
    for sender in senders:
        way = _then(read, way, sender, "sends")
    return way


def _arriving(read: TapsRead, at: _Device, seen: _Seen) -> Iterator[Way]:
    """The ways by which frames come in by a device."""
    link, kind = at.link, at.link.kind
    if at.key in seen or not link.carrier or link.idle or link.loopback or kind in _SILENT or link.tap:
        return
    come = _INWARD.get(kind)
    if come is not None:
        yield from come(read, at, seen | {at.key})
    else:
        yield Way(
            "outside", trouble=f"{link.name} is a {kind}, and nobody sees from here what comes in by it"
        )


def _by_wire(read: TapsRead, at: _Device, _seen: _Seen) -> Iterator[Way]:
    yield _then(read, Way("outside"), at, "receives")


def _by_ports(read: TapsRead, at: _Device, seen: _Seen) -> Iterator[Way]:
    active = f"which ports of {at.link.name} are active `teamdctl {at.link.name} state` tells"
    for port in read.of(at.network).ports.get(at.link.name, ()):
        for way in _arriving(read, _Device(at.network, port), seen):
            found = _then(read, way, at, "hands on")
            yield replace(found, unsure=active) if at.link.kind == "team" else found


def _by_lower(read: TapsRead, at: _Device, seen: _Seen) -> Iterator[Way]:
    for way in _below(read, at, seen):
        yield _then(read, way, at, "hands on")


def _by_ovs(read: TapsRead, at: _Device, seen: _Seen) -> Iterator[Way]:
    links = read.of(at.network).links
    for port in links.values():
        master = links.get(port.master)
        if master is not None and master.kind == _OVS:
            for way in _arriving(read, _Device(at.network, port), seen):
                yield replace(_then(read, way, at, "hands on"), unsure=_on_its_bridge(master))


def _below(read: TapsRead, at: _Device, seen: _Seen) -> Iterator[Way]:
    """The ways into the device that another one lies on."""
    lower = read.of(at.network).links.get(at.link.lower)
    if lower is None:
        where = "is in another network namespace" if at.link.peer else "is not there"
        yield Way("outside", trouble=f"what {at.link.name} lies on {where}")
    else:
        yield from _arriving(read, _Device(at.network, lower), seen)


def _by_veth(read: TapsRead, at: _Device, seen: _Seen) -> Iterator[Way]:
    """What a veth's peer sends it: its bridge's, or its namespace's own."""
    peer = _peer(read, at)
    if peer is None:
        why = f"{at.link.name} leads into a network namespace that was not read"
        yield Way("outside", trouble=why, apart=True)
    elif peer.key not in seen:
        elsewhere = peer.network != at.network
        for way in _handed_to(read, peer, seen | {peer.key}):
            sends = _then(read, way, peer, "sends")
            theirs = elsewhere and way.source == "host" and peer.network != ""
            yield _then(
                read, replace(sends, source="outside", apart=True) if theirs else sends, at, "receives"
            )


def _peer(read: TapsRead, at: _Device) -> _Device | None:
    """A veth's other end; None where it cannot be told which of the devices that were read it is."""
    link = at.link
    if not link.peer:
        own = read.of(at.network).links.get(link.lower)
        return _Device(at.network, own) if own is not None else None
    found = [
        _Device(network, other)
        for network, there in read.networks.items()
        if network != at.network
        for other in there.links.values()
        if (other.kind, other.index, other.peer) == ("veth", link.peer, link.index)
    ]
    return found[0] if len(found) == 1 else None


_INWARD: Mapping[str, Callable[[TapsRead, _Device, _Seen], Iterator[Way]]] = {
    "": _by_wire,
    "veth": _by_veth,
    _OVS: _by_ovs,
    **dict.fromkeys(("bond", "team", "bridge"), _by_ports),
    **dict.fromkeys(_OVER, _by_lower),
}
"""How frames come in, by the kind of device; the kernel names none of a physical NIC."""
