"""Runs steps in batches, and undoes them, last first, when one fails or is interrupted."""

from __future__ import annotations

import json
from contextlib import contextmanager
from itertools import groupby
from typing import TYPE_CHECKING

from provision.host.plan.readback import not_as_it_was
from provision.host.plan.steps import Action, Autostart, Define, Destroy, ReadBack, Start, Step, Undefine
from provision.host.read.nics import read_settings
from provision.runtime.command import Result, Run
from provision.runtime.errors import CommandError, HostError, LostError, RscvmError
from provision.runtime.interrupt import shield

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from provision.host.plan.steps import Plan
    from provision.runtime.command import Say
    from provision.runtime.protocols import Edges, Runner

_SLOWEST = 300.0
"""Seconds that any one command of ours may take; qemu-img and QEMU need far less."""


def perform(edges: Edges, host: str, action: Action) -> None:
    """Carry out one action.

    :raise HostError: when it does not succeed, in the words of who refused it.
    """
    match action:
        case Run(argv, stdin):
            edges.host(host).run(argv, stdin=stdin, timeout=_SLOWEST).check()
        case Define(xml):
            edges.libvirt(host).define(xml)
        case Start(domain):
            edges.libvirt(host).start(domain)
        case Destroy(domain):
            edges.libvirt(host).destroy(domain)
        case Undefine(domain):
            edges.libvirt(host).undefine(domain)
        case ReadBack(device, was):
            nic = read_settings(edges.host(host), {device: True})[device]
            if wrong := [*not_as_it_was(nic, json.loads(was))]:
                raise HostError(f"{device} on {host} is not as it was found: {', '.join(wrong)}")
        case Autostart(domain, on):
            edges.libvirt(host).autostart(domain, on=on)


def run_steps(
    edges: Edges, steps: Sequence[Step], say: Say, begun: list[Step], *, timeout: float = _SLOWEST
) -> list[tuple[Step, Result]]:
    """Run steps in their order and note them in `begun`; whoever calls undoes them when one fails.

    Return what each command said, by its step.

    :raise LostError: when the host is gone, or silent for longer than `timeout` seconds; what may have been done
        is noted.
    """
    actions = [(step, action) for step in steps for action in step.do]
    told: list[Step] = []
    said: list[tuple[Step, Result]] = []
    for host, batch in groupby(actions, lambda row: row[0].host if isinstance(row[1], Run) else None):
        rows = list(batch)
        if host is not None:
            _tell(rows, told, say)
            with shield():  # commands and our note of them are one
                said += _run_batch(edges.host(host), rows, begun, timeout)
            continue
        for row in rows:
            _tell([row], told, say)
            with shield():
                _perform_noted(edges, row, begun)
    return said


def _tell(rows: Sequence[tuple[Step, Action]], told: list[Step], say: Say) -> None:
    for step, _ in rows:
        if step not in told:
            told.append(step)
            say(step.what)


def _note(step: Step, begun: list[Step]) -> None:
    if step not in begun:
        begun.append(step)


def _perform_noted(edges: Edges, row: tuple[Step, Action], begun: list[Step]) -> None:
    step, action = row
    if not step.exclusive:
        _note(step, begun)
    try:
        with _saying(step):
            perform(edges, step.host, action)
    except LostError:
        _note(step, begun)  # it may have been done
        raise
    _note(step, begun)


@contextmanager
def _saying(step: Step) -> Iterator[None]:
    """Let a command's failure be told as that of its step."""
    try:
        yield
    except CommandError as error:
        raise CommandError(f"could not {step.what}: {error}", hint=error.hint) from error


def _run_batch(
    runner: Runner, rows: Sequence[tuple[Step, Action]], begun: list[Step], timeout: float
) -> list[tuple[Step, Result]]:
    """Run the commands until one fails, and note every step that was begun, or may have been: a lost host has read all."""
    runs = [action for _, action in rows if isinstance(action, Run)]
    results: Sequence[Result] = ()
    lost = False
    try:
        results = runner.run_all(runs, timeout=timeout, until_failure=True)
    except LostError as error:
        results, lost = [each for each in error.known if isinstance(each, Result)], True
        raise
    finally:
        for number, (step, _) in enumerate(rows):
            result = results[number] if number < len(results) else None
            done = result is not None and result.ok
            if (lost or result is not None) and (done or result is None or not step.exclusive):
                _note(step, begun)
    for (step, _), result in zip(rows, results, strict=False):
        with _saying(step):
            result.check()
    return [(step, result) for (step, _), result in zip(rows, results, strict=False)]


def undo_steps(edges: Edges, steps: Sequence[Step], say: Say) -> bool:
    """Undo steps, last first; say what cannot be undone, and return whether all could be.

    :raise KeyboardInterrupt: at the end, when one arrived meanwhile.
    """
    whole = True
    with shield():
        for step in reversed(steps):
            try:
                for action in step.undo:
                    perform(edges, step.host, action)
            except RscvmError as error:
                whole = False
                say(f"could not take back `{step.what}`: {error}")
            else:
                say(f"taken back: {step.what}")
    return whole


def run_what_can(edges: Edges, plan: Plan, say: Say) -> list[RscvmError]:
    """Take every step, whatever became of other machines' steps; for taking down, where each step is a gain.

    After a failure the rest of that machine, what the whole lab shares, and the journal stay for the next time.
    """
    errors: list[RscvmError] = []
    failed: set[str] = set()
    for step in (*plan.steps, *([plan.closing] if plan.closing else [])):
        if step.scope in failed or (errors and not step.scope):
            continue
        say(step.what)
        try:
            for action in step.do:
                with shield():
                    perform(edges, step.host, action)
        except RscvmError as error:
            errors.append(error)
            failed.add(step.scope)
    return errors
