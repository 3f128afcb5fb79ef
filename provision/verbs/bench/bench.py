"""`bench`: legs with RSC and without, in turns; what was switched is put back however it ends."""

from __future__ import annotations

from contextlib import ExitStack, nullcontext, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from provision.runtime.deadline import Deadline, wait_for
from provision.runtime.errors import HostError, LostError, WaitedError
from provision.tables.offloads import TAP_CHECKSUM
from provision.verbs.bench.chosen_nic import meant, refuse
from provision.verbs.bench.legs import Legs
from provision.verbs.bench.reading import read_tap
from provision.verbs.bench.reference import without_offloads
from provision.verbs.bench.reference_domain import domain_without_offloads
from provision.verbs.bench.sending import (
    lasts,
    serving,
    starting,
    warm_up,
    way_in,
)
from provision.verbs.bench.switch import put_back
from provision.verbs.check import Look, check
from provision.verify.collect.guest_answers import agent_way
from provision.verify.gain.words import keeps_large_buffers, oddities

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from provision.host.apply.session import HostSession
    from provision.runtime.command import Say
    from provision.verbs.bench.legs import Course
    from provision.verbs.bench.sending import Server
    from provision.verify.collect.source import MachineSource
    from provision.verify.evidence import NicEvidence
    from provision.verify.gain.figures import Gain, Leg
    from provision.verify.judge.verdict import NicVerdict

_BESIDE = 30
"""Seconds a leg for all that is not sending: switching, reading, asking the guest."""
_BOOTS = 300
"""Seconds within which the guest of a machine that was power-cycled serves."""


@dataclass(frozen=True, slots=True)
class Benched:
    """How the NIC is, and what RSC is worth to it; None where it is not ready, and so was not measured."""

    verdict: NicVerdict
    gain: Gain | None = None
    trouble: HostError | None = None
    """What failed once that was measured."""


def bench(session: HostSession, source: MachineSource, course: Course, say: Say) -> Benched:
    """Measure what RSC is worth to a NIC of the source's one machine; its TAP is as it was found when this returns.

    :raise RequestError: when there is nothing to switch, or several NICs might be meant.
    :raise HostError: when it does not run or something fails; its TAP is as it was found, or that says what it could not
        be given back, which its host then tries, too. What fails after the legs is `trouble` of what is returned.
    """
    with session.locked(say):
        verdict = meant(check(source, Look()), course.nic)
        nic = verdict.evidence
        refuse(nic)
        if verdict.verdict != "ready":
            return Benched(verdict)
        runner = session.edges.host(session.host)
        found = read_tap(runner, nic)
        if found.kind != "on" or found.features[TAP_CHECKSUM].fixed:
            raise HostError(f"{nic.tap}'s offloads cannot be switched", hint="`ethtool -k` shows why")
    try:
        with session.locked(say):
            with _served(session, source, nic, course, say) as server:
                measuring = Legs(session, nic, course, server, say)
                gain, trouble = measuring.measured(found), None
            try:
                measuring.see_that_all_is_as_found(found)
                if course.reference:
                    gain = replace(gain, legs=(*gain.legs, *_reference(session, source, nic, course, say)))
                    _await_ready(source, nic, say)
            except LostError:
                raise
            except HostError as error:
                trouble = error
            gain = replace(gain, at_most=keeps_large_buffers(nic))
            return Benched(verdict, replace(gain, notes=tuple(oddities(gain))), trouble)
    except LostError as error:
        if not error.whole:
            raise
        raise put_back(session, nic, found, lasts(course.seconds), error) from error


def _served(
    session: HostSession, source: MachineSource, nic: NicEvidence, course: Course, say: Say
) -> AbstractContextManager[Server]:
    """A server in the guest, the user's or one that is started for as long as all legs may take."""
    ways = source.ways(nic) or agent_way(nic)
    if course.server is not None:
        return nullcontext(replace(course.server, way=way_in(session.edges, nic, ways)))
    whole = 2 * course.pairs * (lasts(course.seconds) + _BESIDE)
    return serving(session.edges, nic, ways, starting(nic, whole, course.program), say)


def _without(
    session: HostSession, nic: NicEvidence, course: Course, say: Say
) -> AbstractContextManager[None]:
    """The machine without its offloads, for as long as all legs without them may take."""
    if course.keep is not None:
        return domain_without_offloads(session.edges.libvirt(session.host), nic, course.keep, say)
    lasting = _BOOTS + course.pairs * (lasts(course.seconds) + _BESIDE)
    return without_offloads(session, nic, lasting, say)


def _reference(
    session: HostSession, source: MachineSource, nic: NicEvidence, course: Course, say: Say
) -> tuple[Leg, ...]:
    """The legs without the offloads at the device; the machine runs as before when this returns or raises."""
    with _without(session, nic, course, say), ExitStack() as stack:
        why: list[HostError] = []

        def served() -> tuple[NicEvidence, Server] | None:
            """The machine anew, once its guest serves."""
            try:
                now = meant(check(source, Look()), nic.mac).evidence
                server = stack.enter_context(_served(session, source, now, course, say))
                warm_up(session.edges.host(course.sender or session.host), server)
            except LostError:
                raise
            except HostError as error:
                why[:] = [error]
                return None
            return now, server

        try:
            now, server = wait_for(served, Deadline(_BOOTS), f"{nic.machine}'s guest to serve again", every=1)
        except WaitedError as error:
            said = str(why[0]) if why else str(error)
            raise HostError(
                f"no leg with `rsc: false` within {_BOOTS} s: {said}", hint=why[0].hint if why else ""
            ) from error
        there = Legs(session, now, course, server, say)
        return there.legs(("reference",), read_tap(session.edges.host(session.host), now))


def _await_ready(source: MachineSource, nic: NicEvidence, say: Say) -> None:
    """Wait until the machine is ready as it was before the reference.

    :raise WaitedError: when it is not in time.
    """
    say(f"waiting up to {_BOOTS} s for the driver of {nic.machine}'s guest, which starts as before")

    def ready() -> bool:
        with suppress(HostError):
            return meant(check(source, Look()), nic.mac).verdict == "ready"
        return False

    wait_for(ready, Deadline(_BOOTS), f"{nic.machine} to be ready as before", every=1)
