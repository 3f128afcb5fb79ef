"""The verbs on a lab's machines: bring up, take down, tell what is there, check. Edges are handed in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.apply import take_on
from provision.check import Look, check, lab_source
from provision.deadline import Deadline, wait_for
from provision.errors import HostError, RequestError, WaitedError
from provision.guard import take_plan, undo_plan
from provision.interrupt import finish
from provision.lock import LockError
from provision.ordinary import lab_as_started
from provision.paths import LabPaths
from provision.plan import plan_up
from provision.requirements import another_lab, missing, refuse
from provision.survey import read_host
from provision.takedown import plan_down
from provision.verify.collect import collect_lab
from provision.verify.evidence import NicEvidence, Unasked
from provision.verify.ladder import loaded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.command import Say
    from provision.found import HostFound
    from provision.site import Site
    from provision.steps import Plan, Step
    from provision.verify.judge import NicVerdict


def _prepared(site: Site, names: Sequence[str]) -> HostFound:
    """The host with what would run these machines."""
    return read_host(site.edges, site.lab, site.host, names, means=True)


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
    refuse(site.host, found, missing(site.lab, site.host, names, found))
    return plan_up(site.lab, site.host, names, found)


def bring_up(
    site: Site, names: Sequence[str], say: Say, wait: Deadline | None = None
) -> tuple[Plan, list[NicVerdict]]:
    """Make and start what is missing, all of it or nothing; then await the drivers and judge, where a deadline is given.

    :raise HostError: when a step fails, and what was done has been taken back; or when a machine ends while it is
        waited for, and what is there stays for a look at its log, until `down`.
    :raise KeyboardInterrupt: at any moment, also while it waits; what was done has been taken back.
    """
    try:
        with site.alone(say):
            return _bring_up(site, names, say, wait)
    except LockError:
        planned(site, names)  # where the host lacks more than the lock, all of it is said
        raise


def _bring_up(
    site: Site, names: Sequence[str], say: Say, wait: Deadline | None
) -> tuple[Plan, list[NicVerdict]]:
    plan = planned(site, names)
    for note in plan.notes:
        say(note)
    if lines := _drift_lines(plan):
        raise HostError(
            "\n  ".join(("what runs differs from the lab file:", *lines)),
            hint="`rscvm down` and `rscvm up` these machines; nothing was changed",
        )
    if not plan.steps:
        say("nothing to change: every machine is there and runs")
    begun: list[Step] = []
    verdicts: list[NicVerdict] = []
    try:
        done = take_plan(site.edges, site.lab, plan, say, begun)
        if wait is not None:
            say(f"waiting up to {wait.seconds:g} s for the guests' drivers")
            verdicts = await_drivers(site, names, wait)
        finish()
    except KeyboardInterrupt:
        undo_plan(site.edges, site.lab, plan, begun, say)
        raise
    return done, verdicts


def _read_with_forgotten(site: Site) -> HostFound:
    """The host, with the machines that the lab file has, and those that it has lost and the journal still knows."""
    known = list(site.lab.machines)
    found = read_host(site.edges, site.lab, site.host, known)
    lost = sorted(found.journal.machines - set(known))
    return read_host(site.edges, site.lab, site.host, [*known, *lost]) if lost else found


def take_down(site: Site, names: Sequence[str] | None, say: Say, *, keep_disks: bool = False) -> Plan:
    """Remove what `up` made, of these machines or of the whole lab. Return what was done.

    :raise HostError: with everything that could not be removed; the rest is gone.
    """
    with site.alone(say):
        return _take_down(site, names, say, keep_disks=keep_disks)


def _take_down(site: Site, names: Sequence[str] | None, say: Say, *, keep_disks: bool) -> Plan:
    found = _read_with_forgotten(site)
    for sentence in another_lab(site.lab, found):
        raise HostError(sentence)
    for name in names or ():
        if name not in {*site.lab.machines, *found.journal.machines}:
            raise RequestError(f"no machine {name} in this lab file, nor among what `up` made")
    plan = plan_down(site.lab, names, found, keep_disks=keep_disks)
    errors = take_on(site.edges, plan, say)
    if errors:
        raise HostError("not everything could be removed:\n  " + "\n  ".join(map(str, errors)))
    return plan


def await_drivers(site: Site, names: Sequence[str], deadline: Deadline) -> list[NicVerdict]:
    """The verdicts once every virtio NIC has its driver, or when the deadline has passed.

    :raise HostError: when a machine ends meanwhile.
    """
    if not any(site.lab.machines[name].nics for name in names):
        return []
    found = read_host(site.edges, site.lab, site.host, names)

    lab = lab_as_started(site.lab, found)

    def settled() -> bool:
        nonlocal found
        nics = collect_lab(site.edges, lab, names, found)
        if any(
            isinstance(nic.virtio, Unasked) and nic.model == "virtio" and not nic.virtio.final for nic in nics
        ):
            found = read_host(
                site.edges, site.lab, site.host, names
            )  # a silent monitor may be that of no machine
            nics = collect_lab(site.edges, lab, names, found)
        if gone := sorted({nic.machine for nic in nics if nic.state == "off"}):
            raise HostError(
                f"{', '.join(gone)} stopped before its driver was there",
                hint=f"its log in {LabPaths(site.lab.state_dir, site.lab.name).directory} tells why; "
                "`rscvm down` removes what is left",
            )
        return not any(may_yet_load(nic) for nic in nics)

    try:
        wait_for(settled, deadline, "the guests' drivers")
    except WaitedError:
        return check(lab_source(site.edges, site.lab, site.host, names), Look(waited=True))
    return check(lab_source(site.edges, site.lab, site.host, names), Look())


def may_yet_load(nic: NicEvidence) -> bool:
    """Whether waiting for the NIC's driver is of any use."""
    asked = not (isinstance(nic.virtio, Unasked) and nic.virtio.final)
    return nic.model == "virtio" and nic.state == "running" and asked and not loaded(nic)


def _drift_lines(plan: Plan) -> list[str]:
    drifts = [drift for drift in plan.drift if not drift.mended]
    return [line for drift in drifts for line in (drift.what, *(f"  {more}" for more in drift.diff))]
