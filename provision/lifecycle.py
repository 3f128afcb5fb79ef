"""The verbs on a lab's machines: bring up, take down, tell what is there, check. Edges are handed in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from provision.apply import take, take_on
from provision.deadline import Deadline, wait_for
from provision.errors import DeadlineError, HostError
from provision.plan import chosen_view, plan_up
from provision.requirements import missing
from provision.survey import read_host, read_means
from provision.takedown import plan_down
from provision.verify.collect import collect_lab
from provision.verify.judge import NicVerdict, judge_nic
from provision.verify.ladder import loaded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.command import Edges, Say
    from provision.facts.host import HostFound
    from provision.spec import Lab
    from provision.steps import Plan
    from provision.verify.evidence import NicEvidence


@dataclass(frozen=True, slots=True)
class Site:
    """A lab on one of its hosts, within reach."""

    edges: Edges
    lab: Lab
    host: str


@dataclass(frozen=True, slots=True)
class MachineStatus:
    """What is there of one machine, and what is not."""

    host: str
    machine: str
    backend: str
    state: str
    absent: tuple[str, ...]
    """What `up` would do."""
    drift: tuple[str, ...]


def _prepared(site: Site, names: Sequence[str]) -> HostFound:
    """The host with what would run these machines."""
    found = read_host(site.edges, site.lab, site.host, names)
    return read_means(site.edges, site.lab, found, names)


def lacks(site: Site, names: Sequence[str]) -> tuple[str, ...]:
    """Everything that the host lacks for these machines.

    :raise HostError: when the host or its libvirt does not answer.
    """
    return missing(site.lab, site.host, names, _prepared(site, names))


def planned(site: Site, names: Sequence[str]) -> Plan:
    """What `up` would do on a host that has all it needs for it.

    :raise HostError: with everything that the host lacks; nothing has been touched.
    """
    found = _prepared(site, names)
    if sentences := missing(site.lab, site.host, names, found):
        raise HostError(f"{site.host} is not ready for this:\n  " + "\n  ".join(sentences))
    return plan_up(site.lab, site.host, names, found)


def bring_up(site: Site, names: Sequence[str], say: Say) -> Plan:
    """Make and start what is missing; all of it or nothing. Return what was done.

    :raise HostError: when something fails; what was done has been taken back.
    """
    plan = planned(site, names)
    for note in plan.notes:
        say(note)
    if plan.drift:
        raise HostError(
            "\n  ".join(("running machines differ from the lab file:", *plan.drift)),
            hint="`rscvm down` and `rscvm up` these machines; nothing was changed",
        )
    take(site.edges, plan.steps, say)
    return plan


def take_down(site: Site, names: Sequence[str] | None, say: Say, *, keep_disks: bool = False) -> Plan:
    """Remove what `up` made, of these machines or of the whole lab. Return what was done.

    :raise HostError: with everything that could not be removed; the rest is gone.
    """
    known = list(site.lab.machines)
    found = read_host(site.edges, site.lab, site.host, known)
    forgotten = {thing.machine for thing in found.journal if thing.machine} - set(known)
    if forgotten:  # machines that the lab file no longer has
        found = read_host(site.edges, site.lab, site.host, [*known, *sorted(forgotten)])
    plan = plan_down(site.lab, names, found, keep_disks=keep_disks)
    errors = take_on(site.edges, plan.steps, say)
    if errors:
        raise HostError("not everything could be removed:\n  " + "\n  ".join(map(str, errors)))
    return plan


def _collect(site: Site, names: Sequence[str]) -> list[NicEvidence]:
    return collect_lab(site.edges, site.lab, names, read_host(site.edges, site.lab, site.host, names))


def check(site: Site, names: Sequence[str]) -> list[NicVerdict]:
    """The verdict on every NIC of these machines."""
    return [judge_nic(nic) for nic in _collect(site, names)]


def await_drivers(site: Site, names: Sequence[str], deadline: Deadline) -> list[NicVerdict]:
    """The verdicts once every virtio NIC has its driver, or when the deadline has passed.

    :raise HostError: when a machine ends meanwhile.
    """

    def settled() -> list[NicEvidence] | None:
        nics = _collect(site, names)
        if gone := sorted({nic.machine for nic in nics if nic.state == "off"}):
            raise HostError(
                f"{', '.join(gone)} stopped before its driver was there", hint="see its console and log"
            )
        waiting = [
            nic for nic in nics if nic.model == "virtio" and not loaded(nic) and nic.state == "running"
        ]
        return None if waiting else nics

    if not any(site.lab.machines[name].nics for name in names):
        return []
    try:
        nics = wait_for(settled, deadline, "the guests' drivers", every=0.25)
    except DeadlineError:
        nics = [replace(nic, waited=True) for nic in _collect(site, names)]
    return [judge_nic(nic) for nic in nics]


def status(site: Site, names: Sequence[str]) -> list[MachineStatus]:
    """What is there of each machine, what is not, and what runs otherwise than the lab file has it."""
    found = _prepared(site, names)
    rows: list[MachineStatus] = []
    for name in names:
        plan = plan_up(site.lab, site.host, [name], found)
        view = chosen_view(site.lab, name, found)
        domain = found.domains.get(name)
        running = view.paths.pidfile(name) in found.processes
        state = domain.state if domain else "running" if running else "absent"
        absent = tuple(step.what for step in plan.steps if not step.what.startswith("note "))
        rows.append(MachineStatus(site.host, name, view.spec.backend, state, absent, plan.drift))
    return rows
