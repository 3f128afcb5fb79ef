"""Applies a plan whole or not at all, and believes nothing that was not read back.

Steps that may cut the host off go behind its own undo: after a lost connection, a kill -9 of ours, or a setting that
broke the very NIC by which we reach the host, it puts back what was found. What we take back ourselves is read back too.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from provision.host.apply.deadman import cancel, deadman_step, fire_left_over, patience
from provision.host.apply.execute import run_steps, undo_steps
from provision.host.apply.lock import locked
from provision.host.marks import is_our_link, unfinished_name
from provision.host.plan.bridges import bridge_steps
from provision.host.plan.readback import in_vain, not_as_found, not_taken
from provision.host.plan.settings import plan_apply
from provision.host.plan.steps import HOST
from provision.host.read.devices import LINKS
from provision.host.read.host import read_host
from provision.host.read.inventory import read_inventory
from provision.host.read.nics import read_settings
from provision.host.state import Inventory
from provision.lab.paths import LabPaths
from provision.runtime.command import Run
from provision.runtime.deadline import Deadline, wait_for
from provision.runtime.errors import HostError, LostError, WaitedError
from provision.runtime.interrupt import finish, shield
from provision.runtime.questions import ask

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

    Returned is the plan as it came out: what was tried in vain is a note. The steps that were taken are added to `begun`, for a caller that may yet take them back by `undo_plan`.

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
        state = _read_back(edges, lab, rest)
    except BaseException as error:
        try:
            if begun and _lost(error):
                _undo_lost(edges, lab, plan, begun, say)
            else:
                undo_plan(edges, plan, begun, say)
        finally:
            begun.clear()
        raise
    vain = in_vain(state.features, rest) if state else []
    for _, sentence in vain:
        say(sentence)
    steps = tuple(step for step in plan.steps if not any(step is tried for tried, _ in vain))
    return replace(plan, steps=steps, notes=(*plan.notes, *(why for _, why in vain)))


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
            there = read_inventory(edges, lab, host, ())
            undo_plan(edges, plan, [step for step in begun if _may_be_ours(lab, step, there)], say)
            return True
        return False

    try:
        wait_for(undone, Deadline(_AFTER), f"{host} to be back", every=1)
    except HostError as error:
        say(f"{host} was lost ({error}): `rscvm down` takes back what was begun")


def _may_be_ours(lab: Lab, step: Step, there: Inventory) -> bool:
    """Whether there is anything of a step to be taken back: a device that it makes may not be there, or another's."""
    devices = [thing.name for thing in step.makes if thing.kind in ("tap", "bridge") and step.exclusive]
    found = [[there.links.get(each) for each in (name, unfinished_name(lab, name))] for name in devices]
    return all(any(link and is_our_link(lab, link, there.journal) for link in links) for links in found)


def apply_plan_or_roll_back(edges: Edges, lab: Lab, plan: Plan, say: Say) -> Plan:
    """Take every step of a plan, as `apply_plan`; an interruption takes them back, too.

    :raise HostError: as `apply_plan`.
    :raise KeyboardInterrupt: when one arrived; what was done has been taken back.
    """
    begun: list[Step] = []
    try:
        done = apply_plan(edges, lab, plan, say, begun)
        finish()
    except KeyboardInterrupt:
        undo_plan(edges, plan, begun, say)
        raise
    return done


def undo_plan(edges: Edges, plan: Plan, begun: Sequence[Step], say: Say) -> None:
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
            whole = _tell_found(edges, plan, guarded, tell) and whole
        if plan.opening in begun and plan.opening is not None:
            if whole:
                undo_steps(edges, [plan.opening], tell)
            else:
                tell("the journal keeps what could not be taken back: `rscvm down` tries again")


def _tell_found(edges: Edges, plan: Plan, guarded: Sequence[Step], tell: Say) -> bool:
    """Read back what was taken back; say how the host is, and return whether it is as it was found."""
    host = guarded[0].host
    try:
        left = _changed(edges, plan, guarded)
    except HostError as error:
        tell(f"{host} could not be read back, so nobody knows whether it is as it was found: {error}")
        return False
    tell(
        f"{host} is NOT as it was found: {', '.join(left)}"
        if left
        else f"read back: {host} is as it was found"
    )
    return not left


def _changed(edges: Edges, plan: Plan, steps: Sequence[Step]) -> list[str]:
    """What steps have made otherwise than it was found, as the host is now."""
    runner = edges.host(steps[0].host)
    links = ask(runner, [LINKS])[LINKS] if any(step.devices for step in steps) else {}
    nics = read_settings(runner, dict.fromkeys(_nics(steps), True))
    found = plan.found or Inventory(steps[0].host)
    return [step.what for step in not_as_found(steps, found, links, nics)]


