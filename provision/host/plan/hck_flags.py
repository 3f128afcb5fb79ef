"""A machine without its HCK flags, and how to tell that one has been disarmed. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.facts.domain import parse_domain
from provision.facts.qemu import switches_on
from provision.lab.identity import spec_as_noted, spec_digest
from provision.lab.paths import LabPaths
from provision.tables.offloads import HCK

if TYPE_CHECKING:
    from collections.abc import Iterable

    from provision.host.state import Inventory
    from provision.lab.spec import Lab, Machine

DISARMED = "`hck disarm` has made an ordinary machine of it"
"""Why a machine is not what the lab file has."""


def is_armed(machine: Machine) -> bool:
    """Whether the lab file gives it QEMU's engine."""
    return any(nic.profile == "hck" for nic in machine.nics)


def without_flags(machine: Machine) -> Machine:
    """The same machine without the engine, and without the mark that allows it."""
    plain = {"rsc": "true", "rsc_interval": None}
    nics = tuple(nic.model_copy(update=plain) if nic.profile == "hck" else nic for nic in machine.nics)
    return machine.model_copy(update={"purpose": "production", "nics": nics})


def lab_without_flags(lab: Lab, names: Iterable[str]) -> Lab:
    """The lab with these of its machines made ordinary."""
    changed = {name: without_flags(lab.machines[name]) for name in names}
    return lab.model_copy(update={"machines": {**lab.machines, **changed}})


def runs_without_flags(lab: Lab, name: str, state: Inventory) -> bool:
    """Whether its bare QEMU runs without the engine because it was disarmed: noted so, and seen in its command line."""
    process = state.processes.get(LabPaths(lab.state_dir, lab.name).pidfile(name))
    machine, journal = lab.machines[name], state.journal
    noted = name in journal.disarmed and journal.specs.get(name) == spec_as_noted(without_flags(machine))
    return process is not None and noted and not any(switches_on(HCK, word) for word in process.argv)


def is_defined_without_flags(lab: Lab, name: str, xml: str, state: Inventory) -> bool:
    """Whether this domain was made without the engine because it was disarmed."""
    mark = parse_domain(xml).mark if xml and name in state.journal.disarmed else None
    return mark is not None and mark.digest == spec_digest(without_flags(lab.machines[name]))


def lab_as_started(lab: Lab, state: Inventory) -> Lab:
    """The lab as its bare QEMUs run; a domain says itself what it is."""
    return lab_without_flags(lab, [name for name in lab.machines if runs_without_flags(lab, name, state)])
