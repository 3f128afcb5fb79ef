"""Attends what keeps TAPs wire-like on a host: tells it which are ours, and takes note of what it says."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from provision.facts.keeper_lines import KeeperLine, parse_keeper_line
from provision.host.apply.wire_keeper import SILENCE, TICK, keep_wire_like
from provision.host.preflight.machines import journal_obstacles
from provision.host.read.inventory import read_inventory
from provision.lab.paths import LabPaths
from provision.runtime.command import PACKAGES
from provision.runtime.deadline import Deadline
from provision.runtime.errors import HostError, LostError, UnreadableError
from provision.runtime.interrupt import shield
from provision.runtime.safe_text import quoted
from provision.verbs.check import Look, check
from provision.verbs.hck.kept_taps import Enforced, Happened, HckNic, Voice, hck_nics, is_there, why_not_kept
from provision.verify.collect.source import lab_source

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from provision.host.apply.session import HostSession
    from provision.host.state import Inventory
    from provision.runtime.protocols import Program

_BEAT = 5.0
"""Seconds between two words to a host."""
_MOST_LINES = 1000
"""Of a keeper's between two words; a guest that renegotiates without pause makes fewer."""
_PROOFS = 3
"""How often a device that is there is looked at until it is said that it is not ours: a machine may be starting."""
_RARELY = 10.0
"""Seconds until it is looked at again then."""
_END = 15.0
"""Seconds within which a host has put back what it switched off."""


class RefusedTapError(HostError):
    """A device of our name is somebody else's."""


@dataclass
class _Tap:
    """What is known of one TAP."""

    nic: HckNic
    index: int = 0
    count: int = 0
    doubted: bool = False
    """Whether its guest's driver has started anew since it was proven to be ours: perhaps without the engine."""
    absent: bool = False
    settled: bool = False
    """Whether it has been kept, or was not there: what bears its name later is no reason to end."""
    proofs: int = 0
    again: Deadline = field(default_factory=lambda: Deadline(0))
    """Until when whether it is ours is not looked at again."""
    said: str = ""
    """What was said of it last that did not go well."""


