"""`plan`: what `up` would do on a host, and what that lacks for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from provision.host.plan.steps import Plan
from provision.host.plan.up import plan_up
from provision.host.preflight.machines import missing, refuse
from provision.host.preflight.rights import Right
from provision.host.read.host import read_host
from provision.verbs.forecast import way_notes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.host.apply.session import HostSession
    from provision.host.state import HostState
    from provision.lab.spec import Lab
    from provision.runtime.protocols import ReadingEdges


AS_USER = "seen as an ordinary user: what `auto` comes to (KVM, vhost) is what this user may open, and root may have more"


@dataclass(frozen=True, slots=True)
class Outlook:
    """What `up` would do on a host, as far as whoever asks can see that."""

    plan: Plan
    needs: tuple[str, ...] = ()
    """What whoever asks may not do there, and root may."""
    unseen: tuple[str, ...] = ()
    """What could not be seen, so that what hangs on it is not in the plan, or only supposed."""
    silent: bool = False
    """Whether that is its libvirt, which does not answer."""


def lacks(edges: ReadingEdges, lab: Lab, host: str, names: Sequence[str]) -> tuple[str, ...]:
    """Everything that the host lacks for these machines; the first is what libvirt does not tell, where it tells nothing.

    :raise HostError: when the host does not answer.
    """
    state = read_host(edges, lab, host, names, lenient=True)
    plan = Plan(()) if is_closed(state) else plan_up(lab, host, names, state)
    return (state.silent, *missing(lab, names, state, plan))


def is_closed(state: HostState) -> bool:
    """Whether only root may read what `up` noted there: what it would do now nobody else knows."""
    return bool(state.journal.trouble) and not state.access.root


def planned(session: HostSession, names: Sequence[str], *, redefine: bool = False) -> Plan:
    """What `up` would do on a host that has all it needs for it.

    :param redefine: whether domains that are there are defined as new ones would be.
    :raise HostError: with everything that the host lacks; nothing has been touched.
    """
    lab, host = session.lab, session.host
    state = read_host(session.edges, lab, host, names)
    plan = plan_up(lab, host, names, state, redefine=redefine)
    refuse(host, state, missing(lab, names, state, plan))
    return _noted(lab, names, state, plan)


def foreseen_plan(session: HostSession, names: Sequence[str], *, redefine: bool = False) -> Outlook:
    """What `up` would do on a host that has all it needs for it, as far as whoever asks can see and do that.

    :param redefine: whether domains that are there are defined as new ones would be.
    :raise HostError: with everything that stands in the way, where root would lack some of it, too.
    """
    lab, host = session.lab, session.host
    state = read_host(session.edges, lab, host, names, lenient=True)
    known = [name for name in names if not _is_hidden(lab, name, state)]
    plan = Plan(()) if is_closed(state) else plan_up(lab, host, known, state, redefine=redefine)
    sentences, unseen = missing(lab, names, state, plan), [state.silent] if state.silent else []
    if not all(isinstance(each, Right) for each in sentences):
        refuse(host, state, [*unseen, *sentences])
    if is_closed(state):
        unseen.append(state.journal.trouble)
    elif len(known) < len(names):
        made = ", ".join(name for name in names if name not in known)
        unseen.append(f"what has become of {made}, which `up` has made")
    needs = tuple(each for each in sentences if each not in unseen)
    return Outlook(_noted(lab, known, state, plan), needs, tuple(unseen), bool(state.silent))


def _is_hidden(lab: Lab, name: str, state: HostState) -> bool:
    """Whether a machine was made, and only libvirt, which is silent, knows what became of it."""
    made = any(thing.kind == "domain" and thing.name == name for thing in state.journal.things)
    return bool(state.silent) and made and lab.machines[name].backend == "libvirt"


def _noted(lab: Lab, names: Sequence[str], state: HostState, plan: Plan) -> Plan:
    """The plan with what its machines' NICs will meet on their way, and how it was seen where root may see more."""
    notes = [*plan.notes, *way_notes(lab, state.name, names, state.links, state.features)]
    if not state.access.root and any(step.scope for step in plan.steps):
        notes.append(AS_USER)
    return replace(plan, notes=tuple(notes))
