"""Steps for bridges: made where they are missing, put right where they have drifted. Pure."""

from __future__ import annotations

import json
from ipaddress import ip_interface
from typing import TYPE_CHECKING

from provision.host.journal import Thing, noted
from provision.host.marks import device_mark, is_our_link
from provision.host.plan.device_drift import (
    WIRE_QUEUE,
    DeviceDrift,
    link_drift,
    put_right,
    set_link,
)
from provision.host.plan.diff import added
from provision.host.plan.making import Made
from provision.host.plan.steps import HOST, Step
from provision.host.state import BRIDGE_FILTER
from provision.lab.derived import derived_mac
from provision.lab.expand import who_says
from provision.runtime.command import Run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from provision.facts.ip import Link
    from provision.host.state import Inventory
    from provision.lab.spec import Bridge, Lab
    from provision.runtime.command import Argv


_WIRE_FILTER = tuple(
    word for what in ("iptables", "ip6tables", "arptables") for word in (f"nf_call_{what}", "0")
)


def made_bridge(lab: Lab, name: str, bridge: Bridge) -> Made:
    """How a bridge is made."""
    queue, options = (("txqueuelen", str(WIRE_QUEUE)), _WIRE_FILTER) if bridge.wire else ((), ())
    # Without an address of its own it would take the lowest of its ports', a new one whenever a TAP comes.
    address = () if bridge.uplink else ("address", derived_mac(lab.name, "bridge", name))
    kind = ("type", "bridge", "stp_state", "0", "forward_delay", "0", *options)
    more: list[Argv] = []
    if bridge.mtu:
        more.append(set_link(name, "mtu", str(bridge.mtu)))
    if bridge.uplink:
        more += [set_link(bridge.uplink, "master", name), set_link(bridge.uplink, "up")]
    if bridge.address:
        more.append(("ip", "address", "add", bridge.address, "dev", name))
    add = ("ip", "link", "add", "name", name, *address, *queue, *kind)
    mark = device_mark(lab, "", name)
    return Made(name, mark, add, (*more, set_link(name, "up")), silent=bridge.wire)


def _bridge_thing(name: str, bridge: Bridge, state: Inventory) -> Thing:
    """A bridge with what we give it, which is ours to take away again; and which uplinks were up before."""
    uplink = state.links.get(bridge.uplink or "")
    given = {
        "uplinks": {uplink.name: uplink.up} if uplink else {},
        "addresses": {bridge.address: True} if bridge.address else {},
        "mtus": {str(bridge.mtu): True} if bridge.mtu else {},
    }
    return Thing("bridge", name, was=json.dumps(given))


def bridge_steps(lab: Lab, host: str, state: Inventory) -> Iterator[Step]:
    """Declared bridges: made where the host does not have them, ours put right."""
    for name, bridge in lab.host(host).bridges.items():
        if name in state.links:
            if is_our_link(lab, state.links[name], state.journal):
                drifts = [*_no_longer(name, bridge, state), *_bridge_drift(name, bridge, state)]
                thing = _bridge_thing(name, bridge, state)
                yield from put_right(host, HOST, f"bridge {name}", drifts, bridge=thing)
        else:
            made, uplink = made_bridge(lab, name, bridge), state.links.get(bridge.uplink or "")
            down = (Run(set_link(uplink.name, "down")),) if uplink and not uplink.up else ()
            yield Step(
                host,
                HOST,
                f"make bridge {name}",
                f"{who_says(lab, host, name)} declares it, and it is not there",
                made.make(lab),
                (*down, made.unmake(lab)),
                (_bridge_thing(name, bridge, state),),
                added(
                    f"bridge {name}",
                    f"address {bridge.address}" if bridge.address else "",
                    f"mtu {bridge.mtu}" if bridge.mtu else "",
                    f"uplink {bridge.uplink}" if bridge.uplink else "",
                    f"a wire: no address, txqueuelen {WIRE_QUEUE}, nf_call_* 0" if bridge.wire else "",
                ),
                guarded=bool(bridge.uplink),  # it may be the NIC by which we reach the host
                devices=(name, *([bridge.uplink] if bridge.uplink else [])),
            )


