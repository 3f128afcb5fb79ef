"""Which key of the lab file to change, where a machine's definition follows its lab file. Pure."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from provision.lab.positions import spelled
from provision.tables.offloads import TSO
from provision.verbs.fix.definition import EDITED
from provision.verbs.fix.repair import causes_of
from provision.verify.evidence import Unasked

if TYPE_CHECKING:
    from provision.lab.spec import Lab
    from provision.verify.evidence import NicEvidence
    from provision.verify.judge.verdict import NicVerdict

_MADE_OTHERWISE = frozenset({*EDITED, "offered-though-off"})
"""Causes that lie in how the machine was made."""


def lab_words(lab: Lab, verdict: NicVerdict) -> tuple[str, ...]:
    """What to change in the lab file; or that the machine is otherwise than the file has it."""
    nic = verdict.evidence
    what = shlex.join((lab.file, nic.machine))
    again = f"`rscvm down --keep-disks {what}` and `rscvm up {what}`"
    words: list[str] = []
    for cause, _, _ in causes_of(verdict):
        places = _switched_off(lab, nic) if cause.id == "guest-offloads-off" else ()
        if places:
            words.append(f"{cause.id}: take {', '.join(places)} out of {lab.file}, then {again}")
        elif cause.id in _MADE_OTHERWISE:
            words.append(f"{cause.id}: the machine is not as the lab file has it: {again} make it so")
    return tuple(words)


def _switched_off(lab: Lab, nic: NicEvidence) -> tuple[str, ...]:
    """The keys of the lab file that have offloads off which the device has off."""
    for at, spec in enumerate(lab.machines[nic.machine].nics):
        if spec.name == nic.nic and not isinstance(nic.properties, Unasked):
            return tuple(
                spelled(("machines", nic.machine, "nics", at, "offloads", name))
                for name in ("guest_csum", *TSO.values())
                if spec.offloads.get(name) is False and not nic.properties.get(name, False)
            )
    return ()
