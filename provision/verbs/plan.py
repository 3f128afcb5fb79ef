"""`plan`: what `up` would do on a host, and what that lacks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.host.plan.up import plan_up
from provision.host.preflight.machines import missing, refuse
from provision.host.read.host import read_host

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.host.apply.session import HostSession
    from provision.host.plan.steps import Plan
    from provision.host.state import HostState


def _prepared(session: HostSession, names: Sequence[str]) -> HostState:
    """The host with what would run these machines."""
    return read_host(session.edges, session.lab, session.host, names)


def lacks(session: HostSession, names: Sequence[str]) -> tuple[str, ...]:
    """Everything that the host lacks for these machines.

    :raise HostError: when the host or its libvirt does not answer.
    """
    return missing(session.lab, session.host, names, _prepared(session, names))


def planned(session: HostSession, names: Sequence[str]) -> Plan:
    """What `up` would do on a host that has all it needs for it.

    :raise HostError: with everything that the host lacks; nothing has been touched.
    """
    state = _prepared(session, names)
    refuse(session.host, state, missing(session.lab, session.host, names, state))
    return plan_up(session.lab, session.host, names, state)
