"""`up`: bring machines up, wait for their drivers, check."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from provision.host.apply.lock import LockError
from provision.host.apply.transaction import apply_plan, undo_plan
from provision.host.marks import is_our_link
from provision.host.plan.hck_flags import lab_as_started
from provision.host.plan.steps import Plan
from provision.host.plan.taps import late_steps, unproven_late, with_late
from provision.host.read.inventory import read_inventory
from provision.lab.paths import LabPaths
from provision.runtime.deadline import Deadline, wait_for
from provision.runtime.errors import HostError, WaitedError
from provision.runtime.interrupt import finish
from provision.tables.backends import BACKENDS
from provision.verbs.check import Look, check
from provision.verbs.plan import planned
from provision.verify.collect.machines import collect_lab
from provision.verify.collect.source import lab_source
from provision.verify.evidence import Unasked
from provision.verify.judge.ladder import may_yet_load

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from provision.host.apply.session import HostSession
    from provision.host.plan.steps import Step
    from provision.runtime.command import Say
    from provision.verify.evidence import NicEvidence
    from provision.verify.judge.verdict import NicVerdict


def bring_up(
    session: HostSession,
    names: Sequence[str],
    say: Say,
    wait: Deadline | None = None,
    *,
    redefine: bool = False,
) -> tuple[Plan, list[NicVerdict]]:
    """Make and start what is missing, all of it or nothing; then await the drivers and judge, where a deadline is given.

    :param redefine: whether domains that are there are defined as new ones would be.
    :raise HostError: when a step fails, and what was done has been taken back; or when a machine ends while it is
        waited for, and what is there stays for a look at its log, until `down`.
    :raise KeyboardInterrupt: at any moment, also while it waits; what was done has been taken back.
    """
    try:
        with session.locked(say):
            return _bring_up(session, planned(session, names, redefine=redefine), names, say, wait)
    except LockError:
        # Where the host lacks more than the lock, all of it is said.
        planned(session, names, redefine=redefine)
        raise


def _bring_up(
    session: HostSession, plan: Plan, names: Sequence[str], say: Say, wait: Deadline | None
) -> tuple[Plan, list[NicVerdict]]:
    for note in plan.notes:
        say(note)
    if lines := _drift_lines(plan):
        raise HostError(
            "\n  ".join(("what runs differs from the lab file:", *lines)),
            hint="`rscvm down --keep-disks` and `rscvm up` these machines; nothing was changed",
        )
    if not plan.steps:
        say("nothing to change: every machine is there and runs")
    begun: list[Step] = []
    verdicts: list[NicVerdict] = []
    try:
        done = apply_plan(session.edges, session.lab, plan, say, begun)
        set_new_taps(session, names, say)
        if plan.steps and (gone := [*_vanished(session, names)]):
            undo_plan(session.edges, plan, begun, say)
            raise HostError(
                f"{', '.join(gone)} went while it was brought up: what was done is taken back",
                hint="who removes TAPs here? `ip monitor link` shows when",
            )
        if wait is not None:
            say(f"waiting up to {wait.seconds:g} s for the guests' drivers")
            verdicts = _await_drivers(session, names, wait)
        finish()
    except KeyboardInterrupt:
        undo_plan(session.edges, plan, begun, say)
        raise
    return done, verdicts


def set_new_taps(session: HostSession, names: Sequence[str], say: Say) -> tuple[Step, ...]:
    """Set, and read back, what can be set of TAPs that libvirt has made by now; they end with their machines.

    Returned are the steps that were taken.

    :raise HostError: when one fails, and those before it have been taken back.
    """
    late = with_late(session.lab, names)
    if not late:
        return ()
    there = read_inventory(session.edges, session.lab, session.host, late)
    for note in unproven_late(session.lab, late, there):
        say(note)
    steps = tuple(late_steps(session.lab, late, there))
    return apply_plan(session.edges, session.lab, Plan(steps, found=there), say, []).steps if steps else ()


def _vanished(session: HostSession, names: Sequence[str]) -> Iterator[str]:
    """TAPs of bare QEMUs that are not there, or not ours: QEMU makes one by itself where there is none of the name."""
    bare = [name for name in names if session.lab.machines[name].backend == "qemu"]
    there = read_inventory(session.edges, session.lab, session.host, bare)
    for name in bare:
        for nic in session.lab.machines[name].nics:
            link = there.links.get(nic.ifname)
            ours = link is not None and is_our_link(session.lab, link, there.journal)
            if BACKENDS[nic.kind].netdev == "tap" and not ours:
                yield f"{name}'s TAP {nic.ifname}"


def _await_drivers(session: HostSession, names: Sequence[str], deadline: Deadline) -> list[NicVerdict]:
    """The verdicts once every virtio NIC has its driver, or when the deadline has passed.

    :raise HostError: when a machine ends meanwhile.
    """
    if not any(session.lab.machines[name].nics for name in names):
        return []
    there = read_inventory(session.edges, session.lab, session.host, names)
    lab = lab_as_started(session.lab, there)

    def settled() -> bool:
        nonlocal there
        nics = collect_lab(session.edges, lab, names, there)
        if any(_is_silent(nic) for nic in nics):  # its monitor may be that of a machine that has ended
            there = read_inventory(session.edges, session.lab, session.host, names)
            nics = collect_lab(session.edges, lab, names, there)
        if gone := sorted({nic.machine for nic in nics if nic.state == "off"}):
            raise HostError(
                f"{', '.join(gone)} stopped before its driver was there",
                hint=f"its log in {LabPaths(session.lab.state_dir, session.lab.name).directory} tells why; "
                "`rscvm down` removes what is left",
            )
        return not any(may_yet_load(nic) for nic in nics)

    source, waited = lab_source(session.edges, session.lab, session.host, names), False
    try:
        wait_for(settled, deadline, "the guests' drivers")
    except WaitedError:
        waited = True
    verdicts: list[NicVerdict] = []

    def forwarded() -> bool:
        nonlocal verdicts
        verdicts = check(source, Look(waited=waited))
        return not any(_is_learning(verdict.evidence) for verdict in verdicts)

    with suppress(WaitedError):
        wait_for(forwarded, deadline, "bridges to forward", every=1)
    return verdicts


def _is_learning(nic: NicEvidence) -> bool:
    """Whether the bridge's STP holds back its TAP, which is new, for some seconds: libvirt's networks have STP."""
    return any(cut.at == "learning" for cut in nic.cuts)


def _is_silent(nic: NicEvidence) -> bool:
    return isinstance(nic.virtio, Unasked) and nic.model == "virtio" and not nic.virtio.final


def _drift_lines(plan: Plan) -> list[str]:
    drifts = [drift for drift in plan.drift if not drift.mended]
    return [line for drift in drifts for line in (drift.what, *(f"  {more}" for more in drift.diff))]
