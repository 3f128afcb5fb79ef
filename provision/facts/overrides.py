"""Reads `<qemu:override>`: the properties that it gives to devices."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from provision.facts.domain_tree import QEMU, attribute

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxml.etree import _Element


def aliases_asking_for_rsc_ext(root: _Element) -> frozenset[str]:
    """Aliases, in the domain or not, whose override switches guest_rsc_ext on."""
    return frozenset(
        str(device.get("alias", ""))
        for device in root.iterfind(f"{QEMU}override/{QEMU}device")
        for prop in device.iterfind(f"{QEMU}frontend/{QEMU}property")
        if prop.get("name") == "guest_rsc_ext" and prop.get("value") in ("true", "on")
    )


_ALIAS = re.compile(r"ua-[A-Za-z0-9_-]+")


def overrides(root: _Element) -> dict[str, dict[str, str]]:
    """The properties that `<qemu:override>` gives to devices, by alias."""
    found: dict[str, dict[str, str]] = {}
    for device in root.iterfind(f"{QEMU}override/{QEMU}device"):
        for row in device.iterfind(f"{QEMU}frontend/{QEMU}property"):
            value = str(row.get("value", "")) if row.get("type") != "remove" else "removed"
            found.setdefault(str(device.get("alias", "")), {})[str(row.get("name", ""))] = value
    return found


def _alias(nic: _Element) -> str:
    """The alias by which an override finds a NIC; libvirt takes no other for its own."""
    alias = attribute(nic, "alias", "name")
    return alias if _ALIAS.fullmatch(alias) else ""


def taken_overrides(root: _Element) -> frozenset[str]:
    """Aliases of NICs, whose overrides count as the NIC's own."""
    return frozenset(_alias(nic) for nic in root.iterfind("devices/interface")) - {""}


def properties_of(root: _Element, nic: _Element) -> dict[str, str]:
    """The properties that an override really gives to a NIC."""
    return overrides(root).get(_alias(nic), {}) if _alias(nic) else {}


def overriding(root: _Element, alias: str) -> Iterator[_Element]:
    """The `<qemu:property>` elements for the device of this alias."""
    for device in root.iterfind(f"{QEMU}override/{QEMU}device"):
        if device.get("alias") == alias:
            yield from device.iterfind(f"{QEMU}frontend/{QEMU}property")


def overridden_aliases(root: _Element) -> list[str]:
    """The aliases of every `<qemu:device>` that overrides something, each once."""
    devices = root.iterfind(f"{QEMU}override/{QEMU}device")
    return list(dict.fromkeys(str(device.get("alias", "")) for device in devices))
