"""What is known of a host's TAPs by what their keeper has said, and what is told of that. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from provision.host.apply.wire_keeper import SILENCE, TICK
from provision.lab.paths import LabPaths
from provision.runtime.command import PACKAGES
from provision.runtime.deadline import Deadline
from provision.runtime.errors import HostError, LostError
from provision.verbs.hck.kept_taps import Enforced, Happened, HckNic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.facts.keeper_lines import KeeperLine
    from provision.lab.spec import Lab
    from provision.verbs.hck.kept_taps import What


_TICKS = 3
"""Within so many what is there has been said to be."""

_PACKAGES = {**PACKAGES, "find": "findutils", "mkfifo": "coreutils", "awk": "mawk"}


def why_ended(lab: Lab, host: str, line: KeeperLine) -> HostError:
    """Why a keeper does not go on, by what it says."""
    match line.what:
        case "busy":
            return HostError(
                f"the TAPs of lab {lab.name} on {host} are kept {line.words or 'by somebody else'}",
                hint=f"one at a time: end that one; it ends by itself {SILENCE:g} s after who began it was lost",
            )
        case "loose":
            return HostError(
                f"{LabPaths(lab.state_dir, lab.name).directory} on {host} is not believed: {line.words}",
                hint="it and every directory above must be root's or yours, and no others' to write (chmod go-w)",
            )
        case "lacks":
            package = _PACKAGES.get(line.words, line.words)
            return HostError(f"{line.words} not found on {host}", hint=f"install it (Debian: {package})")
        case "silence":
            return LostError(f"{host} has not heard from us for {SILENCE:g} s", names_host=True)
        case _:
            return LostError(f"{host}: `ip monitor link` there does not listen", names_host=True)


@dataclass
class Tap:
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
    trouble: tuple[What, str] | None = None
    """Why it is not kept now, though it is there."""
    there: Deadline = field(default_factory=lambda: Deadline(0))
    """Until when it is there for all that is known, where it is not kept: that is said at each tick."""

    @property
    def why_not(self) -> str:
        """Why it is not kept now; empty where it is, or has gone."""
        if self.trouble is None or (self.trouble[0] == "left" and self.there.expired):
            return ""
        return Happened("", self.trouble[0], why=self.trouble[1]).words


class NotedTaps:
    """A host's; each thing that is noted gives what is to be told, if anything."""

    def __init__(self, host: str, nics: Sequence[HckNic], others: Sequence[HckNic]) -> None:
        """Note nothing yet.

        :param others: the lab's, which a keeper before may have been asked for.
        """
        self.of = {nic.tap: Tap(nic) for nic in nics}
        self.stuck: dict[str, HckNic] = {}
        """Those at which `tx` could not be switched on again."""
        self.touched = False
        """Whether anything was ever switched."""
        self._host = host
        self._others = {nic.tap: nic for nic in others}

    def listening(self) -> None:
        """None is kept by a new keeper until it is proven: at once. What the one before has said of its end is over."""
        self.stuck.clear()
        for tap in self.of.values():
            tap.doubted, tap.again = False, Deadline(0)

    def noted(self, line: KeeperLine) -> Happened | None:
        """Note what is said of a TAP, which is any where it is put back."""
        self.touched |= line.what in ("kept", "off", "back", "stuck")
        nic = self._others.get(line.tap, HckNic("", "", line.tap))
        tap = self.of.get(line.tap) or Tap(nic)
        match line.what:
            case "there":
                tap.there = Deadline(_TICKS * TICK)
            case "gone":
                was, tap.absent = tap.absent, True
                tap.settled, tap.proofs, tap.again, tap.trouble = True, 0, Deadline(0), None
                return None if was else self._told(tap, "gone")
            case "failed":
                return self.complained(tap, "failed", line.words)
            case "stuck":
                self.stuck[line.tap] = tap.nic
            case "kept" | "off" | "back":
                self.stuck.pop(line.tap, None)
                tap.index, tap.absent, tap.settled = line.index, False, True
                tap.count += line.what == "off"
                tap.doubted |= line.what == "off"
                if line.what == "off" or (line.what == "kept" and tap.trouble and tap.trouble[0] == "left"):
                    tap.trouble = None
                return self._told(tap, line.what)
        return None

    def complained(self, tap: Tap, what: What, why: str) -> Happened | None:
        """Note why it is not kept; told once, however often and in whatever words that is said until it is kept."""
        before, tap.trouble, tap.there = tap.trouble, (what, why), Deadline(_TICKS * TICK)
        return None if before is not None and before[0] == what else self._told(tap, what, why)

    def _told(self, tap: Tap, what: What, why: str = "") -> Happened:
        return Happened(self._host, what, tap.nic, tap.count, why)

    def enforced(self, error: HostError | None) -> Enforced:
        """What became of them; an error also where one was not kept at the end, or is not as it was."""
        taps = self.of.values()
        troubles = {tap.nic: tap.why_not for tap in taps if tap.why_not}
        sentences = [] if error else [f"{nic.words}: {why}" for nic, why in troubles.items()]
        if self.stuck:
            names = ", ".join(nic.words for nic in self.stuck.values())
            sentences += [f"{self._host}: tx could not be switched on again at {names}"]
        if sentences:
            hint = error.hint if error else ""
            error = HostError(
                "\n  ".join([*([str(error)] if error else []), *sentences]), hint=hint, names_host=True
            )
        return Enforced({tap.nic: tap.count for tap in taps}, error, troubles)