class Keeper:
    """The keeper of one host's TAPs, as it is attended from here."""

    def __init__(self, session: HostSession, names: Sequence[str], voice: Voice) -> None:
        self.begun = False
        """Whether it has ever listened."""
        self.listening = False
        self._session, self._names, self._voice = session, names, voice
        self._taps = {nic.tap: _Tap(nic) for nic in hck_nics(session.lab, names)}
        self._stuck: list[HckNic] = []
        self._done = False
        self._error: HostError | None = None

    @property
    def argv(self) -> tuple[str, ...]:
        """What runs on the host."""
        session = self._session
        paths = LabPaths(session.lab.state_dir, session.lab.name)
        # One that has lost who began it looks every tick whether somebody waits for its place.
        patience = 2 * SILENCE if self.begun else 1.5 * TICK
        return keep_wire_like(paths.keeper, session.who, patience, list(self._taps))

    def enforced(self, error: HostError | None = None) -> Enforced:
        """What became of the TAPs."""
        error = error or self._error
        if self._stuck and error is None:
            names = ", ".join(nic.words for nic in self._stuck)
            error = HostError(
                f"{self._session.host}: tx could not be switched on again at {names}", names_host=True
            )
        return Enforced({tap.nic: tap.count for tap in self._taps.values()}, error)

    def look_first(self) -> None:
        """Look whether the lab is ours, and say where nothing needs what is to be done.

        :raise HostError: when it is not, or the host does not answer.
        """
        session, lab = self._session, self._session.lab
        state = self._read()
        if sentences := [*journal_obstacles(lab, state)]:
            raise HostError(f"{session.host} is not ready for this:\n  " + "\n  ".join(sentences))
        if not self._taps.keys() & state.links.keys():
            return
        there = [name for name, machine in lab.machines.items() if machine.host == session.host]
        for verdict in check(lab_source(session.edges, lab, session.host, there), Look()):
            nic = verdict.evidence
            if nic.lone and nic.tap in self._taps:
                self._voice.say(
                    f"{self._taps[nic.tap].nic.words}: nothing else on {nic.lone} can send with offloads as it is now, so "
                    "nothing there needs this"
                )

    def _read(self) -> Inventory:
        session = self._session
        return read_inventory(session.edges, session.lab, session.host, self._names)

    def _read_anew(self) -> tuple[Inventory | None, str]:
        """What is there, or why nobody knows; our shell there may be of a connection that was lost before."""
        trouble = ""
        for _ in range(2):
            try:
                return self._read(), ""
            except LostError as error:
                trouble = str(error)
            except HostError as error:
                return None, str(error)
        return None, trouble

    def attend(self, program: Program) -> None:
        """Talk with it until somebody interrupts us, and end it.

        :raise HostError: when it ends before, or is lost.
        """
        try:
            self._talk(program)
        except KeyboardInterrupt:
            with shield():
                self._end(program)
        except HostError:
            with suppress(LostError), shield():
                program.say("end")  # it would go on without us
            raise

    def _end(self, program: Program) -> None:
        """Let it put back what it has switched off."""
        deadline = Deadline(_END)
        try:
            program.say("end")
            while not (self._done or deadline.expired):
                for line in self._heard(program, deadline):
                    self._take_note(line)
        except HostError as error:
            self._error = error
        if not self._done and self._error is None:
            self._error = HostError(
                f"{self._session.host} has not said within {_END:g} s that all is put back", names_host=True
            )

    def _talk(self, program: Program) -> NoReturn:
        while True:
            program.say("beat")
            beat, room = Deadline(_BEAT), _MOST_LINES
            while not beat.expired:
                said = self._heard(program, beat)
                room -= len(said)
                if room < 0:
                    raise LostError(
                        f"{self._session.host}: it says more than {_MOST_LINES} things in {_BEAT:g} s of its TAPs",
                        names_host=True,
                    )
                there = {line.tap: line.index for line in said if line.what == "there"}
                for line in said:
                    self._take_note(line)
                if there:
                    self._prove(program, there)
                self._prove_again(program)

    def _heard(self, program: Program, until: Deadline) -> list[KeeperLine]:
        """What it has said.

        :raise LostError: when it has ended.
        """
        lines = program.lines(until.remaining)
        if lines is None:
            raise LostError(
                f"{self._session.host}: what keeps the TAPs there has ended: {quoted(program.complaint, lines=1) or 'it said nothing'}",
                names_host=True,
            )
        said = [parse_keeper_line(line) for line in lines]
        if any(line.tap and line.tap not in self._taps for line in said):
            raise UnreadableError("what the keeper of TAPs says", "\n".join(lines))
        return said

    def _take_note(self, line: KeeperLine) -> None:
        """Tell what it says.

        :raise HostError: when it says that it does not go on.
        """
        tap = self._taps.get(line.tap)
        if tap is None:
            self._of_keeper(line)
        elif line.what == "gone":
            if not tap.absent:
                self._voice.say(f"{tap.nic.words}: it is not there; waiting for it")
            tap.absent, tap.settled, tap.proofs, tap.again = True, True, 0, Deadline(0)
        elif line.what == "failed":
            self._complain(tap, f"tx could not be switched off: {line.words}")
        elif line.what == "stuck":
            self._stuck.append(tap.nic)
        elif line.what in ("kept", "off", "back"):
            tap.index, tap.absent, tap.settled, tap.said = line.index, False, True, ""
            tap.count += line.what == "off"
            tap.doubted |= line.what == "off"
            self._voice.tell(Happened(self._session.host, tap.nic, line.what, tap.count))

    def _of_keeper(self, line: KeeperLine) -> None:
        host, lab = self._session.host, self._session.lab
        match line.what:
            case "listening":
                if self.begun:
                    self._voice.say(f"{host}: listening again")
                self.begun = self.listening = True
                for tap in self._taps.values():  # none is kept by a new keeper until it is proven: at once
                    tap.doubted, tap.again = False, Deadline(0)
            case "done":
                self._done = True
            case "busy":
                raise HostError(
                    f"the TAPs of lab {lab.name} on {host} are kept {line.words or 'by somebody else'}",
                    hint=f"one at a time: end that one; it ends by itself {SILENCE:g} s after who began it was lost",
                )
            case "loose":
                raise HostError(
                    f"{LabPaths(lab.state_dir, lab.name).directory} on {host} is not believed: {line.words}",
                    hint="it and every directory above must be root's or yours, and no others' to write (chmod go-w)",
                )
            case "lacks":
                package = PACKAGES.get(line.words, line.words)
                raise HostError(f"{line.words} not found on {host}", hint=f"install it (Debian: {package})")
            case "silence":
                raise LostError(f"{host} has not heard from us for {SILENCE:g} s", names_host=True)
            case _:
                raise LostError(f"{host}: `ip monitor link` there does not listen", names_host=True)

    def _complain(self, tap: _Tap, what: str) -> None:
        if tap.said != what:
            tap.said = what
            self._voice.say(f"{tap.nic.words}: {what}")

    def _prove_again(self, program: Program) -> None:
        """Let those go that have become ordinary: a bare QEMU's TAP outlives it, and `hck disarm`."""
        doubted = [tap for tap in self._taps.values() if tap.doubted and tap.again.expired]
        state = self._read_anew()[0] if doubted else None
        for tap in doubted:
            tap.again = Deadline(_BEAT)
            if state is None:
                continue
            tap.doubted = False
            if is_there(tap.nic, tap.index, state) and (
                why := why_not_kept(self._session.lab, tap.nic, state)
            ):
                program.say(f"leave {tap.nic.tap} {tap.index}")
                self._complain(tap, f"left alone: {why}")

    def _prove(self, program: Program, there: Mapping[str, int]) -> None:
        """Let those be kept that are proven to be ours.

        :raise HostError: when one is not that was there from the beginning.
        """
        due = {name: index for name, index in there.items() if self._taps[name].again.expired}
        if not due:
            return
        state, trouble = self._read_anew()
        for name, index in due.items():
            tap = self._taps[name]
            if state is not None and not is_there(tap.nic, index, state):
                continue
            why = trouble if state is None else why_not_kept(self._session.lab, tap.nic, state)
            if not why:
                tap.proofs, tap.doubted, tap.again = 0, False, Deadline(_BEAT)
                program.say(f"take {name} {index}")
                continue
            tap.proofs += 1
            if tap.proofs < _PROOFS:
                continue
            tap.again = Deadline(_RARELY)
            if not tap.settled:
                raise RefusedTapError(f"{tap.nic.words}: {why}", hint="nothing was touched")
            self._complain(tap, f"left alone: {why}")
