"""Take a plan's steps, those that may cut the host off behind its own undo, and believe nothing that was not read back.

Before the first of them a process of its own is started on the host, with the undoing commands in a file that only
its owner can read. Unless it hears from us in time it puts back what was found: after a lost connection, a kill -9
of ours, or a setting that broke the very NIC by which we reach the host.
"""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from provision.apply import take_back, take_steps
from provision.command import Run
from provision.deadline import Deadline, wait_for
from provision.errors import HostError, LostError, WaitedError
from provision.paths import LabPaths
from provision.plan import plan_apply
from provision.settings import not_taken
from provision.steps import Step, shell
from provision.survey import read_host

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.command import Edges, Say
    from provision.found import HostFound
    from provision.spec import Lab
    from provision.steps import Plan

_PATIENCE = 20
"""Seconds that the host waits for us, besides what its drivers may take."""
_EACH = 5
"""Seconds that a driver may take for one setting: some reset their NIC for it."""
_AFTER = 40
"""Seconds that a host may take to be reached again once it has put back what was found."""

_ARM = r"""
umask 077
rm -f -- "$1.fired" && cat >"$1.new" && mv -f -- "$1.new" "$1" || exit 1
setsid sh -c '
sleep "$2"
mv -- "$1" "$1.firing" || exit 0
sh "$1.firing"
mv -- "$1.firing" "$1.fired"
' sh "$1" "$2" </dev/null >/dev/null 2>&1 &
echo $! >"$1.pid"
"""
# Whoever renames the file decides: the host's own undo, or we, who then end it.
_DISARM = r"""
mv -- "$1" "$1.gone" || exit 1
kill -9 -- "-$(cat -- "$1.pid")" 2>/dev/null
rm -f -- "$1.gone" "$1.pid"
"""
_STATE = 'for s in "" .firing .fired; do [ ! -e "$1$s" ] || echo "armed$s"; done'

SCRIPTS = {"arm": _ARM, "disarm": _DISARM, "state": _STATE}
"""Every constant script above, for the linter."""


def _patience(guarded: Sequence[Step]) -> int:
    return _PATIENCE + _EACH * len(guarded)


def _arm(path: str, guarded: Sequence[Step]) -> Step:
    host, seconds = guarded[0].host, _patience(guarded)
    undo = [shlex.join(run.argv) for step in reversed(guarded) for run in step.undo if isinstance(run, Run)]
    return Step(
        host,
        "",
        f"arm {host}'s own undo",
        f"it puts back what was found, should it not hear from us within {seconds} s",
        (replace(shell(_ARM, path, str(seconds)), stdin="\n".join((*undo, ""))),),
        (shell(_DISARM, path),),
        exclusive=False,
    )


def take_plan(edges: Edges, lab: Lab, plan: Plan, say: Say, begun: list[Step]) -> None:
    """Take every step of a host's plan; when one fails or did not take, what was done is undone.

    The steps that were taken are added to `begun`, for a caller that may yet take them back.

    :raise HostError: when a step fails, or what was set is not so when it is read back.
    """
    rest = tuple(step for step in plan.steps if not step.guarded)
    opening = (plan.opening,) if plan.opening else ()
    closing = (plan.closing,) if plan.closing else ()
    try:
        if len(rest) < len(plan.steps):
            _take_guarded(edges, lab, plan, say, begun)
            opening = ()
        take_steps(edges, (*opening, *rest, *closing), say, begun)
        _tell_attempts(edges, lab, rest, say)
    except BaseException:
        try:
            take_back(edges, plan, begun, say)
        finally:
            begun.clear()
        raise


def _take_guarded(edges: Edges, lab: Lab, plan: Plan, say: Say, begun: list[Step]) -> None:
    """Take the steps that may cut the host off, read back what they set, and only then disarm its own undo."""
    guarded = [step for step in plan.steps if step.guarded]
    host, path = guarded[0].host, LabPaths(lab.state_dir, lab.name).undo
    arm = _arm(path, guarded)
    opening = (plan.opening,) if plan.opening else ()
    try:
        take_steps(edges, (*opening, arm, *guarded), say, begun, timeout=_patience(guarded))
        found = read_host(edges, lab, host, ())
        if wrong := [*not_taken(lab, host, found)]:
            raise HostError(f"{host}: not everything took:\n  " + "\n  ".join(wrong))
        edges.host(host).run(shell(_DISARM, path).argv).check()
        begun.remove(arm)
    except LostError as error:
        _await_undo(edges, lab, guarded, say)
        begun[:] = [step for step in begun if step is plan.opening]
        raise HostError(
            f"{host} was lost while it was set ({error}); its own undo has put back what was found, "
            "which was read back",
            hint="one of these settings cuts the host off, or takes too long: apply them one by one",
        ) from error


def _await_undo(edges: Edges, lab: Lab, guarded: Sequence[Step], say: Say) -> None:
    """Wait until the host is there again and has put back what was found.

    :raise HostError: when that cannot be known.
    """
    host, path = guarded[0].host, LabPaths(lab.state_dir, lab.name).undo
    say(f"{host} is lost: its own undo puts back what was found; waiting for that")

    def undone() -> HostFound | None:
        try:
            state = edges.host(host).run(shell(_STATE, path).argv, timeout=10).check().out.split()
            return read_host(edges, lab, host, ()) if state in ([], ["armed.fired"]) else None
        except HostError:
            return None

    try:
        found = wait_for(undone, Deadline(_patience(guarded) + _AFTER), f"{host} to be back", every=1)
    except WaitedError as error:
        raise HostError(
            f"{host} was lost while it was set, and does not come back: nobody knows what became of it",
            hint=f"its own undo was to put back what was found; {path}.fired on it says that it did",
        ) from error
    if not {step.what for step in guarded} <= {step.what for step in plan_apply(lab, host, found).steps}:
        raise HostError(
            f"{host} was lost while it was set, and is not as it was found",
            hint="`rscvm plan` shows what differs from the lab file",
        )


def _tell_attempts(edges: Edges, lab: Lab, steps: Sequence[Step], say: Say) -> None:
    """Say which of the steps that are only tried came to nothing."""
    tried = [step for step in steps if step.attempt]
    if not tried:
        return
    found = read_host(edges, lab, tried[0].host, ())
    for step in tried:
        device, *rows = (row.strip() for row in step.diff)
        features = found.features.get(device, {})
        for name in (row.lstrip("+ ").removesuffix(": on") for row in rows if row.startswith("+")):
            if name in features and not features[name].active:
                say(f"{device}: {name} stays {features[name]}: the guest's negotiation has the last word")
