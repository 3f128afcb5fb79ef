"""Asks machines' guests themselves, each by the first of its ways in that leads to an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, TypeVar

from provision.facts.linux_guest import parse_linux_guest
from provision.facts.windows_guest import parse_windows_guest
from provision.render.guest_scripts import ask_linux, ask_windows
from provision.runtime.command import NOT_FOUND
from provision.runtime.deadline import Deadline, limited, within_limit
from provision.runtime.errors import HostError, RscvmError, SilentError
from provision.runtime.guest_channel import GuestWay
from provision.runtime.parallel import foreseen, side_by_side
from provision.runtime.places import ANYBODY, Listener
from provision.verify.evidence import AskedGuest, Unasked

if TYPE_CHECKING:
    from collections.abc import Callable

    from provision.facts.guest import GuestFacts
    from provision.runtime.guest_channel import Channel, Script, System
    from provision.runtime.protocols import ReadingEdges
    from provision.verify.evidence import NicEvidence

T = TypeVar("T")

_QUESTIONS: Mapping[System, tuple[Callable[[], Script], Callable[[str], GuestFacts]]] = {
    "windows": (ask_windows, parse_windows_guest),
    "linux": (ask_linux, parse_linux_guest),
}
"""What a guest is asked, and what reads its answer."""
_PATIENCE = 60.0
"""Seconds for one guest by all its ways; PowerShell alone takes several to start on a guest that is at work."""
LONGEST = 120.0
"""Seconds for all guests of a host: what some of them do costs nobody the verdicts of the rest."""
BY_LIBVIRT_AT_ONCE = 4
"""libvirtd takes five requests of a connection at a time (max_client_requests), and a hung agent keeps one."""
_AT_ONCE = 32
NO_WAY = Unasked(
    "no way in is known: no guest agent's channel (with --qmp none is looked for), and no lab file names another",
    final=True,
)
_PORT = {
    True: "; the guest has the port open: an agent hangs in it, or somebody else has the socket",
    False: "; nothing in the guest has the port open: no agent runs in it",
}
"""By what QEMU tells of the port: whether the guest has it open."""


@dataclass(frozen=True, slots=True)
class Told(Generic[T]):
    """What a guest told, and by which way."""

    facts: T
    way: GuestWay


Answers = Mapping[str, "Told[GuestFacts] | Unasked"]
"""By machine."""


def agent_way(nic: NicEvidence, system: System | None = None) -> tuple[GuestWay, ...]:
    """The agent of a NIC's machine, where a way to it is known: none or one."""
    owner = nic.owner
    if owner.domain:
        return (GuestWay("agent", system, nic.machine, domain=owner.domain),)
    listener = Listener(owner.pid, owner.uid)
    way = GuestWay("agent", system, nic.machine, socket=owner.agent, listener=listener, monitor=owner.monitor)
    return (way,) if owner.agent else ()


def ask_guests(edges: ReadingEdges, host: str, ways: Mapping[str, Sequence[GuestWay]]) -> Answers:
    """What the guests of these machines tell of RSC, as `first_answers` has it."""
    return first_answers(edges, host, ways, read_guest)


def first_answers(
    edges: ReadingEdges,
    host: str,
    ways: Mapping[str, Sequence[GuestWay]],
    read: Callable[[ReadingEdges, str, GuestWay], T],
) -> Mapping[str, Told[T] | Unasked]:
    """What is read of these machines' guests, side by side; of one that does not answer every way's own error."""
    by_libvirt = any(way.domain for each in ways.values() for way in each)
    whole = Deadline(within_limit(LONGEST))

    def answer(machine: str) -> Told[T] | Unasked:
        if whole.expired:
            return Unasked(
                f"not asked: the guests before it took all of the {whole.seconds:.3g} s", final=True
            )
        with limited(Deadline(min(_PATIENCE, whole.remaining))):
            return _first_answer(edges, host, ways[machine], read)

    at_once = BY_LIBVIRT_AT_ONCE if by_libvirt else _AT_ONCE
    outcomes = side_by_side(list(ways), answer, at_once=at_once)
    return {
        outcome.host: foreseen(outcome, lambda error: Unasked(str(error), final=True)) for outcome in outcomes
    }


def _first_answer(
    edges: ReadingEdges,
    host: str,
    ways: Sequence[GuestWay],
    read: Callable[[ReadingEdges, str, GuestWay], T],
) -> Told[T] | Unasked:
    errors: list[str] = []
    for way in ways:
        try:
            return Told(read(edges, host, way), way)
        except RscvmError as error:
            hint = f" ({error.hint})" if error.hint else ""
            named = "" if str(error).startswith(str(way)) else f"{way}: "
            port = _port_words(edges, host, way) if isinstance(error, SilentError) else ""
            errors.append(f"{named}{error}{hint}{port}")
    return Unasked("; ".join(errors), final=True) if errors else NO_WAY


def _port_words(edges: ReadingEdges, host: str, way: GuestWay) -> str:
    """What QEMU tells of the port of an agent that is silent: whether the guest has it open; nothing where it does not tell."""
    if not way.monitor:
        return ""
    try:
        with edges.monitor(host, way.monitor, way.listener or ANYBODY) as monitor:
            told = monitor.execute("query-chardev")
    except RscvmError:
        return ""
    rows = [row for row in told if isinstance(row, dict)] if isinstance(told, list) else []
    states = [row.get("frontend-open") for row in rows if way.socket in str(row.get("filename", ""))]
    return _PORT.get(states[0], "") if len(states) == 1 and isinstance(states[0], bool) else ""


def read_guest(edges: ReadingEdges, host: str, way: GuestWay) -> GuestFacts:
    """What a guest tells by one way.

    :raise RscvmError: when it does not answer, or what it answers cannot be read.
    """
    with edges.guest(host, way) as channel:
        script, parse = _QUESTIONS[way.system or channel.system()]
        said = said_to(script(), channel, way)
    return parse(said)


def said_to(script: Script, channel: Channel, way: GuestWay, patience: float = _PATIENCE) -> str:
    """What a guest says to a script.

    :raise RscvmError: when it does not answer, or the script ends badly.
    """
    result = channel.run(script, timeout=patience)
    if result.status == NOT_FOUND:
        raise HostError(
            f"it has no {result.argv[0]}", hint=f"is it a {(way.system or script.shell).capitalize()}?"
        )
    return result.check().out


def with_guest(nic: NicEvidence, answers: Answers, *, must: bool) -> NicEvidence:
    """The NIC with what its guest tells of it."""
    told = answers.get(nic.machine)
    if told is None and must and nic.state == "paused":
        told = Unasked("the machine is paused, and its guest with it", final=True)
    if isinstance(told, Told):
        return replace(
            nic, guest=AskedGuest(told.facts, told.facts.adapter(nic.mac), told.way), guest_must=must
        )
    return replace(nic, guest=told, guest_must=must)


def ways_in(
    nics: Sequence[NicEvidence], named: Callable[[NicEvidence], Sequence[GuestWay]], *, must: bool
) -> dict[str, Sequence[GuestWay]]:
    """By machine that runs, the ways into its guest: those that its lab file names, else the agent where the guest must answer.

    :param named: what its lab file names; nothing of machines that are in none.
    """
    found: dict[str, Sequence[GuestWay]] = {}
    for nic in nics:
        if nic.machine not in found and nic.state == "running":
            ways = named(nic)
            if ways or must:
                found[nic.machine] = ways or agent_way(nic)
    return found
