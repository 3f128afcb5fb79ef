"""`apply`: a host's own settings planned, and set."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from provision.host.apply.lock import LockError
from provision.host.apply.transaction import apply_plan_or_roll_back
from provision.host.plan.settings import plan_apply
from provision.host.preflight.machines import missing_for_settings, refuse
from provision.host.preflight.rights import Right
from provision.host.read.host import read_host

if TYPE_CHECKING:
    from provision.host.apply.session import HostSession
    from provision.host.plan.steps import Plan
    from provision.runtime.command import Say


def planned_settings(session: HostSession, *, dry: bool = False) -> Plan:
    """What `apply` would do on a host.

    :param dry: whether nobody means to: what whoever asks may not do there is a note then.
    :raise HostError: with everything that the host lacks, or cannot be set to; nothing has been touched.
    """
    lab, host = session.lab, session.host
    state = read_host(session.edges, lab, host, ())
    plan = plan_apply(lab, host, state)
    sentences = missing_for_settings(lab, state, plan)
    if state.journal.trouble or not (dry and all(isinstance(each, Right) for each in sentences)):
        refuse(host, state, sentences)
    return replace(plan, notes=(*plan.notes, *(f"`apply` would refuse: {each}" for each in sentences)))


def set_up(session: HostSession, say: Say) -> Plan:
    """Set a host's bridges, physical NICs, and TAPs that it switched off itself; all of it or nothing, read back.

    :raise HostError: when something fails, or did not take; what was done has been taken back.
    """
    try:
        with session.locked(say):
            return _set_up(session, say)
    except LockError:
        planned_settings(session)  # where the host lacks more than the lock, all of it is said
        raise


def _set_up(session: HostSession, say: Say) -> Plan:
    plan = planned_settings(session)
    for note in plan.notes:
        say(note)
    if not plan.steps:
        say(f"nothing to change on {session.host}" + ("" if plan.notes else ": it is as the lab file has it"))
    done = apply_plan_or_roll_back(session.edges, session.lab, plan, say)
    if plan.steps:
        say(f"done on {session.host}, and read back")
    return done
