"""Tells whose a device or a domain is, by the marks that we leave on them.

TAPs and bridges carry a mark as their alias, set last, so that what is marked is complete. Domains carry our metadata
and a UUID of ours. Files lie in the lab's own directory. What a QEMU is by the kernel's word,
`host.read.processes` tells.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from provision.facts.domain import parse_domain
from provision.lab.identity import machine_uuid

if TYPE_CHECKING:
    from provision.facts.ip import Link
    from provision.host.journal import Journal
    from provision.host.state import Inventory
    from provision.lab.spec import Lab
    from provision.runtime.protocols import Domain


def taps_of_our_domains(lab: Lab, state: Inventory) -> set[str]:
    """Libvirt makes the TAPs of its domains and takes them with it."""
    ours = (
        domain for domain in state.domains.values() if domain.state != "off" and is_our_domain(lab, domain)
    )
    return {nic.target for domain in ours for nic in parse_domain(domain.live_xml).nics if nic.target}


def device_mark(lab: Lab, machine: str, name: str) -> str:
    """The alias by which a TAP or bridge is known as ours; the digest tells labs of one name apart."""
    digest = hashlib.sha256(f"{lab.state_dir}\0{lab.name}".encode()).hexdigest()[:12]
    return f"rscvm {lab.name} {machine or '-'} {name} {digest}"


def marked_machine(lab: Lab, link: Link, journal: Journal) -> str | None:
    """The machine that a device's mark names, empty for the lab's own; None where it bears no mark of this lab.

    Anybody who may name a device may copy an alias, so it counts only on the device that it was made for.
    """
    _, name, machine, what, digest, *more = [*link.alias.split(" "), *[""] * 5][:6]
    ours = device_mark(lab, "", "-").split(" ")
    if any(more) or (name, digest) != (ours[1], ours[4]) or not link.alias.startswith("rscvm "):
        return None
    if machine == "-":
        return "" if link.kind == "bridge" and link.name == what else None
    return machine if link.tap and _is_tap_of(lab, machine, what, link.name, journal) else None


def _is_tap_of(lab: Lab, machine: str, nic: str, device: str, journal: Journal) -> bool:
    """Whether the lab file gives that NIC this TAP, or the journal says that it did."""
    meant = lab.machines[machine].nics if machine in lab.machines else ()
    return any((each.name, each.ifname) == (nic, device) for each in meant) or any(
        (thing.kind, thing.name, thing.machine) == ("tap", device, machine) for thing in journal.things
    )


def is_our_link(lab: Lab, link: Link, journal: Journal, boot: str) -> bool:
    """Whether a device bears our mark, or none at all and we were about to make it in this boot."""
    if link.alias:
        return marked_machine(lab, link, journal) is not None
    return any(
        thing.name == link.name and thing.kind in ("tap", "bridge") and thing.boot == boot
        for thing in journal.things
    )


def is_our_domain(lab: Lab, domain: Domain) -> bool:
    """Whether a domain bears our metadata and our UUID for this lab."""
    facts = parse_domain(domain.persistent_xml or domain.live_xml)
    return (
        facts.mark is not None and facts.mark.lab == lab.name and facts.uuid == machine_uuid(lab, domain.name)
    )
