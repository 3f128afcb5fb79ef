"""Parses libvirt's domain XML: whose the domain is, and its NICs with what overrides ask of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING

from provision.facts.domain_processor import DomainProcessor, parse_processor
from provision.facts.domain_tree import OURS, QEMU, attribute, number, read_domain
from provision.facts.overrides import aliases_with, overrides
from provision.runtime.guest_channel import AGENT_PORT

if TYPE_CHECKING:
    from lxml.etree import _Element

_HEX = re.compile("0x[0-9a-f]{1,4}")


@dataclass(frozen=True, slots=True)
class PciAddress:
    """libvirt's `<address type='pci'>`, each number as it prints it."""

    domain: str
    bus: str
    slot: str
    function: str


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
    """As the XML asks for it, and so the next two."""
    rx_queue_size: int | None = None
    queues: int | None = None
    standby: bool = False
    """Whether it is the standby of a failover pair."""
    vhost_asked: bool = False
    """Whether `<driver name='vhost'>` stands there."""
    address: PciAddress | None = None
    """Where it is on the PCI bus, where its definition says so."""


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
    layout: int = 1
    """By which row of the table of layouts it was defined."""


@dataclass(frozen=True, slots=True)
class DomainFacts:
    """What a domain's XML says that matters to us."""

    name: str
    uuid: str
    mark: Mark | None
    nics: tuple[DomainNic, ...]
    arguments: tuple[str, ...] = ()
    """What its `<qemu:commandline>` hands to QEMU past libvirt."""
    vcpus: int | None = None
    """As many as it may have; None where that is not told."""
    threads: int = 1
    """Of a core."""
    machine: str = ""
    """Its machine type, which libvirt spells out when it is defined."""
    keeps_state: bool = False
    """Whether libvirt keeps firmware variables or a TPM's state for it."""
    kvm: bool = True
    """Whether it is for KVM."""
    overridden: frozenset[str] = frozenset()
    """Names of the properties that overrides say of any device."""
    processor: DomainProcessor = field(default_factory=DomainProcessor)
    agent_port: bool = False
    """Whether it has a channel for a guest agent."""


def _nic(element: _Element, overridden: frozenset[str]) -> DomainNic:
    alias = attribute(element, "alias", "name")
    return DomainNic(
        kind=str(element.get("type", "")),
        model=attribute(element, "model", "type"),
        mac=attribute(element, "mac", "address"),
        alias=alias,
        target=attribute(element, "target", "dev"),
        rsc_asked=alias in overridden,
        bridge=attribute(element, "source", "bridge"),
        mtu=number(element, "mtu", "size"),
        link_down=attribute(element, "link", "state") == "down",
        tx_queue_size=number(element, "driver", "tx_queue_size"),
        rx_queue_size=number(element, "driver", "rx_queue_size"),
        queues=number(element, "driver", "queues"),
        vhost_asked=attribute(element, "driver", "name") == "vhost",
        standby=attribute(element, "teaming", "type") == "persistent",
        address=_pci_address(element),
    )


def _pci_address(element: _Element) -> PciAddress | None:
    found = element.find("address[@type='pci']")
    values = [str(found.get(each.name, "")) for each in fields(PciAddress)] if found is not None else []
    return PciAddress(*values) if values and all(map(_HEX.fullmatch, values)) else None


def _mark(root: _Element) -> Mark | None:
    found = root.find(f"metadata/{OURS}machine")
    if found is None:
        return None
    nics = (
        (str(nic.get("name", "")), str(nic.get("alias", "")), str(nic.get("rsc", "")))
        for nic in found.iterfind(f"{OURS}nic")
    )
    lab, name, purpose, digest = (str(found.get(key, "")) for key in ("lab", "name", "purpose", "digest"))
    layout = str(found.get("layout", "1"))
    number = int(layout) if re.fullmatch("[0-9]{1,4}", layout) else 1
    return Mark(lab, name, purpose, tuple(nics), digest, layout=number)


def _lost_override(nics: tuple[DomainNic, ...], lost: frozenset[str]) -> tuple[DomainNic, ...]:
    """The NICs, the only virtio one of them asked for what an override asks of an alias that libvirt ignored."""
    virtio = [nic for nic in nics if nic.model.startswith("virtio")]
    if not lost or len(virtio) != 1:
        return nics
    return tuple(replace(nic, rsc_asked=True) if nic is virtio[0] else nic for nic in nics)


def _vcpus(root: _Element) -> int | None:
    text = root.findtext("vcpu", "").strip()
    return int(text) if re.fullmatch("[0-9]{1,5}", text) else None


def parse_domain(text: str) -> DomainFacts:
    """Facts of one domain.

    :raise UnreadableError: when the text is no domain XML.
    """
    root = read_domain(text)
    overridden = frozenset(aliases_with(root, "guest_rsc_ext"))
    nics = tuple(_nic(element, overridden) for element in root.iterfind("devices/interface"))
    return DomainFacts(
        name=root.findtext("name", ""),
        uuid=root.findtext("uuid", ""),
        mark=_mark(root),
        arguments=tuple(str(arg.get("value", "")) for arg in root.iterfind(f"{QEMU}commandline/{QEMU}arg")),
        vcpus=_vcpus(root),
        threads=number(root, "cpu/topology", "threads") or 1,
        nics=_lost_override(nics, overridden - {nic.alias for nic in nics}),
        machine=attribute(root, "os/type", "machine"),
        kvm=root.get("type") == "kvm",
        overridden=frozenset(name for said in overrides(root).values() for name in said),
        processor=parse_processor(root),
        agent_port=root.find(f"devices/channel/target[@name='{AGENT_PORT}']") is not None,
        keeps_state=any(
            root.find(path) is not None for path in ("os[@firmware='efi']", "os/nvram", "devices/tpm")
        ),
    )
