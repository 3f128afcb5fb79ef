"""Domains to import: those of the fixtures, and small ones made of parts."""

from __future__ import annotations

import re

from provision.render.machine import domain_xml
from provision.render.view import machine_view
from provision.runtime.places import Target
from provision.runtime.protocols import Domain
from provision.verbs.importer.import_domain import Imported, import_domain
from tests.builders import FIXTURES, lab_of

DOMAINS = FIXTURES / "domains"
STYLES = sorted(
    str(path.relative_to(DOMAINS)).removesuffix(".xml")
    for path in DOMAINS.rglob("*.xml")
    if not path.name.endswith(".live.xml")
)
HERE = Target("local")
SMALL = """\
<domain type='kvm'>
  <name>vm</name>
  <memory unit='KiB'>1048576</memory>
  <vcpu>2</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <devices>DEVICES</devices>
</domain>
"""
NIC = "<interface type='bridge'><mac address='52:54:00:00:00:01'/><source bridge='br0'/>MORE</interface>"
DISK = "<disk type='file' device='disk'><driver type='FORM'/><source file='PATH'/><target dev='vda' bus='BUS'/></disk>"


def domain_of(xml: str, live: str = "", state: str = "off") -> Domain:
    name = re.search("<name>(.*?)</name>", xml, re.DOTALL)
    return Domain(name[1] if name else "", state, live or xml, xml)


def fixture(name: str) -> Domain:
    """A domain of the fixtures, as running where there is a live XML of it."""
    live = DOMAINS / f"{name}.live.xml"
    text = (DOMAINS / f"{name}.xml").read_text()
    return domain_of(text, live.read_text(), "running") if live.exists() else domain_of(text)


def rendered(imported: Imported) -> str:
    return domain_xml(machine_view(lab_of(imported.text), imported.machine))


def small(devices: str = "", **changes: str) -> Imported:
    xml = SMALL.replace("DEVICES", devices)
    for old, new in changes.items():
        xml = xml.replace(old, new)
    return import_domain(domain_of(xml), HERE)


def nic(more: str, **changes: str) -> tuple[dict[str, object], dict[str, str]]:
    """What a lab file says of the NIC, but for what it is called and attached to; and its notes' reasons."""
    imported = small(NIC.replace("MORE", more), **changes)
    spec = lab_of(imported.text).machines["vm"].nics[0]
    said = spec.model_dump(exclude_defaults=True, exclude={"name", "mac", "ifname", "bridge"})
    return said, {
        note.path.rpartition("]")[2]: note.why for note in imported.notes if "interface" in note.path
    }