def _nics(steps: Sequence[Step]) -> list[str]:
    """The physical NICs that steps set."""
    return list(dict.fromkeys(t.name for step in steps for t in step.makes if t.kind == "nic"))


def _not_as_wanted(edges: Edges, lab: Lab, guarded: Sequence[Step]) -> Iterator[str]:
    """What was set and is not so when it is read back."""
    host = guarded[0].host
    coalesce = {name: bool(nic.coalesce) for name, nic in lab.host(host).nics.items()}
    yield from not_taken(lab, host, read_settings(edges.host(host), coalesce))
    if not all(map(_is_nics, guarded)):
        left = bridge_steps(lab, host, read_inventory(edges, lab, host, ()))
        yield from (_still(step.what) for step in left if step.guarded)


def _still(what: str) -> str:
    return f"to {what} is still to be done"


def _is_nics(step: Step) -> bool:
    """Whether it sets a NIC, whose own answers tell whether that took."""
    return any(thing.kind == "nic" for thing in step.makes)


def _take_guarded(edges: Edges, lab: Lab, plan: Plan, say: Say, begun: list[Step]) -> None:
    """Take the steps that may cut the host off, read back what they set, and only then cancel its own undo."""
    guarded = [step for step in plan.steps if step.guarded]
    host, path = guarded[0].host, LabPaths(lab.state_dir, lab.name).undo
    deadman = deadman_step(path, guarded)
    opening = (plan.opening,) if plan.opening else ()
    try:
        run_steps(edges, (*opening, deadman, *guarded), say, begun, timeout=patience(guarded))
        edges.host(host).run_all([*_forgotten(guarded)])
        if wrong := [*_not_as_wanted(edges, lab, guarded)]:
            raise HostError(f"{host}: not everything took:\n  " + "\n  ".join(wrong), names_host=True)
        with shield():  # cancelled, and our note of it
            edges.host(host).run(cancel(path).argv).check()
            begun.remove(deadman)
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


def _forgotten(guarded: Sequence[Step]) -> Iterator[Run]:
    """Lets a host forget its neighbours at what was set: a connection lives on by them for minutes where nobody new is heard."""
    for device in dict.fromkeys(device for step in guarded for device in step.devices):
        yield Run(("ip", "neigh", "flush", "dev", device))


def _recover(edges: Edges, lab: Lab, plan: Plan, say: Say, lost: str) -> None:
    """Wait until the host is there again, nothing of ours works on it any more, and what was found has been put back.

    :raise HostError: when it is not as it was found, or that cannot be known.
    """
    guarded = [step for step in plan.steps if step.guarded]
    host, paths = guarded[0].host, LabPaths(lab.state_dir, lab.name)
    say(f"{lost}: its own undo puts back what was found; waiting for that")

    def settled() -> tuple[list[str], list[str]] | None:
        """What is not as it was found, and what is not as it was wanted."""
        with suppress(HostError), locked(edges.host(host), paths, "a run that had lost its host"):
            fire_left_over(edges, lab, host)
            left = _changed(edges, plan, guarded)
            wrong = [*_not_as_wanted(edges, lab, guarded)] if left else []
            if plan.opening and not left:
                undo_steps(edges, [plan.opening], say)
            return left, wrong
        return None

    try:
        left, wrong = wait_for(settled, Deadline(patience(guarded) + _AFTER), f"{host} to be back", every=1)
    except WaitedError as error:
        raise HostError(
            f"{lost}, and does not come back: nobody knows what became of it",
            hint=f"its own undo was to put back what was found; {paths.undo}.fired on it says that it did",
        ) from error
    if left and not wrong:
        raise HostError(
            f"{lost}; its settings had been made by then, and stay", hint="apply again: it tells what is left"
        )
    if left:
        raise HostError(
            f"{lost}, and is not as it was found: {', '.join(left)}",
            hint="`rscvm plan` shows what differs from the lab file; `rscvm down` puts back what was found",
        )


def _read_back(edges: Edges, lab: Lab, steps: Sequence[Step]) -> HostState | None:
    """Read the whole host after what was done of it without guard; None where nothing was, or tried.

    :raise HostError: when anything of the host itself is still to be done.
    """
    own = [step for step in steps if step.attempt or step.scope == HOST]
    if not own:
        return None
    state = read_host(edges, lab, own[0].host, ())
    if left := [step.what for step in plan_apply(lab, state.name, state).steps if step.scope == HOST]:
        raise HostError(
            "\n  ".join((f"{state.name}: not everything took:", *map(_still, left))), names_host=True
        )
    return state
