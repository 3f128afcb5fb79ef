"""The plan of `apply`: a host's bridges, NICs, and TAPs that it switched off. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.host.plan.bridges import bridge_notes, bridge_steps
from provision.host.plan.journal_steps import journal_step
from provision.host.plan.nics import nic_notes, nic_steps
from provision.host.plan.readback import no_longer_said
from provision.host.plan.steps import Plan
from provision.host.plan.taps import late_steps, tap_steps_back_on, unproven_late

if TYPE_CHECKING:
    from provision.host.state import HostState
    from provision.lab.spec import Lab


def host_notes(lab: Lab, host: str, state: HostState) -> tuple[str, ...]:
    """What is otherwise than the lab file has it, and left to the user."""
    return (*bridge_notes(lab, host, state), *nic_notes(lab, host, state), *no_longer_said(lab, host, state))


def plan_apply(lab: Lab, host: str, state: HostState) -> Plan:
    """What has to change on the host itself: its declared bridges and NICs, and TAPs that it switched off."""
    names = [name for name, machine in lab.machines.items() if machine.host == host]
    steps = [
        *bridge_steps(lab, host, state),
        *nic_steps(lab, host, state),
        *tap_steps_back_on(lab, names, state),
        *late_steps(lab, names, state),
    ]
    notes = (*host_notes(lab, host, state), *unproven_late(lab, names, state))
    opening = journal_step(lab, {}, steps, state) if steps else None
    return Plan(tuple(steps), opening, notes=notes, found=state)
