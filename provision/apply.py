"""Take the steps; take them back, last first, when one fails or is interrupted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.errors import RscvmError
from provision.steps import Action, Define, Destroy, Run, Start, Step, Undefine

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

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
        case Undefine(domain, keep_state):
            edges.hypervisor(host).undefine(domain, keep_state=keep_state)


def take(edges: Edges, steps: Sequence[Step], say: Say) -> None:
    """Take every step, or none: what was done is undone before the first error is raised again."""
    done: list[Step] = []
    for step in steps:
        say(step.what)
        begun = not step.exclusive
        try:
            for action in step.do:
                perform(edges, step.host, action)
                begun = True
        except (RscvmError, KeyboardInterrupt):
            _take_back(edges, [*done, *([step] if begun else [])], say)
            raise
        done.append(step)


def _take_back(edges: Edges, steps: Sequence[Step], say: Say) -> None:
    for step in reversed(steps):
        for action in step.undo:
            try:
                perform(edges, step.host, action)
            except RscvmError as error:  # said, and never in the way of the first error
                say(f"could not take back `{step.what}`: {error}")
        if step.undo:
            say(f"taken back: {step.what}")


def take_on(edges: Edges, steps: Iterable[Step], say: Say) -> list[RscvmError]:
    """Take every step, whatever became of the ones before; for taking down, where each step is a gain."""
    errors: list[RscvmError] = []
    for step in steps:
        if errors and step.what.startswith("bring "):
            continue  # what could not be removed stays in the journal, for the next `down`
        say(step.what)
        try:
            for action in step.do:
                perform(edges, step.host, action)
        except RscvmError as error:
            errors.append(error)
    return errors
