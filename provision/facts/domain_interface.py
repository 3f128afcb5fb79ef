"""The normal form of an `<interface>`: what it is attached to, and its effective offloads. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from provision.facts.domain_tree import attribute, flat
from provision.facts.overrides import Properties, properties_of
from provision.facts.qemu import TRUE
from provision.tables.backends import INTERFACES
from provision.tables.offloads import BY_NAME, HCK, OFFLOADS, unmet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lxml.etree import _Element

QEMUS_INTERVAL = "300000"
"""Nanoseconds that QEMU's engine holds a segment where nothing is said."""
WITHOUT_HEADER = ("gso", "mrg_rxbuf", "ctrl_vq", "ctrl_guest_offloads")
"""What QEMU still offers of a NIC whose netdev has no vnet header."""


def rsc_interval(properties: Properties) -> str:
    """Nanoseconds that QEMU's engine holds a segment of a NIC with these overrides."""
    found = properties.get("rsc_interval")
    return found.value if found and not found.removed else QEMUS_INTERVAL


def is_virtio(nic: _Element) -> bool:
    """Whether its model is a virtio one."""
    return attribute(nic, "model", "type").startswith("virtio")


def said_offloads(nic: _Element, properties: Properties, defaults: Mapping[str, bool]) -> dict[str, bool]:
    """Every offload of a virtio NIC as it is said: an override before an attribute before a default before QEMU's."""
    found: dict[str, bool] = {}
    for row in OFFLOADS:
        place = row.libvirt
        word = attribute(nic, f"driver/{place[0]}", place[1]) if place else ""
        said = properties[row.name].on if row.name in properties else word in TRUE if word else None
        found[row.name] = defaults.get(row.name, row.default) if said is None else said
    return found


def without_void(said: Mapping[str, bool]) -> dict[str, bool]:
    """The offloads as they come to: one that lacks what it needs is void, and so what needs that."""
    found = dict(said)
    for _ in OFFLOADS:  # a chain of needs is never longer than the table
        on = frozenset(name for name, is_on in found.items() if is_on)
        fallen = {name: False for name in on if unmet(BY_NAME[name], on)}
        if not fallen:
            break
        found |= fallen
    return found


def effective_offloads(nic: _Element, properties: Properties) -> dict[str, bool]:
    """Every offload of a virtio NIC as it comes to by attributes and overrides."""
    return without_void(said_offloads(nic, properties, {}))


_ATTACHED_BY = {
    "bridge": ("bridge", "network", "portid"),
    "network": ("network", "portid", "bridge"),
    "direct": ("dev", "mode", "network", "portid"),
}
"""Attributes of `<source>` that are in `attachment`, or show it for the running domain."""


def network_of(nic: _Element) -> str:
    """The libvirt network that a NIC is on; one that runs has the type of what is behind that."""
    return attribute(nic, "source", "network") if nic.get("type") in _ATTACHED_BY else ""


_NETWORKS_OWN = re.compile("(virtualport|vlan|bandwidth)[/@]")


def attachment(nic: _Element) -> str:
    """What a NIC is attached to, in libvirt's words."""
    kind = str(nic.get("type", ""))
    if network := network_of(nic):
        return f"network {network}"
    names = {"bridge": ("bridge",), "direct": ("dev", "mode")}.get(kind, ())
    words = [attribute(nic, "source", name) for name in names]
    if kind == "direct" and not words[1]:
        words[1] = "vepa"
    return " ".join(word for word in (kind, *words) if word)


def nic_values(root: _Element, nic: _Element) -> dict[str, str]:
    """A NIC's settings in normal form."""
    told = {f"source@{name}" for name in _ATTACHED_BY.get(str(nic.get("type", "")), ())}
    values = {path: value for path, value in flat(nic).items() if path not in told}
    if attribute(nic, "source", "portid"):  # of a network, which says these of its own as the NIC runs
        values = {path: value for path, value in values.items() if not _NETWORKS_OWN.match(path)}
    values["source"] = attachment(nic)
    if "mac@address" in values:
        values["mac@address"] = values["mac@address"].lower()
    if re.match(r"vnet|vif|macvtap|macvlan", values.get("target@dev", "")):
        del values["target@dev"]  # libvirt's own
    properties = properties_of(root, nic)
    if is_virtio(nic):
        offloads = effective_offloads(nic, properties)
        kind = INTERFACES.get(str(nic.get("type", "")))
        if kind is not None and not kind.vnet_header:
            offloads = {name: on for name, on in offloads.items() if name in WITHOUT_HEADER}
        values |= {f"offloads@{name}": "on" if on else "off" for name, on in offloads.items()}
        if offloads.get(HCK):
            values["offloads@rsc_interval"] = rsc_interval(properties)
    own = {"rsc_interval", *(row.name for row in OFFLOADS)} if is_virtio(nic) else set()
    return values | {
        f"property@{name}": "removed" if found.removed else found.value
        for name, found in properties.items()
        if name not in own
    }
