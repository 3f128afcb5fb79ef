"""What makes ordinary machines of those for the HCK test, until the next `up`. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.host.plan.domains import definition_differs
from provision.host.plan.hck_flags import disarmed_lab, started_disarmed
from provision.host.plan.journal_steps import notes_of
from provision.host.plan.power_cycle import Views, definition_step, process_step
from provision.host.plan.resolved import chosen_view
from provision.host.plan.steps import Plan, Step

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from provision.host.state import HostFound
    from provision.lab.spec import Lab

_WHY = "its test NIC is to be an ordinary one"


def undisarmable(lab: Lab, names: Sequence[str], found: HostFound) -> tuple[str, ...]:
    """Machines that only a restart can disarm: a bare QEMU has no definition beside its process."""
    views = [chosen_view(lab, name, found) for name in names]
    return tuple(
        f"{view.name} is a running QEMU without libvirt, which has its flags until it ends"
        for view in views
        if view.paths.pidfile(view.name) in found.processes and not started_disarmed(lab, view.name, found)
    )


def plan_disarm(lab: Lab, host: str, names: Sequence[str], found: HostFound, *, restart: bool) -> Plan:
    """What takes the engine from these machines; with `restart` also from what runs, by a power cycle."""
    plain = disarmed_lab(lab, names)
    steps: list[Step] = []
    notes: list[str] = []
    for name in names:
        views = (chosen_view(lab, name, found), chosen_view(plain, name, found))
        view, domain = views[1], found.domains.get(name)
        if view.paths.pidfile(name) in found.processes:
            if restart and not started_disarmed(lab, name, found):
                steps.append(process_step(views, (f"restart {name} without its HCK flags", _WHY)))
        elif domain is None or view.spec.backend == "qemu":
            notes.append(f"{name} is not there: nothing to disarm")
        else:
            steps += _definition(lab, views, found, restart=restart)
            if domain.state != "off" and definition_differs(domain.live_xml, view) and not restart:
                notes.append(
                    f"{name} runs on with its flags until its next power cycle (a reboot from inside keeps them): "
                    "--restart does it now"
                )
    opening, closing = notes_of(plain, host, steps, found, names) if steps else (None, None)
    return Plan(tuple(steps), opening, closing, tuple(notes))


def _definition(lab: Lab, views: Views, found: HostFound, *, restart: bool) -> Iterator[Step]:
    _, plain = views
    domain = found.domains[plain.name]
    cycle = restart and domain.state != "off" and definition_differs(domain.live_xml, plain)
    if cycle or definition_differs(domain.persistent_xml, plain):
        what = f"define {plain.name} without its HCK flags" + (", and power-cycle it" if cycle else "")
        yield definition_step(lab, views, domain, (what, _WHY), cycle=cycle)
