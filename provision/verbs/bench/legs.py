"""Legs of a measurement, in turns: each is what it is called before and after it."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from provision.runtime.errors import HostError, LostError
from provision.tables.offloads import TAP_CHECKSUM
from provision.verbs.bench.reading import read_tap
from provision.verbs.bench.sending import OMITTED, client_argv, guest_work, lasts, send, warm_up
from provision.verbs.bench.switch import not_as_found, switched_off
from provision.verify.gain.figures import Gain, Leg
from provision.verify.gain.words import NAMES, size

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from provision.facts.iperf3 import ClientRun
    from provision.host.apply.session import HostSession
    from provision.runtime.command import Say
    from provision.runtime.protocols import Runner
    from provision.verbs.bench.reading import Reading
    from provision.verbs.bench.sending import Server
    from provision.verify.evidence import NicEvidence
    from provision.verify.gain.figures import Kind

N = TypeVar("N", int, float)

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
class Legs:
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
        if not any(leg.gbps for leg in legs if leg.kind == "off"):
            raise HostError("nothing arrived without RSC", hint="longer legs: --seconds 30")
        command = " ".join(client_argv(self.server, course.seconds))
        return Gain(nic.host, nic.machine, nic.nic, nic.tap or "", found.link.mtu, legs, command)

    def see_that_all_is_as_found(self, found: Reading) -> None:
        """After the last leg.

        :raise HostError: when it is not.
        """
        now = read_tap(self._runner, self.nic)
        if now.features != found.features:
            raise not_as_found(self.nic, found.features, now.features)

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
        off = switched_off(self.session, self.nic, found, lasting, self.say)
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
            run.gbps,
            after.link.sent_packets - before.link.sent_packets,
            octets,
            run.seconds + OMITTED,
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


def _grown(before: N | None, after: N | None) -> N | None:
    """By how much; None where it is not known, or began anew."""
    return None if before is None or after is None or after < before else after - before
