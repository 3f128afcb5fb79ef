"""`status`: what is there of a lab on a host, and what the plans of `up` and `apply` would still do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from provision.host.marks import is_our_domain
from provision.host.plan.hck_flags import is_defined_without_flags, runs_without_flags, without_flags
from provision.host.plan.settings import plan_apply
from provision.host.plan.steps import Drift, Plan, Step
from provision.host.plan.up import plan_up
from provision.host.preflight.machines import missing, missing_for_settings
from provision.host.read.host import read_host
from provision.host.read.inventory import read_inventory
from provision.lab.paths import LabPaths
from provision.tables.profiles import PROFILES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.host.apply.session import HostSession
    from provision.host.state import HostState, Inventory
    from provision.lab.spec import Lab


@dataclass(frozen=True, slots=True)
class MachineStatus:
    """What is there of one machine."""

    host: str
    machine: str
    backend: str
    state: str
    """running, paused, off, absent, or not ours."""
    steps: tuple[Step, ...] = ()
    """What `up` would do for it."""
    drift: tuple[Drift, ...] = ()
    refused: tuple[str, ...] = ()
    """Why `up` would do nothing of it."""
    notes: tuple[str, ...] = ()
    """What must not be done to it, and nothing forbids."""


@dataclass(frozen=True, slots=True)
class HostStatus:
    """What is there on one host."""

    host: str
    steps: tuple[Step, ...]
    """What `apply` and `up` would do on the host itself."""
    refused: tuple[str, ...]
    """Why they would do nothing of it."""
    machines: tuple[MachineStatus, ...]
    notes: tuple[str, ...] = ()
    """What is otherwise than the lab file has it, and left alone."""


def host_status(session: HostSession, names: Sequence[str]) -> HostStatus:
    """What is there of a host's own settings, and of each of these machines; also of those that the lab file lost.

    :raise HostError: when the host or its libvirt does not answer.
    """
    lab, host = session.lab, session.host
    state = read_host(session.edges, lab, host, names)
    plan = plan_apply(lab, host, state)
    if refused := missing_for_settings(lab, state, plan):
        plan = Plan(())
    rows = [_machine(lab, name, state) for name in names]
    forgotten = sorted(state.journal.machines - set(lab.machines))
    there = read_inventory(session.edges, lab, host, forgotten) if forgotten else state
    lost = [_forgotten(lab, name, there) for name in forgotten]
    own = tuple(step for step in plan.steps if not step.scope)
    return HostStatus(host, own, refused, (*rows, *lost), plan.notes)


def _machine(lab: Lab, name: str, state: HostState) -> MachineStatus:
    plan = plan_up(lab, state.name, [name], state)
    if refused := missing(lab, [name], state, plan):
        plan = Plan(())
    own = tuple(step for step in plan.steps if step.scope)
    backend = lab.machines[name].backend
    return MachineStatus(
        state.name,
        name,
        backend,
        _state(lab, name, state),
        own,
        plan.drift,
        refused,
        warnings_of(lab, name, state),
    )


def warnings_of(lab: Lab, name: str, state: Inventory) -> tuple[str, ...]:
    """What its NICs' ways of doing RSC warn of; nothing of one that was disarmed and is an ordinary machine now."""
    machine, domain = lab.machines[name], state.domains.get(name)
    if runs_without_flags(lab, name, state) or (
        domain is not None and is_defined_without_flags(lab, name, domain.live_xml, state)
    ):
        machine = without_flags(machine)
    return tuple(filter(None, dict.fromkeys(PROFILES[nic.profile].warning for nic in machine.nics)))


def _forgotten(lab: Lab, name: str, there: Inventory) -> MachineStatus:
    backend = str(there.journal.specs.get(name, {}).get("backend", "libvirt"))
    lost = Drift(name, "the lab file no longer has it: `rscvm down` removes it")
    return MachineStatus(there.name, name, backend, _state(lab, name, there), drift=(lost,))


def _state(lab: Lab, name: str, there: Inventory) -> str:
    domain = there.domains.get(name)
    if domain is not None and not is_our_domain(lab, domain):
        return "not ours"
    running = LabPaths(lab.state_dir, lab.name).pidfile(name) in there.processes
    return domain.state if domain else "running" if running else "absent"
