"""The plan of `hck disarm`. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.host.plan.bare_machines import process_step
from provision.host.plan.domains import definition_differs
from provision.host.plan.hck_flags import lab_without_flags, runs_without_flags
from provision.host.plan.journal_steps import journal_step
from provision.host.plan.power_cycle import Views, definition_step
from provision.host.plan.resolved import resolved_view
from provision.host.plan.steps import Plan, Step

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from provision.host.state import HostState
    from provision.lab.spec import Lab

_WHY = "its test NIC is to be an ordinary one"


def undisarmable(lab: Lab, names: Sequence[str], state: HostState) -> tuple[str, ...]:
    """Machines that only a restart can disarm: a bare QEMU has no definition beside its process."""
    views = [resolved_view(lab, name, state) for name in names]
    return tuple(
        f"{view.name} is a running QEMU without libvirt, which has its flags until it ends"
        for view in views
        if view.paths.pidfile(view.name) in state.processes and not runs_without_flags(lab, view.name, state)
    )


def plan_disarm(lab: Lab, names: Sequence[str], state: HostState, *, restart: bool) -> Plan:
    """What takes the engine from these machines; with `restart` also from what runs, by a power cycle."""
    plain = lab_without_flags(lab, names)
    steps: list[Step] = []
    notes: list[str] = []
    after = {name: resolved_view(plain, name, state) for name in names}
    for name in names:
        views = (resolved_view(lab, name, state), after[name])
        view, domain = views[1], state.domains.get(name)
        if view.paths.pidfile(name) in state.processes:
            if restart and not runs_without_flags(lab, name, state):
                steps.append(process_step(views, (f"restart {name} without its HCK flags", _WHY)))
        elif domain is None or view.spec.backend == "qemu":
            notes.append(f"{name} is not there: nothing to disarm")
        else:
            steps += _definition(lab, views, state, restart=restart)
            if domain.state != "off" and definition_differs(domain.live_xml, view) and not restart:
                notes.append(
                    f"{name} runs on with its flags until its next power cycle (a reboot from inside keeps them): "
                    "--restart does it now"
                )
    opening = journal_step(plain, after, steps, state, flags=dict.fromkeys(names, False)) if steps else None
    return Plan(tuple(steps), opening, notes=tuple(notes), found=state)


def _definition(lab: Lab, views: Views, state: HostState, *, restart: bool) -> Iterator[Step]:
    _, plain = views
    domain = state.domains[plain.name]
    cycle = restart and domain.state != "off" and definition_differs(domain.live_xml, plain)
    if cycle or definition_differs(domain.persistent_xml, plain):
        what = f"define {plain.name} without its HCK flags" + (", and power-cycle it" if cycle else "")
        yield definition_step(lab, views, domain, (what, _WHY), cycle=cycle)
