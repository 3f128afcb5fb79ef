"""Take the steps; take them back, last first, when one fails or is interrupted."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from provision.errors import RscvmError
from provision.interrupt import shield
from provision.steps import Action, Define, Destroy, Plan, Run, Start, Step, Undefine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.command import Edges, Say

_SLOWEST = 300.0
"""Seconds that any one command of ours may take; qemu-img and QEMU need far less."""


def perform(edges: Edges, host: str, action: Action) -> None:
    """Carry out one action.

    :raise HostError: when it does not succeed, in the words of who refused it.
    """
    match action:
        case Run(argv, stdin):
            edges.host(host).run(argv, stdin=stdin.encode(), timeout=_SLOWEST).check()
        case Define(xml):
            edges.hypervisor(host).define(xml)
        case Start(domain):
            edges.hypervisor(host).start(domain)
        case Destroy(domain):
            edges.hypervisor(host).destroy(domain)
        case Undefine(domain):
            edges.hypervisor(host).undefine(domain)


def take(edges: Edges, plan: Plan, say: Say, begun: list[Step] | None = None) -> None:
    """Take every step, or none: what was done is undone before the first error is raised again.

    The steps that were taken are added to `begun`, for a caller that may yet take them back.
    """
    begun = [] if begun is None else begun
    try:
        for step in (*([plan.opening] if plan.opening else []), *plan.steps):
            say(step.what)
            if not step.exclusive:
                begun.append(step)
            for action in step.do:
                with shield():  # a command and our note of it are one
                    perform(edges, step.host, action)
                    if step not in begun:
                        begun.append(step)
    except BaseException:
        take_back(edges, plan, begun, say)
        begun.clear()
        raise


def take_back(edges: Edges, plan: Plan, begun: Sequence[Step], say: Say) -> None:
    """Undo steps, last first.

    What cannot be undone is said, and stays in the journal, so that `down` finds it.
    """
    with suppress(KeyboardInterrupt), shield():  # we are on our way out already
        _take_back(edges, plan, begun, say)


def _take_back(edges: Edges, plan: Plan, begun: Sequence[Step], say: Say) -> None:
    whole = True
    for step in reversed(begun):
        if step is plan.opening and not whole:
            say("the journal keeps what could not be taken back: `rscvm down` tries again")
            continue
        try:
            for action in step.undo:
                perform(edges, step.host, action)
        except RscvmError as error:
            whole = False
            say(f"could not take back `{step.what}`: {error}")
        else:
            say(f"taken back: {step.what}")


def take_on(edges: Edges, plan: Plan, say: Say) -> list[RscvmError]:
    """Take every step, whatever became of other machines' steps; for taking down, where each step is a gain.

    After a failure the rest of that machine, what the whole lab shares, and the journal stay for the next time.
    """
    errors: list[RscvmError] = []
    failed: set[str] = set()
    for step in (*plan.steps, *([plan.closing] if plan.closing else [])):
        if step.machine in failed or (errors and not step.machine):
            continue
        say(step.what)
        try:
            for action in step.do:
                with shield():
                    perform(edges, step.host, action)
        except RscvmError as error:
            errors.append(error)
            failed.add(step.machine)
    return errors
