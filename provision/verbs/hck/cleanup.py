"""`hck cleanup`: find what HLK's RSC test has left in the guests of its clients, and remove it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from provision.facts.hck_leftovers import parse_hck_leftovers
from provision.host.marks import is_our_domain
from provision.host.plan.hck_flags import is_armed
from provision.host.read.inventory import read_inventory
from provision.render.guest_scripts import ask_hck_leftovers, remove_hck_leftovers
from provision.runtime.errors import HostError, RscvmError
from provision.runtime.parallel import side_by_side
from provision.tables.guests import GUESTS
from provision.verify.collect.asked_ways import named_ways
from provision.verify.collect.guest_answers import BY_LIBVIRT_AT_ONCE, Told, agent_way, first_answers, said_to
from provision.verify.collect.machines import collect_lab
from provision.verify.evidence import Unasked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from provision.facts.hck_leftovers import Leftover, Leftovers
    from provision.host.apply.session import HostSession
    from provision.host.state import Inventory
    from provision.lab.spec import Lab
    from provision.runtime.command import Say
    from provision.runtime.guest_channel import GuestWay
    from provision.runtime.parallel import Outcome
    from provision.runtime.protocols import ReadingEdges
    from provision.verify.evidence import NicEvidence

_PATIENCE = 540.0
"""Seconds for removing: the script begins no program after 300, and waits 180 for one."""
_AGAIN = "run `rscvm hck cleanup` again: it says what is there"
_RESTARTED = "restart Windows, and run it again: a driver that is loaded keeps its file"
_WITHOUT = "a {} guest, in which HLK leaves nothing"
_OFF = "`rscvm up LAB {}` starts it"
_INSTALLED = (
    "what Windows still has as a network component keeps its package, service and file, as a filter without them "
    "could keep its adapters from the network: `netcfg /u NAME` there says what is in its way"
)


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What was found in a machine's guest, and what became of it."""

    machine: str
    found: tuple[Leftover, ...] = ()
    left: tuple[Leftover, ...] = ()
    """What is there now, as far as it is known."""
    notes: tuple[str, ...] = ()
    unasked: str = ""
    """Why it is not known, or not wholly, what the test has left."""
    hint: str = ""
    """What makes it known."""
    by_hand: bool = False
    """Whether its guest runs, and has no way in."""
    error: RscvmError | None = None
    """Why something is there still."""

    @property
    def restart(self) -> bool:
        """Whether Windows has to be restarted for what was removed."""
        return any(each.restart for each in self.left) or bool(self.gone)

    @property
    def gone(self) -> set[str]:
        """What was found and is not there any more, as far as it is known."""
        return {*map(str, self.found)} - {*map(str, self.left)}


def clients(lab: Lab) -> list[str]:
    """The machines that HLK's RSC test runs in: those with QEMU's engine, and what else is on their bridges."""
    wires = {
        (machine.host, nic.bridge)
        for machine in lab.machines.values()
        for nic in machine.nics
        if nic.profile == "hck" and nic.bridge
    }
    return [
        name
        for name, machine in lab.machines.items()
        if is_armed(machine) or any((machine.host, nic.bridge) in wires for nic in machine.nics)
    ]


def clean_up(session: HostSession, names: Sequence[str], say: Say, *, dry_run: bool) -> list[Cleaned]:
    """Remove what the test has left in the guests of these machines of one host; what fails in one is told of it.

    :raise HostError: when the host cannot be asked, or somebody else works on the lab.
    """
    seen, answers = _looked(session, names)
    wanted = [name for name in answers if any(not each.restart for each in seen[name].found)]
    if wanted and not dry_run:
        with session.locked(say):
            seen |= _removed(session, {name: (seen[name], answers[name]) for name in wanted}, say)
    return [seen[name] for name in names]


