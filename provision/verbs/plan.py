"""`plan`: what `up` would do on a host, and what that lacks for it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from provision.host.plan.up import plan_up
from provision.host.preflight.machines import missing, refuse
from provision.host.read.host import read_host
from provision.verbs.forecast import way_notes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.host.apply.session import HostSession
    from provision.host.plan.steps import Plan
    from provision.lab.spec import Lab
    from provision.runtime.protocols import ReadingEdges


def lacks(edges: ReadingEdges, lab: Lab, host: str, names: Sequence[str]) -> tuple[str, ...]:
    """Everything that the host lacks for these machines.

    :raise HostError: when the host or its libvirt does not answer.
    """
    state = read_host(edges, lab, host, names)
    return missing(lab, names, state, plan_up(lab, host, names, state))


def planned(session: HostSession, names: Sequence[str], *, redefine: bool = False) -> Plan:
    """What `up` would do on a host that has all it needs for it.

    :param redefine: whether domains that are there are defined as new ones would be.
    :raise HostError: with everything that the host lacks; nothing has been touched.
    """
    lab, host = session.lab, session.host
    state = read_host(session.edges, lab, host, names)
    plan = plan_up(lab, host, names, state, redefine=redefine)
    refuse(host, state, missing(lab, names, state, plan))
    return replace(plan, notes=(*plan.notes, *way_notes(lab, host, names, state.links, state.features)))
