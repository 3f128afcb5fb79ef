"""Reads `<qemu:override>`: the properties that it gives to devices, and the one rule for what is on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from provision.facts.domain_tree import QEMU, attribute
from provision.facts.qemu import FALSE, TRUE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxml.etree import _Element

_ALIAS = re.compile(r"ua-[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Property:
    """One property that an override gives to a device, or takes from it."""

    value: str
    removed: bool = False
    """Whether it is of type `remove`: QEMU is told nothing of it."""

    @property
    def on(self) -> bool | None:
        """Whether it is on; None where it is neither on nor off, or removed, so that QEMU's default holds."""
        if self.removed or self.value not in TRUE | FALSE:
            return None
        return self.value in TRUE


Properties = dict[str, Property]
"""By name."""


def override_elements(root: _Element) -> Iterator[tuple[str, _Element]]:
    """Every `<qemu:property>` of a domain, with the alias that it is for."""
    for device in root.iterfind(f"{QEMU}override/{QEMU}device"):
        for element in device.iterfind(f"{QEMU}frontend/{QEMU}property"):
            yield str(device.get("alias", "")), element


def overrides(root: _Element) -> dict[str, Properties]:
    """The properties by alias, also by such as no device bears; of one that stands twice the last."""
    found: dict[str, Properties] = {}
    for alias, element in override_elements(root):
        value, removed = str(element.get("value", "")), element.get("type") == "remove"
        found.setdefault(alias, {})[str(element.get("name", ""))] = Property(value, removed)
    return found


def aliases_with(root: _Element, name: str) -> list[str]:
    """The aliases, each once, whose override switches a property on, whether a device bears them or not."""
    return [
        alias for alias, properties in overrides(root).items() if name in properties and properties[name].on
    ]


def is_kept(alias: str) -> bool:
    """Whether libvirt keeps an alias that a definition gives; any other it replaces by one of its own."""
    return _ALIAS.fullmatch(alias) is not None


def _alias(nic: _Element) -> str:
    """The alias by which an override finds a NIC of a definition."""
    alias = attribute(nic, "alias", "name")
    return alias if is_kept(alias) else ""


def taken_overrides(root: _Element) -> frozenset[str]:
    """Aliases of NICs, whose overrides count as the NIC's own."""
    return frozenset(_alias(nic) for nic in root.iterfind("devices/interface")) - {""}


def properties_of(root: _Element, nic: _Element) -> Properties:
    """The properties that an override really gives to a NIC."""
    return overrides(root).get(_alias(nic), {}) if _alias(nic) else {}
