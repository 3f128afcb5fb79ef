"""`up`: bring machines up, wait for their drivers, check."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.host.apply.lock import LockError
from provision.host.apply.transaction import apply_plan, undo_plan
from provision.host.marks import is_our_link
from provision.host.plan.steps import Plan
from provision.host.plan.taps import late_steps, unproven_late, with_late
from provision.host.read.inventory import read_inventory
from provision.runtime.errors import HostError
from provision.runtime.interrupt import finish
from provision.tables.backends import BACKENDS
from provision.verbs.plan import planned

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from provision.host.apply.session import HostSession
    from provision.host.plan.steps import Step
    from provision.runtime.command import Say
    from provision.runtime.deadline import Deadline
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
            from provision.verbs.drivers import await_drivers  # noqa: PLC0415 - loaded while the guests start

            verdicts = await_drivers(session, names, wait)
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


def _drift_lines(plan: Plan) -> list[str]:
    drifts = [drift for drift in plan.drift if not drift.mended]
    return [line for drift in drifts for line in (drift.what, *(f"  {more}" for more in drift.diff))]
