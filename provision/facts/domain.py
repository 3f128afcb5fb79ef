"""libvirt's domain XML to facts: whose it is, and its NICs."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from provision.errors import UnreadableError

if TYPE_CHECKING:
    from lxml.etree import _Element

NAMESPACE = "urn:rscvm:domain:1"
"""Of our metadata in a domain: by it we know what is ours."""

QEMU_NAMESPACE = "http://libvirt.org/schemas/domain/qemu/1.0"

_QEMU = f"{{{QEMU_NAMESPACE}}}"


@dataclass(frozen=True, slots=True)
class DomainNic:
    """One `<interface>`."""

    kind: str
    """`bridge`, `network`, `ethernet`, `direct`, `user`, `vhostuser`, `vdpa`, `hostdev`, …"""
    model: str
    mac: str
    alias: str
    target: str
    rsc_asked: bool
    """Whether an override asks for guest_rsc_ext under its alias, or under none that the domain has."""
    bridge: str = ""
    """The bridge that it is on, where libvirt tells it."""
    mtu: int | None = None
    """What the guest is told."""
    link_down: bool = False
    """Whether the guest is shown an unplugged cable."""
    tx_queue_size: int | None = None
    """As the XML asks for it."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Our metadata in a domain."""

    lab: str
    machine: str
    purpose: str
    nics: tuple[tuple[str, str, str], ...]
    """Name, alias and `rsc` of each NIC."""
    digest: str = ""
    """Of the machine in the lab file that the domain was defined from."""


@dataclass(frozen=True, slots=True)
class DomainFacts:
    """What a domain's XML says that matters to us."""

    name: str
    uuid: str
    mark: Mark | None
    nics: tuple[DomainNic, ...]
    arguments: tuple[str, ...] = ()
    """What its `<qemu:commandline>` hands to QEMU past libvirt."""
    keeps_state: bool = False
    """Whether libvirt keeps firmware variables or a TPM's state for it."""


def _attribute(element: _Element, path: str, name: str) -> str:
    found = element.find(path)
    return str(found.get(name, "")) if found is not None else ""


def _overridden(root: _Element) -> frozenset[str]:
    """Aliases, in the domain or not, whose override switches guest_rsc_ext on."""
    return frozenset(
        str(device.get("alias", ""))
        for device in root.iterfind(f"{_QEMU}override/{_QEMU}device")
        for prop in device.iterfind(f"{_QEMU}frontend/{_QEMU}property")
        if prop.get("name") == "guest_rsc_ext" and prop.get("value") in ("true", "on")
    )


def _nic(element: _Element, overridden: frozenset[str]) -> DomainNic:
    alias = _attribute(element, "alias", "name")
    return DomainNic(
        kind=str(element.get("type", "")),
        model=_attribute(element, "model", "type"),
        mac=_attribute(element, "mac", "address"),
        alias=alias,
        target=_attribute(element, "target", "dev"),
        rsc_asked=alias in overridden,
        bridge=_attribute(element, "source", "bridge"),
        mtu=_number(element, "mtu", "size"),
        link_down=_attribute(element, "link", "state") == "down",
        tx_queue_size=_number(element, "driver", "tx_queue_size"),
    )


def _number(element: _Element, path: str, name: str) -> int | None:
    said = _attribute(element, path, name)
    return int(said) if re.fullmatch("[0-9]{1,9}", said) else None


def _mark(root: _Element) -> Mark | None:
    found = root.find(f"metadata/{{{NAMESPACE}}}machine")
    if found is None:
        return None
    nics = (
        (str(nic.get("name", "")), str(nic.get("alias", "")), str(nic.get("rsc", "")))
        for nic in found.iterfind(f"{{{NAMESPACE}}}nic")
    )
    lab, name, purpose, digest = (str(found.get(key, "")) for key in ("lab", "name", "purpose", "digest"))
    return Mark(lab, name, purpose, tuple(nics), digest)


def read_domain(text: str) -> _Element:
    """The `<domain>` of an XML text, whatever it holds.

    :raise UnreadableError: when the text is no domain XML.
    """
    from lxml import etree  # noqa: PLC0415 - only where XML is read

    try:
        parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)
        root = etree.fromstring(text.encode(), parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise UnreadableError("the domain's XML", text) from error
    if root.tag != "domain":
        raise UnreadableError("the domain's XML", text)
    return root


def _named(element: _Element) -> str:
    """An element's tag, with what tells it from its like.

    libvirt gives every live device an alias; a NIC's is ours, and its target may be libvirt's.
    """
    tag = str(element.tag).replace(_QEMU, "qemu:")
    own = tag in ("channel", "feature", "timer") or tag.startswith(
        "qemu:"
    )  # a driver's name is what it is, not who
    names = [str(element.get("name", "")), str(element.get("alias", ""))] if own else []
    names += [_attribute(element, "alias", "name")] if tag == "interface" else []
    names += [_attribute(element, "target", "dev"), _attribute(element, "target", "name")]
    names += [str(element.get("type", ""))] if tag in ("controller", "input") else []
    name = next(filter(None, names), "")
    return f"{tag}[{name}]" if name else tag


def flat_domain(text: str) -> dict[str, str]:
    """Every attribute and text of a domain by its path, without metadata.

    :raise UnreadableError: when the text is no domain XML.
    """
    found: dict[str, str] = {}

    def walk(element: _Element, path: str) -> None:
        for name in map(str, element.keys()):
            found[f"{path}@{name}"] = str(element.get(name, ""))
        if element.text and element.text.strip():
            found[path] = element.text.strip()  # an element without text is there, too
        found.setdefault(path, "")
        for child in element.iterchildren("*"):
            if child.tag != "metadata":
                walk(child, f"{path}/{_named(child)}" if path else _named(child))

    walk(read_domain(text), "")
    return found


def _lost_override(nics: tuple[DomainNic, ...], lost: frozenset[str]) -> tuple[DomainNic, ...]:
    """The NICs, the only virtio one of them asked for what an override asks of an alias that libvirt ignored."""
    virtio = [nic for nic in nics if nic.model.startswith("virtio")]
    if not lost or len(virtio) != 1:
        return nics
    return tuple(replace(nic, rsc_asked=True) if nic is virtio[0] else nic for nic in nics)


def parse_domain(text: str) -> DomainFacts:
    """Facts of one domain.

    :raise UnreadableError: when the text is no domain XML.
    """
    root = read_domain(text)
    overridden = _overridden(root)
    nics = tuple(_nic(element, overridden) for element in root.iterfind("devices/interface"))
    return DomainFacts(
        name=root.findtext("name", ""),
        uuid=root.findtext("uuid", ""),
        mark=_mark(root),
        arguments=tuple(str(arg.get("value", "")) for arg in root.iterfind(f"{_QEMU}commandline/{_QEMU}arg")),
        nics=_lost_override(nics, overridden - {nic.alias for nic in nics}),
        keeps_state=any(
            root.find(path) is not None for path in ("os[@firmware='efi']", "os/nvram", "devices/tpm")
        ),
    )