def _looked(session: HostSession, names: Sequence[str]) -> tuple[dict[str, Cleaned], dict[str, GuestWay]]:
    """What is found in these guests, and by which way each that answered did."""
    lab = session.lab
    guests = {name: lab.machines[name].guest for name in names}
    seen = {name: Cleaned(name, notes=(_WITHOUT.format(guests[name].capitalize()),)) for name in names}
    able = [name for name in names if GUESTS[guests[name]].hlk]
    if not able:
        return seen, {}
    there = read_inventory(session.edges, lab, session.host, able)
    asked = collect_lab(session.edges, lab, able, there, monitor=False)
    nics = {nic.machine: nic for nic in reversed(asked)}  # NICs that somebody took out of a domain come last
    barred = {name: why for name in able if (why := _barred(lab, name, nics.get(name), there))}
    ways = {
        name: named_ways(lab, nics[name]) or agent_way(nics[name], guests[name])
        for name in able
        if name not in barred
    }
    answers = first_answers(session.edges, session.host, ways, _read)
    seen |= barred | {name: _as_told(name, answer) for name, answer in answers.items()}
    return seen, {name: answer.way for name, answer in answers.items() if isinstance(answer, Told)}


def _barred(lab: Lab, name: str, nic: NicEvidence | None, there: Inventory) -> Cleaned | None:
    """Why a machine's guest is not asked."""
    domain = there.domains.get(name)
    if domain is not None and not is_our_domain(lab, domain):
        return Cleaned(name, error=HostError(f"{name}: a domain of that name is there and is not ours"))
    if nic is None or nic.state != "running":
        state = nic.state if nic else "without a NIC, and so not looked for"
        hint = _OFF.format(name) if state == "off" else ""
        return Cleaned(name, unasked=f"its guest cannot be asked: the machine is {state}", hint=hint)
    return None


def _read(edges: ReadingEdges, host: str, way: GuestWay) -> Leftovers:
    with edges.guest(host, way) as channel:
        said = said_to(ask_hck_leftovers(), channel, way)
    return parse_hck_leftovers(said)


def _as_told(name: str, answer: Told[Leftovers] | Unasked) -> Cleaned:
    if isinstance(answer, Unasked):
        return Cleaned(name, unasked=answer.reason, by_hand=True)
    found, troubles = answer.facts.found, answer.facts.troubles
    unasked = "not everything could be asked in its guest" if troubles else ""
    return Cleaned(name, found=found, left=found, notes=troubles, unasked=unasked)


def _removed(
    session: HostSession, wanted: Mapping[str, tuple[Cleaned, GuestWay]], say: Say
) -> dict[str, Cleaned]:
    """What became of removing what was found, side by side."""

    def remove(name: str) -> Cleaned:
        seen, way = wanted[name]
        say(f"in the guest of {name}: removing what HLK's RSC test has left")
        named = [str(each) for each in seen.found if not each.restart]
        with session.edges.guest(session.host, way) as channel:
            said = said_to(remove_hck_leftovers(named), channel, way, _PATIENCE)
        return _as_left(seen, parse_hck_leftovers(said))

    return {
        outcome.host: outcome.value or replace(wanted[outcome.host][0], error=_unknown(outcome))
        for outcome in side_by_side(list(wanted), remove, at_once=BY_LIBVIRT_AT_ONCE)
    }


def _unknown(outcome: Outcome[Cleaned]) -> HostError:
    return HostError(f"{outcome.host}: whether it was removed is not known: {outcome.error}", hint=_AGAIN)


def _as_left(seen: Cleaned, said: Leftovers) -> Cleaned:
    if said.left is None:
        raise HostError("the guest does not say what is there still")
    stays = [each for each in said.left if not each.restart]
    hint = _INSTALLED if any(each.kind == "component" for each in stays) else _RESTARTED
    error = (
        HostError(f"{seen.machine}: still there: {', '.join(map(str, stays))}", hint=hint) if stays else None
    )
    return replace(seen, left=said.left, notes=(*seen.notes, *said.troubles), error=error)
