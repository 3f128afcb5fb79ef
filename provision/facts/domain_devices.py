"""What QEMU is told of each `<interface>`: by attributes, `<qemu:override>`, `<qemu:commandline>`. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from provision.facts.domain_interface import said_offloads
from provision.facts.domain_tree import QEMU, attribute, read_domain
from provision.facts.overrides import is_kept, overrides
from provision.facts.qemu_arguments import globals_of, options, told_to
from provision.tables.offloads import BY_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lxml.etree import _Element

_DRIVERS = {
    "virtio": "virtio-net-pci",
    "virtio-transitional": "virtio-net-pci-transitional",
    "virtio-non-transitional": "virtio-net-pci-non-transitional",
}
"""QEMU's device by the models that libvirt knows as virtio; any other name it hands on as it is."""
_SET = re.compile(r"device\.(?P<id>[^.]+)\.(?P<property>[^=]+)=.*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class DefinedDevice:
    """The device that QEMU makes of one `<interface>`."""

    offloads: Mapping[str, bool]
    """Each as it is said, whether what it needs is there or not."""
    vhost: bool
    """Whether vhost is to carry its packets, where the host has it."""
    vnet_header: bool = True
    """Whether libvirt asks for one, which it does for some of the names alone that make a virtio device."""
    trouble: str = ""
    """Why it is not known what becomes of it."""


def defined_devices(text: str) -> tuple[DefinedDevice, ...]:
    """The device of every `<interface>`, in their order.

    :raise UnreadableError: when the text is no domain XML.
    """
    root = read_domain(text)
    arguments = ["", *(str(arg.get("value", "")) for arg in root.iterfind(f"{QEMU}commandline/{QEMU}arg"))]
    given, globally = overrides(root), globals_of(arguments)
    nics = list(root.iterfind("devices/interface"))
    return tuple(
        DefinedDevice(
            said_offloads(nic, given.get(alias, {}), told_to(_driver(nic), globally)),
            _vhost(root, nic),
            attribute(nic, "model", "type") in _DRIVERS,
            _trouble(nic, alias, arguments),
        )
        for nic, alias in zip(nics, start_aliases(nics), strict=True)
    )


def start_aliases(nics: Sequence[_Element]) -> Iterator[str]:
    """Their aliases at the start: libvirt keeps `ua-` ones, and numbers all others (a hostdev among its own)."""
    number = 0
    for nic in nics:
        alias = attribute(nic, "alias", "name")
        if is_kept(alias) or nic.get("type") == "hostdev":
            yield alias
        else:
            yield f"net{number}"
            number += 1


def _driver(nic: _Element) -> str:
    return _DRIVERS.get(attribute(nic, "model", "type"), "virtio-net-pci")


def _vhost(root: _Element, nic: _Element) -> bool:
    """Libvirt tries vhost for KVM alone, unless the driver's name says otherwise (qemuInterfaceOpenVhostNet)."""
    name = attribute(nic, "driver", "name")
    return name == "vhost" or (not name and root.get("type") == "kvm")


def _trouble(nic: _Element, alias: str, arguments: Sequence[str]) -> str:
    """What leaves open how the device comes up."""
    if not attribute(nic, "model", "type") and nic.get("type") != "hostdev":
        return "libvirt tells no model of this NIC"
    if any(word in ("-readconfig", "--readconfig") for word in arguments):
        return "its <qemu:commandline> has -readconfig, and what is in that file is not in the definition"
    for word in options(arguments, "set"):
        found = _SET.fullmatch(word)
        if found and found["id"] == alias and found["property"] in BY_NAME:
            return f"its <qemu:commandline> has -set {word}, which QEMU 7.2 and later refuse of devices that libvirt makes"
    return ""
