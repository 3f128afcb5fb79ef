"""Applies a plan whole or not at all, and believes nothing that was not read back.

Before the first of them the host's own undo is armed: after a lost connection, a kill -9 of ours, or a setting that
broke the very NIC by which we reach the host, it puts back what was found. What we take back ourselves is read back too.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from provision.host.apply.deadman import cancel, deadman_step, fire_left_over, patience
from provision.host.apply.execute import run_steps, undo_steps
from provision.host.apply.lock import locked
from provision.host.marks import is_our_link
from provision.host.plan.readback import not_as_it_was, not_taken
from provision.host.plan.settings import plan_apply
from provision.host.read.host import read_host, read_settings
from provision.lab.paths import LabPaths
from provision.runtime.command import Run
from provision.runtime.deadline import Deadline, wait_for
from provision.runtime.errors import HostError, LostError, WaitedError
from provision.runtime.interrupt import finish, shield

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from provision.host.plan.steps import Plan, Step
    from provision.host.state import HostState
    from provision.lab.spec import Lab
    from provision.runtime.command import Say
    from provision.runtime.protocols import Edges

_AFTER = 40
"""Seconds that a host may take to be reached again once it has put back what was found."""


def apply_plan(edges: Edges, lab: Lab, plan: Plan, say: Say, begun: list[Step]) -> Plan:
    """Take every step of a host's plan; when one fails or did not take, what was done is undone.

    The steps that were taken are added to `begun`, for a caller that may yet take them back by `undo_plan`.
    Return the plan as it came out: what was tried in vain is a note.

    :raise HostError: when a step fails, or what was set is not so when it is read back.
    """
    rest = tuple(step for step in plan.steps if not step.guarded)
    opening = (plan.opening,) if plan.opening else ()
    closing = (plan.closing,) if plan.closing else ()
    try:
        if len(rest) < len(plan.steps):
            _take_guarded(edges, lab, plan, say, begun)
            opening = ()
        run_steps(edges, (*opening, *rest, *closing), say, begun)
        vain = _read_rest(edges, lab, rest)
    except BaseException as error:
        try:
            if begun and _lost(error):
                _undo_lost(edges, lab, plan, begun, say)
            else:
                undo_plan(edges, lab, plan, begun, say)
        finally:
            begun.clear()
        raise
    for sentence in vain.values():
        say(sentence)
    steps = tuple(step for step in plan.steps if step.what not in vain)
    return replace(plan, steps=steps, notes=(*plan.notes, *vain.values()))


def _lost(error: BaseException) -> LostError | None:
    """The loss of a host that is behind an error, perhaps with an interruption before it."""
    cause = error if isinstance(error, LostError) else error.__cause__
    return cause if isinstance(cause, LostError) and cause.whole else None


def _undo_lost(edges: Edges, lab: Lab, plan: Plan, begun: Sequence[Step], say: Say) -> None:
    """Take back what was begun on a host that was lost, with the lock that was lost with it.

    Whoever has that knows that nothing of ours works there any more; then what is there and ours is taken back.
    """
    host, paths = begun[0].host, LabPaths(lab.state_dir, lab.name)

    def undone() -> bool:
        with suppress(HostError), locked(edges.host(host), paths, "a run that had lost its host"):
            state = read_host(edges, lab, host, ())
            undo_plan(edges, lab, plan, [step for step in begun if _may_be_ours(lab, step, state)], say)
            return True
        return False

    try:
        wait_for(undone, Deadline(_AFTER), f"{host} to be back", every=1)
    except HostError as error:
        say(f"{host} was lost ({error}): `rscvm down` takes back what was begun")


def _may_be_ours(lab: Lab, step: Step, state: HostState) -> bool:
    """Whether there is anything of a step to be taken back: a device that it makes may not be there, or another's."""
    devices = [thing.name for thing in step.makes if thing.kind in ("tap", "bridge") and step.exclusive]
    links = [state.links.get(name) for name in devices]
    return all(link and is_our_link(lab, link, state.journal, state.boot) for link in links)


