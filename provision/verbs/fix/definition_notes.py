"""What is to be said of a definition that is mended: when that takes effect, and what sees to it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from provision.facts.domain import parse_domain
from provision.verbs.fix.repair import waits_for_restart
from provision.verbs.fix.taps import name_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from provision.runtime.protocols import Domain
    from provision.verbs.fix.repair import Repair

POWER_CYCLE = "takes effect after a power cycle; a reboot from inside keeps the old device"


@dataclass(frozen=True, slots=True)
class Note:
    """Something to be said beside the changes."""

    words: str
    waits: bool = False
    """Whether it is of what takes effect only after a power cycle."""


def waits(repair: Repair) -> bool:
    """Whether what runs needs a power cycle for what its definition has, or will have."""
    return bool(repair.mends or repair.pending) or waits_for_restart(repair.verdict)


def definition_notes(
    domain: Domain, repairs: Sequence[Repair], restarting: str, *, edited: bool
) -> Iterator[Note]:
    """What to say of a domain's definition.

    :param restarting: the command that power-cycles the domain.
    :param edited: whether the definition is edited now.
    """
    waiting = any(map(waits, repairs))
    if edited and (mark := parse_domain(domain.persistent_xml).mark):
        yield Note(
            f"{domain.name} is machine {mark.machine} of lab {mark.lab}: where its lab file says otherwise, "
            "`rscvm up` puts this edit back"
        )
    if edited and not waiting:
        runs = "" if domain.state == "off" else ", and what runs needs no restart for it"
        yield Note(f"{domain.name}'s definition: takes effect at its next start{runs}", waits=True)
    for repair in repairs:
        if repair.pending:
            what = f"{name_of(repair.verdict)}: the definition has {', '.join(repair.pending)} already"
            yield Note(f"{what}: {POWER_CYCLE}", waits=True)
    if edited and waiting:
        yield Note(f"{domain.name}'s definition: {POWER_CYCLE}", waits=True)
    if waiting and domain.state == "running":
        how = "asks the guest to shut down, and starts it again; nothing is pulled if it does not"
        yield Note(f"power-cycle it: `{restarting}` {how}", waits=True)
