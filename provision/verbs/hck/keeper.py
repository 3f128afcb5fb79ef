"""Attends what keeps TAPs wire-like on a host: tells it which are ours, and takes note of what it says."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from provision.facts.keeper_lines import KeeperLine, parse_keeper_line
from provision.host.apply.wire_keeper import SILENCE, TICK, keep_wire_like
from provision.host.plan.hck_flags import DISARMED
from provision.host.preflight.machines import journal_obstacles
from provision.host.read.inventory import read_inventory
from provision.lab.paths import LabPaths
from provision.runtime.deadline import Deadline, limited
from provision.runtime.errors import HostError, LostError, UnreadableError
from provision.runtime.interrupt import shield
from provision.runtime.safe_text import quoted
from provision.verbs.hck.kept_taps import Enforced, Happened, Voice, hck_nics, is_there, why_not_kept
from provision.verbs.hck.needless import needless
from provision.verbs.hck.noted_taps import NotedTaps, why_ended

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from provision.host.apply.session import HostSession
    from provision.host.state import Inventory
    from provision.runtime.protocols import Program
    from provision.verbs.hck.noted_taps import Tap

_BEAT = 5.0
"""Seconds between two words to a host."""
_MOST_LINES = 1000
"""Of a keeper's between two words; a guest that renegotiates without pause makes fewer."""
_PROOFS = 3
"""How often a device that is there is looked at until it is said that it is not ours: a machine may be starting."""
_RARELY = 10.0
"""Seconds until it is looked at again then."""
_READ = 10.0
"""Seconds for what is read of a host while its keeper hears nothing: well below SILENCE."""
_UNANSWERED = 3
"""Words to it until it is taken for hung."""
_LAST_WORDS = 1.0
"""Seconds within which what one has said that has ended has come."""
_ANY_TAP = ("back", "stuck")
"""What is said of TAPs that a keeper before had switched off, too."""
_END = 15.0
"""Seconds within which a host has put back what it switched off."""


BY_ITSELF = f"it does that by itself {SILENCE:g} s after it has heard from us last"
"""What is said where a host could not be told to put back."""


_AS_ROOT = (
    "it needs root there (CAP_NET_ADMIN): be root here, or have `user: root` or `sudo: true` at another host"
)


class RefusedTapError(HostError):
    """A device of our name is somebody else's."""