def apply_plan_or_roll_back(edges: Edges, lab: Lab, plan: Plan, say: Say) -> Plan:
    """Take every step of a plan, as `take_plan`; an interruption takes them back, too.

    :raise HostError: as `take_plan`.
    :raise KeyboardInterrupt: when one arrived; what was done has been taken back.
    """
    begun: list[Step] = []
    try:
        done = apply_plan(edges, lab, plan, say, begun)
        finish()
    except KeyboardInterrupt:
        undo_plan(edges, lab, plan, begun, say)
        raise
    return done


def undo_plan(edges: Edges, lab: Lab, plan: Plan, begun: Sequence[Step], say: Say) -> None:
    """Take back what was begun, and read back that the host's settings are as they were found.

    What is not stays in the journal.

    :raise KeyboardInterrupt: at the end, when one arrived meanwhile.
    """

    def tell(line: str) -> None:
        with suppress(OSError):  # a terminal that is gone must not keep the rest from being undone
            say(line)

    guarded = [step for step in begun if step.guarded]
    with shield():
        whole = undo_steps(edges, [step for step in begun if step is not plan.opening], tell)
        if guarded:
            whole = _tell_found(edges, lab, guarded, tell) and whole
        if plan.opening in begun and plan.opening is not None:
            if whole:
                undo_steps(edges, [plan.opening], tell)
            else:
                tell("the journal keeps what could not be taken back: `rscvm down` tries again")


def _tell_found(edges: Edges, lab: Lab, guarded: Sequence[Step], tell: Say) -> bool:
    """Read back what was taken back; say how the host is, and return whether it is as it was found."""
    host = guarded[0].host
    try:
        left = _not_as_found(lab, read_host(edges, lab, host, ()), guarded)
    except HostError as error:
        tell(f"{host} could not be read back, so nobody knows whether it is as it was found: {error}")
        return False
    tell(
        f"{host} is NOT as it was found: {', '.join(left)}"
        if left
        else f"read back: {host} is as it was found"
    )
    return not left


def _not_as_found(lab: Lab, state: HostState, guarded: Sequence[Step]) -> list[str]:
    """The steps that are no longer what there is to do: a step's undo and diff tell all of what it found."""
    there = [(step.what, step.undo, step.diff) for step in plan_apply(lab, state.name, state).steps]
    return [
        step.what
        for step in guarded
        if (step.what, step.undo, step.diff) not in there and not _coalesces_again(state, step)
    ]


def _coalesces_again(state: HostState, step: Step) -> bool:
    """Whether it is a step for coalescing that is as it was found, but for numbers that move by themselves."""
    was = [(thing.name, json.loads(thing.was)) for thing in step.makes if thing.kind == "nic"]
    return bool(was) and all(
        name in state.nics and "coalesce" in had and not [*not_as_it_was(state.nics[name], had)]
        for name, had in was
    )


def _not_as_wanted(lab: Lab, state: HostState, guarded: Sequence[Step]) -> Iterator[str]:
    """What was set and is not so when it is read back."""
    yield from not_taken(lab, state.name, state)
    if not all(map(_is_nics, guarded)):
        left = plan_apply(lab, state.name, state).steps
        yield from (_still(step.what) for step in left if step.guarded and not _is_nics(step))


def _still(what: str) -> str:
    return f"to {what} is still to be done"


def _is_nics(step: Step) -> bool:
    """Whether it sets a NIC, whose own answers tell whether that took."""
    return any(thing.kind == "nic" for thing in step.makes)


