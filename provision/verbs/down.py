"""`down`: remove what `up` made, of some machines or of the whole lab."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.facts.domain_tree import paths_in
from provision.host.apply.execute import run_what_can
from provision.host.plan.down import plan_down
from provision.host.preflight.machines import journal_obstacles
from provision.host.read.inventory import read_inventory
from provision.runtime.errors import HostError, RequestError
from provision.runtime.near_names import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from provision.host.apply.session import HostSession
    from provision.host.plan.steps import Plan
    from provision.host.state import Inventory
    from provision.runtime.command import Say
    from provision.runtime.protocols import Domain, LibvirtReader


def _read_with_forgotten(session: HostSession) -> Inventory:
    """The host, with the machines that the lab file has, and those that it has lost and the journal still knows."""
    known = list(session.lab.machines)
    there = read_inventory(session.edges, session.lab, session.host, known)
    lost = sorted(there.journal.machines - set(known))
    return read_inventory(session.edges, session.lab, session.host, [*known, *lost]) if lost else there


def _definitions(libvirt: LibvirtReader, listed: Domain) -> list[str]:
    """What a domain of libvirt's list runs with, and starts with; nothing of one that has gone.

    :raise HostError: when libvirt does not tell them.
    """
    domain = libvirt.domain(listed.name)
    if domain is None and listed.trouble:
        raise HostError(f"not every domain's disks are known: {listed.trouble}")
    return [text for text in (domain.live_xml, domain.persistent_xml) if text] if domain else []


def _users(session: HostSession, there: Inventory) -> Mapping[str, set[str]]:
    """The domains that name each disk of the lab's, by its path; whoever defined them.

    :raise HostError: when libvirt does not answer, and machines of the lab are or were its.
    """
    disks = {thing.name for thing in there.journal.things if thing.kind == "disk"}
    users: dict[str, set[str]] = {}
    if not disks:
        return users
    try:
        libvirt = session.edges.libvirt(session.host)
        for listed in libvirt.domains(()):
            for text in _definitions(libvirt, listed):
                for path in disks & paths_in(text):
                    users.setdefault(path, set()).add(listed.name)
    except HostError:
        if there.domains or any(thing.kind == "domain" for thing in there.journal.things):
            raise
    return users


def take_down(
    session: HostSession, names: Sequence[str] | None, say: Say, *, keep_disks: bool = False
) -> Plan:
    """Remove what `up` made, of these machines or of the whole lab. Return what was done.

    :raise HostError: with everything that could not be removed; the rest is gone.
    """
    with session.locked(say):
        return _take_down(session, names, say, keep_disks=keep_disks)


def planned_down(
    session: HostSession, names: Sequence[str] | None = None, *, keep_disks: bool = False
) -> Plan:
    """What `down` would do on a host.

    :raise HostError: when what is noted there cannot be believed.
    """
    there = _read_with_forgotten(session)
    for sentence in journal_obstacles(session.lab, there):
        raise HostError(sentence)
    known = {*session.lab.machines, *there.journal.machines}
    for name in names or ():
        if name not in known:
            words = f"no machine {name} in this lab file, nor among what `up` made"
            raise RequestError(words, hint=did_you_mean(name, sorted(known)).strip())
    users = {} if keep_disks else _users(session, there)
    return plan_down(session.lab, names, there, users, keep_disks=keep_disks)


def _take_down(session: HostSession, names: Sequence[str] | None, say: Say, *, keep_disks: bool) -> Plan:
    plan = planned_down(session, names, keep_disks=keep_disks)
    errors = [*plan.kept, *run_what_can(session.edges, plan, say)]
    if errors:
        for note in plan.notes:
            say(note)
        raise HostError("not everything could be removed:\n  " + "\n  ".join(map(str, errors)))
    return plan
