"""The verbs on hosts themselves: what they would be set to, and set to it. Edges are handed in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.host.apply.lock import LockError
from provision.host.apply.transaction import take_whole
from provision.host.plan.settings import plan_apply
from provision.host.preflight.machines import missing_for_settings, refuse
from provision.host.read.host import read_host

if TYPE_CHECKING:
    from provision.host.apply.session import Site
    from provision.host.plan.steps import Plan
    from provision.runtime.command import Say


def planned_settings(site: Site) -> Plan:
    """What `apply` would do on a host.

    :raise HostError: with everything that the host lacks, or cannot be set to; nothing has been touched.
    """
    found = read_host(site.edges, site.lab, site.host, ())
    refuse(site.host, found, missing_for_settings(site.lab, site.host, found))
    return plan_apply(site.lab, site.host, found)


def set_up(site: Site, say: Say) -> Plan:
    """Set a host's bridges, physical NICs, and TAPs that it switched off itself; all of it or nothing, read back.

    :raise HostError: when something fails, or did not take; what was done has been taken back.
    """
    try:
        with site.alone(say):
            return _set_up(site, say)
    except LockError:
        planned_settings(site)  # where the host lacks more than the lock, all of it is said
        raise


def _set_up(site: Site, say: Say) -> Plan:
    plan = planned_settings(site)
    for note in plan.notes:
        say(note)
    if not plan.steps:
        say(f"nothing to change on {site.host}" + ("" if plan.notes else ": it is as the lab file has it"))
    done = take_whole(site.edges, site.lab, plan, say)
    if plan.steps:
        say(f"done on {site.host}, and read back")
    return done