def _has(link: Link, address: str) -> bool:
    return ip_interface(address) in map(ip_interface, link.addresses)


_OWN_MTU = 1500
"""A bridge's when it is made."""


def _no_longer(name: str, bridge: Bridge, state: Inventory) -> Iterator[DeviceDrift]:
    """What a bridge of ours has from us, and the lab file has no longer; two uplinks would be a loop."""
    link, given = state.links[name], noted(state.journal, "bridge", name)
    for uplink, was_up in given.get("uplinks", {}).items():
        there = state.links.get(uplink)
        if uplink != bridge.uplink and there is not None and there.master == name:
            yield DeviceDrift(
                uplink, f"uplink {uplink}", "", set_link(uplink, "nomaster"), set_link(uplink, "master", name)
            )
            if there.up and not was_up:
                yield DeviceDrift(
                    uplink, f"{uplink} up", f"{uplink} down", set_link(uplink, "down"), set_link(uplink, "up")
                )
    for address in given.get("addresses", {}):
        same = bridge.address and ip_interface(bridge.address) == ip_interface(address)
        if not same and _has(link, address):
            do, undo = (("ip", "address", verb, address, "dev", name) for verb in ("del", "add"))
            yield DeviceDrift(name, f"address {address}", "", do, undo)
    if not bridge.mtu and str(link.mtu) in given.get("mtus", {}) and link.mtu != _OWN_MTU:
        back, again = set_link(name, "mtu", str(_OWN_MTU)), set_link(name, "mtu", str(link.mtu))
        yield DeviceDrift(name, f"mtu {link.mtu}", f"mtu {_OWN_MTU}, as a bridge has it", back, again)


def _bridge_drift(name: str, bridge: Bridge, state: Inventory) -> Iterator[DeviceDrift]:
    link = state.links[name]
    yield from link_drift(name, link, mtu=bridge.mtu, master=None)
    if bridge.wire:
        yield from _wire_drift(name, link)
    if bridge.address and not _has(link, bridge.address):
        do, undo = (("ip", "address", verb, bridge.address, "dev", name) for verb in ("add", "del"))
        yield DeviceDrift(name, "", f"address {bridge.address}", do, undo)
    if bridge.uplink and bridge.uplink in state.links:
        for drift in link_drift(bridge.uplink, state.links[bridge.uplink], mtu=None, master=name):
            before, after = f"uplink {bridge.uplink} {drift.before}", f"uplink {bridge.uplink} {drift.after}"
            yield DeviceDrift(bridge.uplink, before, after, drift.do, drift.undo)


def _wire_drift(name: str, link: Link) -> Iterator[DeviceDrift]:
    for address in link.addresses:
        remove, add = (("ip", "address", verb, address, "dev", name) for verb in ("del", "add"))
        yield DeviceDrift(name, f"address {address}", "no address", remove, add)
    if link.queue != WIRE_QUEUE:
        longer, shorter = (set_link(name, "txqueuelen", str(length)) for length in (WIRE_QUEUE, link.queue))
        yield DeviceDrift(name, f"txqueuelen {link.queue}", f"txqueuelen {WIRE_QUEUE}", longer, shorter)
    for switch in link.filters:
        off, on = (set_link(name, "type", "bridge", switch, value) for value in ("0", "1"))
        yield DeviceDrift(name, f"{switch} 1", f"{switch} 0", off, on)


def bridge_notes(lab: Lab, host: str, state: Inventory) -> Iterator[str]:
    """How declared bridges that we did not make differ from the lab file, which are left alone; and what filters wires."""
    for name, bridge in lab.host(host).bridges.items():
        if bridge.wire and state.bridge_filter:
            yield f"{name}: {BRIDGE_FILTER}"
        if name in state.links and not is_our_link(lab, state.links[name], state.journal):
            drifts = [*_bridge_drift(name, bridge, state)]
            if drifts:
                seen = ", ".join(
                    f"{drift.before}, not {drift.after}" if drift.before else f"no {drift.after}"
                    for drift in drifts
                )
                yield f"bridge {name} was there before us and is left alone; it has {seen}"
