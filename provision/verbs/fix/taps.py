"""Asks TAPs for offloads by ethtool, and tells from what is read back who had switched them off."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from provision.host.apply.execute import run_steps
from provision.host.plan.taps import switch_step
from provision.runtime.errors import CommandError, HostError
from provision.tables.offloads import TAP_CHECKSUM
from provision.verbs.fix.repair import BACK_ON, ONE_NUMBER, Repair
from provision.verify.collect.host_devices import read_taps
from provision.verify.collect.taps import with_tap
from provision.verify.evidence import Unasked
from provision.verify.judge.ladder import wire_like
from provision.verify.judge.verdict import NicVerdict, judge_nic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.host.plan.diff import Diff
    from provision.host.plan.steps import Step
    from provision.runtime.command import Say
    from provision.runtime.protocols import Edges
    from provision.verify.collect.host_devices import TapsRead

Read = tuple[Repair, NicVerdict]
"""What was asked of a TAP, and the verdict by what was read back."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that was changed, or would be."""

    machine: str
    nic: str
    cause: str
    what: str
    why: str
    diff: Diff = ()
    backup: str = ""
    """The file with the definition as it was."""


@dataclass(frozen=True, slots=True)
class Edited(Change):
    """An edit of a domain's definition; any other change is a command that is run."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of asking TAPs."""

    read: Sequence[Read] = ()
    error: HostError | None = None
    """Of those that ethtool did not even ask; they are not among those read."""


def ask_taps(edges: Edges, host: str, repairs: Sequence[Repair], say: Say) -> Asked:
    """Switch the TAPs' features, and read them back at once: later something else may have changed them.

    That the guest has the last word is no failure.

    :raise CommandError: when ethtool asked none of them.
    """
    asked = [repair for repair in repairs if repair.command]
    if not asked:
        return Asked()
    steps = [_step(host, repair) for repair in asked]
    results = run_steps(edges, steps, say, [])
    taps = read_taps(edges.host(host))
    said = {id(step): result.err.strip() for step, result in results}
    errors = [_error(repair, host, said[id(step)], taps) for repair, step in zip(asked, steps, strict=True)]
    if all(errors) and errors[0]:
        raise errors[0]
    return Asked(
        [
            (repair, judge_nic(with_tap(repair.verdict.evidence, taps)))
            for repair, error in zip(asked, errors, strict=True)
            if error is None
        ],
        next((error for error in errors if error), None),
    )


def _step(host: str, repair: Repair) -> Step:
    features = repair.verdict.evidence.features
    words = (shlex.join(repair.command), repair.seen)
    return switch_step(
        (host, repair.verdict.evidence.machine),
        repair.tap,
        repair.switched,
        {} if isinstance(features, Unasked) else features,
        words,
    )


def _error(repair: Repair, host: str, said: str, taps: TapsRead) -> CommandError | None:
    """Why ethtool did not ask; nothing where the kernel has noted the wish, also where the guest keeps it off."""
    there = taps.features.devices.get(repair.tap, {})
    noted = (
        there[name].active is on or there[name].requested is on
        for name, on in repair.switched.items()
        if name in there
    )
    if any(noted):
        return None
    return CommandError(f"{shlex.join(repair.command)} failed on {host}: {said or 'it said nothing'}")


def _resolved(repair: Repair, read: NicVerdict) -> str:
    """Which cause it was, by what asking has come to; empty where the guest or somebody else has it off still."""
    if not any(repair.switched.values()):
        return repair.cause if wire_like(read.evidence) else ""
    mended = {*BACK_ON, ONE_NUMBER}
    before = {f for f, found in repair.verdict.families.items() if found.cause and found.cause.id in mended}
    if not any(read.families[family].verdict == "ready" for family in before):
        return ""
    if repair.cause == ONE_NUMBER:
        return ONE_NUMBER
    checksum = TAP_CHECKSUM in repair.switched
    return "host-disabled-checksum" if checksum else "host-disabled-segmentation"


def tries(repairs: Sequence[Repair]) -> tuple[Change, ...]:
    """What would be asked of TAPs; only asking tells whose doing it is."""
    return tuple(_change(repair, repair.cause, repair.seen) for repair in repairs if repair.command)


def done(read: Sequence[Read]) -> tuple[Change, ...]:
    """What was switched on TAPs, and took."""
    return tuple(
        _change(
            repair,
            cause,
            repair.seen
            + ("; asked for, it came on: the host had switched it off" if cause in BACK_ON else ""),
        )
        for repair, verdict in read
        if (cause := _resolved(repair, verdict))
    )


def _change(repair: Repair, cause: str, why: str) -> Change:
    machine = repair.verdict.evidence.machine
    return Change(machine, name_of(repair.verdict), cause, shlex.join(repair.command), why)


def refusals(read: Sequence[Read]) -> tuple[str, ...]:
    """TAPs that are not as the host has asked them to be."""
    notes: list[str] = []
    for repair, verdict in read:
        causes = {found.cause.id for found in verdict.families.values() if found.cause}
        ran = f"{name_of(verdict)}: `{shlex.join(repair.command)}`"
        if any(repair.switched.values()) and "guest-disabled-rsc" in causes:
            notes.append(
                f"{ran} did not take: the guest has it off, and the host cannot change that; the asking is undone "
                "by the next start of the guest's driver"
            )
        elif not _resolved(repair, verdict):
            notes.append(f"{ran} did not make it ready: see its verdict")
    return tuple(notes)


def name_of(verdict: NicVerdict) -> str:
    """A NIC by its machine's name and its own."""
    return f"{verdict.evidence.machine}.{verdict.evidence.nic}"
