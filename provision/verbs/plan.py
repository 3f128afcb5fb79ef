"""What `up` would do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.host.plan.up import plan_up
from provision.host.preflight.machines import missing, refuse
from provision.host.read.host import read_host

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.host.apply.session import Site
    from provision.host.plan.steps import Plan
    from provision.host.state import HostFound


def _prepared(site: Site, names: Sequence[str]) -> HostFound:
    """The host with what would run these machines."""
    return read_host(site.edges, site.lab, site.host, names, means=True)


def lacks(site: Site, names: Sequence[str]) -> tuple[str, ...]:
    """Everything that the host lacks for these machines.

    :raise HostError: when the host or its libvirt does not answer.
    """
    return missing(site.lab, site.host, names, _prepared(site, names))


def planned(site: Site, names: Sequence[str]) -> Plan:
    """What `up` would do on a host that has all it needs for it.

    :raise HostError: with everything that the host lacks; nothing has been touched.
    """
    found = _prepared(site, names)
    refuse(site.host, found, missing(site.lab, site.host, names, found))
    return plan_up(site.lab, site.host, names, found)