def _take_guarded(edges: Edges, lab: Lab, plan: Plan, say: Say, begun: list[Step]) -> None:
    """Take the steps that may cut the host off, read back what they set, and only then disarm its own undo."""
    guarded = [step for step in plan.steps if step.guarded]
    host, path = guarded[0].host, LabPaths(lab.state_dir, lab.name).undo
    arm = deadman_step(path, guarded)
    opening = (plan.opening,) if plan.opening else ()
    try:
        run_steps(edges, (*opening, arm, *guarded), say, begun, timeout=patience(guarded))
        only_nics = all(map(_is_nics, guarded))
        state = read_settings(edges, lab, host) if only_nics else read_host(edges, lab, host, ())
        if wrong := [*_not_as_wanted(lab, state, guarded)]:
            raise HostError(f"{host}: not everything took:\n  " + "\n  ".join(wrong), names_host=True)
        with shield():  # disarmed, and our note of it
            edges.host(host).run(cancel(path).argv).check()
            begun.remove(arm)
    except (LostError, KeyboardInterrupt) as error:
        if (cause := _lost(error)) is None:
            raise
        last = begun[-1].what if begun else "begin"
        begun.clear()  # it is the host that takes it back
        lost = f"{host} was lost while it was to {last} ({cause})"
        _recover(edges, lab, plan, say, lost)
        if isinstance(error, KeyboardInterrupt):
            raise
        raise HostError(
            f"{lost}; its own undo has put back what was found, which was read back",
            hint="one of these settings cuts the host off, or takes too long: apply them one by one",
        ) from error


def _recover(edges: Edges, lab: Lab, plan: Plan, say: Say, lost: str) -> None:
    """Wait until the host is there again, nothing of ours works on it any more, and what was found has been put back.

    :raise HostError: when it is not as it was found, or that cannot be known.
    """
    guarded = [step for step in plan.steps if step.guarded]
    host, paths = guarded[0].host, LabPaths(lab.state_dir, lab.name)
    say(f"{lost}: its own undo puts back what was found; waiting for that")

    def settled() -> HostState | None:
        with suppress(HostError), locked(edges.host(host), paths, "a run that had lost its host"):
            fire_left_over(edges, lab, host)
            state = read_host(edges, lab, host, ())
            if plan.opening and not _not_as_found(lab, state, guarded):
                undo_steps(edges, [plan.opening], say)
            return state
        return None

    try:
        state = wait_for(settled, Deadline(patience(guarded) + _AFTER), f"{host} to be back", every=1)
    except WaitedError as error:
        raise HostError(
            f"{lost}, and does not come back: nobody knows what became of it",
            hint=f"its own undo was to put back what was found; {paths.undo}.fired on it says that it did",
        ) from error
    left = _not_as_found(lab, state, guarded)
    if left and not [*_not_as_wanted(lab, state, guarded)]:
        raise HostError(
            f"{lost}; its settings had been made by then, and stay", hint="apply again: it tells what is left"
        )
    if left:
        raise HostError(
            f"{lost}, and is not as it was found: {', '.join(left)}",
            hint="`rscvm plan` shows what differs from the lab file; `rscvm down` puts back what was found",
        )


def _read_rest(edges: Edges, lab: Lab, steps: Sequence[Step]) -> dict[str, str]:
    """Read back what was done of the host itself without guard. Return what came to nothing of the mere attempts, by step.

    :raise HostError: when anything of the host itself is still to be done.
    """
    own = [step for step in steps if step.attempt or not step.scope]
    if not own:
        return {}
    state = read_host(edges, lab, own[0].host, ())
    if left := [step.what for step in plan_apply(lab, state.name, state).steps if not step.scope]:
        raise HostError("\n  ".join((f"{state.name}: not everything took:", *map(_still, left))))
    return _in_vain(state, [step for step in own if step.attempt])


def _in_vain(state: HostState, tried: Sequence[Step]) -> dict[str, str]:
    vain: dict[str, str] = {}
    for step in tried:
        [device, *words] = [word for run in step.do if isinstance(run, Run) for word in run.argv[6:]]
        features, names = state.features.get(device, {}), words[::2]  # sh -c SCRIPT sh ethtool -K DEVICE
        off = [name for name in names if name in features and not features[name].active]
        if off:
            asked = all(features[name].requested for name in off)
            why = "the guest's negotiation has the last word" if asked else "the host did not take it"
            vain[step.what] = (
                f"{device}: {', '.join(f'{name} stays {features[name]}' for name in off)}: {why}"
            )
    return vain
