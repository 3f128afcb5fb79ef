"""Take machines down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.host.apply.take import take_on
from provision.host.plan.down import plan_down
from provision.host.preflight.machines import another_lab
from provision.host.read.host import read_host
from provision.runtime.errors import HostError, RequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.host.apply.session import Site
    from provision.host.plan.steps import Plan
    from provision.host.state import HostFound
    from provision.runtime.command import Say


def _read_with_forgotten(site: Site) -> HostFound:
    """The host, with the machines that the lab file has, and those that it has lost and the journal still knows."""
    known = list(site.lab.machines)
    found = read_host(site.edges, site.lab, site.host, known)
    lost = sorted(found.journal.machines - set(known))
    return read_host(site.edges, site.lab, site.host, [*known, *lost]) if lost else found


def take_down(site: Site, names: Sequence[str] | None, say: Say, *, keep_disks: bool = False) -> Plan:
    """Remove what `up` made, of these machines or of the whole lab. Return what was done.

    :raise HostError: with everything that could not be removed; the rest is gone.
    """
    with site.alone(say):
        return _take_down(site, names, say, keep_disks=keep_disks)


def _take_down(site: Site, names: Sequence[str] | None, say: Say, *, keep_disks: bool) -> Plan:
    found = _read_with_forgotten(site)
    for sentence in another_lab(site.lab, found):
        raise HostError(sentence)
    for name in names or ():
        if name not in {*site.lab.machines, *found.journal.machines}:
            raise RequestError(f"no machine {name} in this lab file, nor among what `up` made")
    plan = plan_down(site.lab, names, found, keep_disks=keep_disks)
    errors = take_on(site.edges, plan, say)
    if errors:
        raise HostError("not everything could be removed:\n  " + "\n  ".join(map(str, errors)))
    return plan
