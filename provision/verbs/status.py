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
from provision.host.preflight.rights import Right
from provision.host.read.host import read_host
from provision.host.read.inventory import read_inventory
from provision.lab.paths import LabPaths
from provision.tables.profiles import PROFILES
from provision.verbs.plan import is_closed

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
    """running, paused, off, absent, not ours, or unknown: where nobody tells."""
    steps: tuple[Step, ...] = ()
    """What `up` would do for it."""
    drift: tuple[Drift, ...] = ()
    refused: tuple[str, ...] = ()
    """Why `up` would do nothing of it."""
    notes: tuple[str, ...] = ()
    """What must not be done to it, and nothing forbids."""
    unseen: str = ""
    """Why nobody knows what `up` would do for it; then nothing is said of that."""


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
    needs: tuple[str, ...] = ()
    """What whoever asks may not do there, and root may."""
    silent: bool = False
    """Whether its libvirt does not answer."""

    @property
    def differs(self) -> bool:
        """Whether anything that can be seen is otherwise than the lab file has it."""
        rows = [(row.steps, row.refused, row.drift) for row in self.machines if not row.unseen]
        return any(map(any, [*rows, (self.steps, self.refused)]))


def host_status(session: HostSession, names: Sequence[str]) -> HostStatus:
    """What is there of a host's own settings, and of each of these machines; also of those that the lab file lost.

    Where libvirt does not answer, or only root may read what `up` noted, the rest is told.

    :raise HostError: when the host does not answer.
    """
    lab, host = session.lab, session.host
    state = read_host(session.edges, lab, host, names, lenient=True)
    plan = plan_apply(lab, host, state)
    sentences = missing_for_settings(lab, state, plan)
    needs = dict.fromkeys((*_rights(sentences), *_rights(missing(lab, names, state, plan))))
    if (refused := _beyond_rights(sentences)) or is_closed(state):
        plan = Plan(())
    rows = [_machine(lab, name, state) for name in names]
    forgotten = sorted(state.journal.machines - set(lab.machines))
    asked = forgotten and not state.silent
    there = read_inventory(session.edges, lab, host, forgotten) if asked else state
    lost = [_forgotten(lab, name, there, silent=bool(state.silent)) for name in forgotten]
    own = tuple(step for step in plan.steps if not step.scope)
    needed = tuple(each for each in needs if each != state.journal.trouble)
    return HostStatus(host, own, refused, (*rows, *lost), plan.notes, needed, bool(state.silent))


def _rights(sentences: Sequence[str]) -> list[str]:
    return [each for each in sentences if isinstance(each, Right)]


def _beyond_rights(sentences: Sequence[str]) -> tuple[str, ...]:
    return tuple(each for each in sentences if not isinstance(each, Right))


def _machine(lab: Lab, name: str, state: HostState) -> MachineStatus:
    silent = state.silent if lab.machines[name].backend == "libvirt" else ""
    unseen = silent or (state.journal.trouble if is_closed(state) else "")
    plan = Plan(()) if unseen else plan_up(lab, state.name, [name], state)
    if refused := _beyond_rights(missing(lab, [name], state, plan)):
        plan = Plan(())
    own = tuple(step for step in plan.steps if step.scope)
    backend = lab.machines[name].backend
    return MachineStatus(
        state.name,
        name,
        backend,
        "unknown" if silent else _state(lab, name, state),
        own,
        plan.drift,
        refused,
        warnings_of(lab, name, state),
        unseen,
    )


def warnings_of(lab: Lab, name: str, state: Inventory) -> tuple[str, ...]:
    """What its NICs' ways of doing RSC warn of; nothing of one that was disarmed and is an ordinary machine now."""
    machine, domain = lab.machines[name], state.domains.get(name)
    if runs_without_flags(lab, name, state) or (
        domain is not None and is_defined_without_flags(lab, name, domain.live_xml, state)
    ):
        machine = without_flags(machine)
    return tuple(filter(None, dict.fromkeys(PROFILES[nic.profile].warning for nic in machine.nics)))


def _forgotten(lab: Lab, name: str, there: Inventory, *, silent: bool) -> MachineStatus:
    backend = str(there.journal.specs.get(name, {}).get("backend", "libvirt"))
    lost = Drift(name, "the lab file no longer has it: `rscvm down` removes it")
    state = "unknown" if silent else _state(lab, name, there)
    return MachineStatus(there.name, name, backend, state, drift=(lost,))


def _state(lab: Lab, name: str, there: Inventory) -> str:
    domain = there.domains.get(name)
    if domain is not None and not is_our_domain(lab, domain):
        return "not ours"
    running = LabPaths(lab.state_dir, lab.name).pidfile(name) in there.processes
    return domain.state if domain else "running" if running else "absent"
