"""`bench`: legs with RSC and without, in turns; what was switched is put back however it ends."""

from __future__ import annotations

from contextlib import ExitStack, nullcontext, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from provision.runtime.deadline import Deadline, wait_for
from provision.runtime.errors import HostError, LostError, WaitedError
from provision.tables.offloads import TAP_CHECKSUM
from provision.verbs.bench.chosen_nic import meant, refuse
from provision.verbs.bench.reading import read_tap
from provision.verbs.bench.reference import without_offloads
from provision.verbs.bench.reference_domain import domain_without_offloads
from provision.verbs.bench.sending import (
    client_argv,
    guest_work,
    lasts,
    send,
    serving,
    starting,
    warm_up,
    way_in,
)
from provision.verbs.bench.switch import not_as_found, put_back, switched_off
from provision.verbs.check import Look, check
from provision.verify.collect.guest_answers import agent_way
from provision.verify.gain.figures import Gain, Leg
from provision.verify.gain.words import NAMES, oddities, of_driver, size

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from provision.facts.iperf3 import ClientRun
    from provision.host.apply.session import HostSession
    from provision.runtime.command import Say
    from provision.runtime.protocols import Runner
    from provision.verbs.bench.reading import Reading
    from provision.verbs.bench.sending import Server
    from provision.verify.collect.source import MachineSource
    from provision.verify.evidence import NicEvidence
    from provision.verify.gain.figures import Kind
    from provision.verify.judge.verdict import NicVerdict

N = TypeVar("N", int, float)

_BESIDE = 30
"""Seconds a leg for all that is not sending: switching, reading, asking the guest."""
_BOOTS = 180
"""Seconds within which the guest of a machine that was power-cycled serves."""
_BAR = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What is to be measured, and how."""

    pairs: int = 5
    seconds: int = 5
    """Of a leg."""
    sender: str = ""
    """The host that sends; empty: the machine's own."""
    server: Server | None = None
    """Where the user has started a server; None: one is started in the guest."""
    program: str = ""
    """Where a Windows guest has its iperf3.exe; empty: nobody says."""
    nic: str = ""
    """Its name or MAC address; empty: the machine has but one that can be measured."""
    reference: bool = False
    """Whether it is also measured without the offloads at its device, for which the machine is power-cycled twice."""
    keep: Callable[[str, str], str] | None = None
    """With that, of a domain of no lab file: what keeps its definition (its name, its XML) and tells where."""


@dataclass(frozen=True, slots=True)
class Benched:
    """How the NIC is, and what RSC is worth to it; None where it is not ready, and so was not measured."""

    verdict: NicVerdict
    gain: Gain | None = None


