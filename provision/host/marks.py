"""Tells whose a device or a domain is, by the marks that we leave on them.

TAPs and bridges carry a mark as their alias. They are made under a name that nobody else gives, and get their own when
they are marked, so that what bears it without our mark is somebody else's, also after a kill. Domains carry our metadata
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


STRANGER = "a domain of that name is there and is not ours"


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


def unfinished_name(lab: Lab, name: str) -> str:
    """What a TAP or bridge is called until it is marked; it tells labs and devices apart."""
    return "rscvm" + hashlib.sha256(f"{lab.state_dir}\0{lab.name}\0{name}".encode()).hexdigest()[:10]


def marked_machine(lab: Lab, link: Link, journal: Journal) -> str | None:
    """The machine that a device's mark names, empty for the lab's own; None where it bears no mark of this lab.

    Anybody who may name a device may copy an alias, so it counts only on the device that it was made for.
    """
    _, name, machine, what, digest, *more = [*link.alias.split(" "), *[""] * 5][:6]
    ours = device_mark(lab, "", "-").split(" ")
    if any(more) or (name, digest) != (ours[1], ours[4]) or not link.alias.startswith("rscvm "):
        return None
    if machine == "-":
        return "" if link.kind == "bridge" and _is_called(lab, link, what) else None
    return machine if link.tap and _is_tap_of(lab, machine, what, link, journal) else None


def _is_called(lab: Lab, link: Link, name: str) -> bool:
    """Whether a device has this name, or will have it when it is finished."""
    return link.name in (name, unfinished_name(lab, name))


def _is_tap_of(lab: Lab, machine: str, nic: str, link: Link, journal: Journal) -> bool:
    """Whether the lab file gives that NIC this TAP, or the journal says that it did."""
    meant = lab.machines[machine].nics if machine in lab.machines else ()
    return any(each.name == nic and _is_called(lab, link, each.ifname) for each in meant) or any(
        (thing.kind, thing.machine) == ("tap", machine) and _is_called(lab, link, thing.name)
        for thing in journal.things
    )


def machine_of_link(lab: Lab, link: Link, journal: Journal) -> str | None:
    """The machine that a device of ours is for, empty for the lab's own; None where it is not ours.

    It bears our mark, or has the name of one that we were about to make, and had not marked yet.
    """
    if link.alias:
        return marked_machine(lab, link, journal)
    kind = "bridge" if link.kind == "bridge" else "tap"
    return next(
        (t.machine for t in journal.things if t.kind == kind and link.name == unfinished_name(lab, t.name)),
        None,
    )


def is_our_link(lab: Lab, link: Link, journal: Journal) -> bool:
    """Whether we made a device."""
    return machine_of_link(lab, link, journal) is not None


def is_our_domain(lab: Lab, domain: Domain) -> bool:
    """Whether a domain bears our metadata and our UUID for this lab."""
    facts = parse_domain(domain.persistent_xml or domain.live_xml)
    return (
        facts.mark is not None and facts.mark.lab == lab.name and facts.uuid == machine_uuid(lab, domain.name)
    )
