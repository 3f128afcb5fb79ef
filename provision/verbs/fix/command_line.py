"""The `rscvm fix` that mends what a verdict says, where it can. Pure."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from provision.tables.backends import INTERFACES
from provision.verbs.fix.definition import EDITED
from provision.verbs.fix.repair import IN_GUEST, causes_of, plan_repair, waits_for_restart
from provision.verify.judge.guest_rungs import has_nat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.runtime.command import Argv
    from provision.verify.judge.verdict import NicVerdict


def with_commands(verdicts: Sequence[NicVerdict], reached: Argv) -> list[NicVerdict]:
    """The verdicts, each with the command that mends it, where there is one.

    :param reached: what stands before a machine's name: `--connect URI` of libvirt's domains, or a lab file; nothing
        where nobody can say how they are reached.
    """
    if not reached:
        return [replace(verdict, command="", power_cycles=False) for verdict in verdicts]
    return [_with_command(verdict, reached) for verdict in verdicts]


def _with_command(verdict: NicVerdict, reached: Argv) -> NicVerdict:
    of_libvirt = reached[0] == "--connect"
    name = verdict.evidence.owner.domain if of_libvirt else verdict.evidence.machine
    by_host, in_guest = _mended(verdict, edits=of_libvirt)
    cycles = of_libvirt and bool(name) and waits_for_restart(verdict)
    if not name or not (by_host or in_guest or cycles):
        return replace(verdict, command="", power_cycles=False)
    if cycles:
        return replace(verdict, command=restarting(reached, name), power_cycles=True)
    words = ("rscvm", "fix", *(() if by_host else ("--guest",)), *reached, name)
    return replace(verdict, command=shlex.join(words), power_cycles=False)


def restarting(reached: Argv, name: str) -> str:
    """The command that power-cycles a domain whose definition is mended."""
    return shlex.join(("rscvm", "fix", *reached, name, "--restart"))


def _mended(verdict: NicVerdict, *, edits: bool) -> tuple[bool, bool]:
    """Whether `fix` mends something at its TAP or, with `edits`, in its definition; and whether it does so in the guest."""
    nic = verdict.evidence
    then = verdict.definition is None or verdict.definition.verdict != "ready"
    found = [each for each in (verdict if then else None, verdict.later) if each is not None]
    edited = edits and nic.definition is not None and any(map(_is_editable, found))
    ids = {cause.id for cause, _, _ in causes_of(verdict)}
    return edited or bool(plan_repair(verdict, None).command), bool(ids & IN_GUEST) and not has_nat(nic)


def _is_editable(verdict: NicVerdict) -> bool:
    """Whether an edit of the NIC's own mends one of its causes: another backend is its user's choice."""
    kind = verdict.evidence.kind
    has_header = kind in INTERFACES and INTERFACES[kind].vnet_header and kind != "hostdev"
    return has_header and any(cause.id in EDITED for cause, _, _ in causes_of(verdict))