def bench(session: HostSession, source: MachineSource, course: Course, say: Say) -> Benched:
    """Measure what RSC is worth to a NIC of the source's one machine; its TAP is as it was found when this returns or raises.

    :raise RequestError: when there is nothing to switch, or several NICs might be meant.
    :raise HostError: when it does not run, something fails, or its TAP was changed by somebody else meanwhile.
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
                gain = _Bench(session, nic, course, server, say).measured(found)
            if course.reference:
                legs = _reference(session, source, nic, course, say)
                gain = replace(gain, legs=(*gain.legs, *legs))
            return Benched(verdict, replace(gain, notes=(*oddities(gain), *of_driver(nic))))
    except LostError as error:
        if not error.whole:
            raise
        raise put_back(session, nic, found.features, lasts(course.seconds), error) from error


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
        there = _Bench(session, now, course, server, say)
        legs = there.legs(("reference",), read_tap(session.edges.host(session.host), now))
    say(f"waiting up to {_BOOTS} s for the driver of {nic.machine}'s guest, which starts as before")

    def ready() -> bool:
        with suppress(HostError):
            return meant(check(source, Look()), nic.mac).verdict == "ready"
        return False

    wait_for(ready, Deadline(_BOOTS), f"{nic.machine} to be ready as before", every=1)
    return legs


def _grown(before: N | None, after: N | None) -> N | None:
    """By how much; None where it is not known, or began anew."""
    return None if before is None or after is None or after < before else after - before


@dataclass(frozen=True, slots=True)
class _Bench:
    """A NIC under measurement; its host's lock is held."""

    session: HostSession
    nic: NicEvidence
    course: Course
    server: Server
    say: Say

    def measured(self, found: Reading) -> Gain:
        """All legs, and what they come to."""
        nic, course = self.nic, self.course
        self.say("warming up")  # a guest tells its address itself: where that leads elsewhere, it ends here
        self._see_that_it_passes(found, warm_up(self._sender, self.server), read_tap(self._runner, nic))
        legs = self.legs(("on", "off"), found)
        now = read_tap(self._runner, nic)
        if now.features != found.features:
            raise not_as_found(nic, found.features, now.features)
        command = " ".join(client_argv(self.server, course.seconds))
        return Gain(nic.host, nic.machine, nic.nic, nic.tap or "", found.link.mtu, legs, command)

    def legs(self, kinds: tuple[Kind, ...], found: Reading) -> tuple[Leg, ...]:
        """Legs of these kinds in turns, as many of each as there are to be pairs."""
        legs: list[Leg] = []
        for kind in kinds * self.course.pairs:
            legs.append(self._leg(kind, found))
            self._tell(legs, len(kinds) * self.course.pairs)
        return tuple(legs)

    @property
    def _runner(self) -> Runner:
        return self.session.edges.host(self.session.host)

    @property
    def _sender(self) -> Runner:
        return self.session.edges.host(self.course.sender or self.session.host)

    def _leg(self, kind: Kind, found: Reading) -> Leg:
        """A leg; the guest is asked outside of it, so that its TAP is off for no longer than it takes."""
        edges, way = self.session.edges, self.server.way
        before, lasting = guest_work(edges, self.nic, way), lasts(self.course.seconds)
        off = switched_off(self.session, self.nic, found.features, lasting, self.say)
        with off if kind == "off" else nullcontext():
            leg = self._sent(kind, found)
        after = guest_work(edges, self.nic, way)
        return replace(
            leg,
            guest_busy=_grown(before.busy, after.busy),
            coalesced=_grown(before.coalesced, after.coalesced),
        )

    def _sent(self, kind: Kind, found: Reading) -> Leg:
        """A leg, which is what it is called before and after it.

        :raise HostError: when the TAP is otherwise, or the traffic does not go by it.
        """
        before = self._held(kind, found)
        run = self._run()
        after = self._held(kind, found)
        octets = self._see_that_it_passes(before, run, after)
        return Leg(
            kind,
            run.bits_per_second / 1e9,
            after.link.sent_packets - before.link.sent_packets,
            octets,
            after.uptime - before.uptime,
            run.retransmits,
            after.times.since(before.times),
            named=after.times.named,
            host_busy=after.times.busy_share(before.times),
            sender_busy=run.sender_busy,
            congestion=run.congestion,
        )

    def _see_that_it_passes(self, before: Reading, run: ClientRun, after: Reading) -> int:
        """Bytes that went by the TAP.

        :raise HostError: when what arrived did not.
        """
        octets = after.link.sent_bytes - before.link.sent_bytes
        if octets < run.octets:
            raise HostError(
                f"{run.octets} bytes arrived at {self.server.address}, and {octets} went by {self.nic.tap}",
                hint="is that the address of this NIC? --server ADDRESS names another",
            )
        return octets

    def _run(self) -> ClientRun:
        """What the sender tells; one that is lost, where it is another host, has taken nothing of ours with it."""
        try:
            return send(self._sender, self.server, self.course.seconds)
        except LostError as error:
            if self._sender is self._runner:
                raise
            raise HostError(f"{self.course.sender} was lost while it sent: {error}") from error

    def _held(self, kind: Kind, found: Reading) -> Reading:
        now = read_tap(self._runner, self.nic)
        if now.link.index != found.link.index:
            raise HostError(f"{self.nic.tap} was made anew meanwhile: did {self.nic.machine} end?")
        if now.kind != ("on" if kind == "on" else "off"):
            raise HostError(
                f"{self.nic.tap} is not as this leg ({NAMES[kind]}) needs it: {TAP_CHECKSUM} {now.features[TAP_CHECKSUM]}",
                hint="the guest's driver started anew, or somebody else switches it; or nobody here may (root does)",
            )
        return now

    def _tell(self, legs: Sequence[Leg], whole: int) -> None:
        done, leg = len(legs), legs[-1]
        bar = "#" * (_BAR * done // whole)
        what = f"{NAMES[leg.kind]:7}  {leg.gbps:6.2f} Gb/s  mean frame {size(leg.mean_frame)}"
        self.say(f"[{bar:<{_BAR}}] {done}/{whole}  {what}")
