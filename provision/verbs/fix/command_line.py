"""The `rscvm fix` that mends what a verdict says, where it can. Pure."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from provision.tables.backends import INTERFACES
from provision.verbs.fix.definition import EDITED
from provision.verbs.fix.repair import IN_GUEST, causes_of, plan_repair
from provision.verify.judge.guest_rungs import has_nat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.runtime.command import Argv
    from provision.verify.evidence import NicEvidence
    from provision.verify.judge.verdict import NicVerdict


def with_commands(verdicts: Sequence[NicVerdict], reached: Argv) -> list[NicVerdict]:
    """The verdicts, each with the command that mends it, where there is one.

    :param reached: what stands before a machine's name: `--connect URI` of libvirt's domains, or a lab file; nothing
        where nobody can say how they are reached.
    """
    return [replace(verdict, command=_command(verdict, reached) if reached else "") for verdict in verdicts]


def _command(verdict: NicVerdict, reached: Argv) -> str:
    of_libvirt = reached[0] == "--connect"
    name = verdict.evidence.owner.domain if of_libvirt else verdict.evidence.machine
    by_host, in_guest = _mended(verdict, edits=of_libvirt)
    if not name or not (by_host or in_guest):
        return ""
    return shlex.join(("rscvm", "fix", *(() if by_host else ("--guest",)), *reached, name))


def _mended(verdict: NicVerdict, *, edits: bool) -> tuple[bool, bool]:
    """Whether `fix` mends something at its TAP or, with `edits`, in its definition; and whether it does so in the guest."""
    nic = verdict.evidence
    ids = {cause.id for cause, _, _ in causes_of(verdict)}
    then = verdict.definition is None or verdict.definition.verdict != "ready"
    edited = edits and then and bool(ids & EDITED.keys()) and _is_editable(nic)
    return edited or bool(plan_repair(verdict, None).command), bool(ids & IN_GUEST) and not has_nat(nic)


def _is_editable(nic: NicEvidence) -> bool:
    """Whether there is a definition, and an edit of the NIC's own mends it: another backend is its user's choice."""
    has_header = nic.kind in INTERFACES and INTERFACES[nic.kind].vnet_header
    return nic.definition is not None and has_header and nic.kind != "hostdev"