class Keeper:
    """The keeper of one host's TAPs, as it is attended from here."""

    def __init__(self, session: HostSession, names: Sequence[str], voice: Voice) -> None:
        self.begun = False
        """Whether it has ever listened."""
        self.listening = False
        self._session, self._names, self._voice = session, names, voice
        lab = session.lab
        self._noted = NotedTaps(session.host, hck_nics(lab, names), hck_nics(lab, list(lab.machines)))
        self._taps = self._noted.of
        self._needed = False
        self._unanswered = 0
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
        return self._noted.enforced(error or self._error)

    def look_first(self) -> None:
        """Look whether the lab is ours.

        :raise HostError: when it is not, or the host does not answer.
        """
        if sentences := [*journal_obstacles(self._session.lab, self._read())]:
            raise HostError(f"{self._session.host} is not ready for this:\n  " + "\n  ".join(sentences))

    def _read(self) -> Inventory:
        session = self._session
        return read_inventory(session.edges, session.lab, session.host, self._names)

    def _read_anew(self) -> tuple[Inventory | None, str]:
        """What is there, or why nobody knows; our shell there may be of a connection that was lost before."""
        trouble = ""
        with limited(Deadline(_READ)):
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
            self._voice.say(f"{self._session.host}: waiting until tx is on again where it was set off")
            with shield():
                self._end(program)
        except RefusedTapError:
            with shield():
                self._end(program)
            raise
        except HostError:
            with suppress(LostError), shield():
                program.say("end")  # it would go on without us
            raise

    def _end(self, program: Program) -> None:
        """Let it put back what it has switched off."""
        deadline, room = Deadline(_END), _MOST_LINES
        try:
            program.say("end")
            while not (self._done or deadline.expired):
                said = self._heard(program, deadline)
                room = self._room(room, said)
                for line in said:
                    self._take_note(line)
        except HostError as error:
            self._error = error
        if not self._done and self._error is None:
            self._error = HostError(
                f"{self._session.host} has not said within {_END:g} s that all is put back",
                hint=BY_ITSELF,
                names_host=True,
            )

    def _talk(self, program: Program) -> NoReturn:
        self._unanswered = 0
        while True:
            if self._unanswered >= _UNANSWERED:
                raise LostError(
                    f"{self._session.host}: what keeps the TAPs there does not answer", names_host=True
                )
            self._say(program, "beat")
            self._unanswered += self.listening  # one that waits for its place answers later
            beat, room = Deadline(_BEAT), _MOST_LINES
            while not beat.expired:
                said = self._heard(program, beat)
                room = self._room(room, said)
                there = {line.tap: line.index for line in said if line.what == "there"}
                for line in said:
                    self._take_note(line)
                if there:
                    self._prove(program, there)
                self._prove_again(program)
                if self._needed and any(tap.index for tap in self._taps.values()):
                    self._needed = False
                    for sentence in needless(
                        self._session, {name: tap.nic for name, tap in self._taps.items()}, _READ
                    ):
                        self._voice.say(sentence)

    def _say(self, program: Program, line: str) -> None:
        """Say a word to it.

        :raise HostError: when it has ended; by its own words, where it has left any.
        """
        try:
            program.say(line)
        except LostError:
            for last in self._heard(program, Deadline(_LAST_WORDS)):
                self._take_note(last)
            raise

    def _room(self, room: int, said: Sequence[KeeperLine]) -> int:
        """For how many lines there is room after these.

        :raise LostError: when there was none for them.
        """
        if len(said) > room:
            raise LostError(
                f"{self._session.host}: it says more than {_MOST_LINES} things in {_BEAT:g} s of its TAPs",
                names_host=True,
            )
        return room - len(said)

    def _heard(self, program: Program, until: Deadline) -> list[KeeperLine]:
        """What it has said.

        :raise LostError: when it has ended.
        """
        lines = program.lines(until.remaining)
        if lines is None:
            raise LostError(
                f"{self._session.host}: what keeps the TAPs there has ended: {quoted(program.complaint, lines=1) or 'it said nothing'}",
                hint="" if self.begun else _AS_ROOT,
                names_host=True,
            )
        said = [parse_keeper_line(line) for line in lines]
        if any(line.tap and line.tap not in self._taps and line.what not in _ANY_TAP for line in said):
            raise UnreadableError("what the keeper of TAPs says", "\n".join(lines))
        return said

    def _take_note(self, line: KeeperLine) -> None:
        """Tell what it says.

        :raise HostError: when it says that it does not go on.
        """
        if not line.tap:
            self._of_keeper(line)
        elif (happened := self._noted.noted(line)) is not None:
            self._voice.tell(happened)

    def _listening(self) -> None:
        if self.begun:
            self._voice.tell(Happened(self._session.host, "again"))
        self._needed = not self.begun
        self.begun = self.listening = True
        self._done = False  # the one before has said that, of itself
        self._unanswered = 0
        self._noted.listening()

    def _of_keeper(self, line: KeeperLine) -> None:
        match line.what:
            case "listening":
                self._listening()
            case "here":
                self._unanswered = 0
            case "done":
                self._done = True
            case _:
                raise why_ended(self._session.lab, self._session.host, line)

    def _complain(self, tap: Tap, why: str) -> None:
        if (happened := self._noted.complained(tap, "left", why)) is not None:
            self._voice.tell(happened)

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
                self._say(program, f"leave {tap.nic.tap} {tap.index}")
                self._complain(tap, why)

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
                self._say(program, f"take {name} {index}")
                continue
            tap.proofs += 1
            if tap.proofs < _PROOFS:
                continue
            tap.again = Deadline(_RARELY)
            if not tap.settled:
                hints = [] if self._noted.touched else ["nothing was touched"]
                hints += (
                    [f"`rscvm up` with {self._session.lab.file} arms it again"] if why == DISARMED else []
                )
                raise RefusedTapError(f"{tap.nic.words}: {why}", hint="; ".join(hints))
            self._complain(tap, why)
