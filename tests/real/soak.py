"""Kills rscvm at random times within all that changes a host, and compares the whole host afterwards.

`python -m tests.real.soak --seconds 3600 --seed 7` runs for an hour; `--round 12` of the same seed runs that one again.
A round is prepared, its command is killed by SIGKILL (rscvm alone, or with every process that it has started, perhaps
under a wall clock that jumps), and what a user would type next has to end well and leave the host as it was.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.beside import beside
from tests.real.hypervisor import Hypervisor, wait_for
from tests.real.soak_scenarios import RESTART, THEIRS, Command, Scenario, break_domain, scenarios, write_files
from tests.real.whole import difference, whole_host

WALL = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
KILLED, BOOTING, OFF = (137, -9), 4, 3
"""Exit statuses: of what timeout killed (itself, too, where it killed its group), of a fix that has to wait for the driver, and of one whose machine is off."""


@dataclass
class Outcome:
    """What came of some rounds."""

    rounds: int = 0
    kills: int = 0
    leaks: list[str] = field(default_factory=list)
    by_scenario: dict[str, int] = field(default_factory=dict)


class Soak:
    """A host with machines of ours and of others, on which rounds are run."""

    def __init__(self, host: Hypervisor, at: Path, seed: int) -> None:
        self.host, self.at, self.seed = host, at, seed
        self.took: dict[str, float] = {}
        self.clock = at / "clock"
        self._furnish()
        self.scenarios = [*scenarios(at)]

    def _furnish(self) -> None:
        self.host.output(["qemu-img", "create", "-q", "-f", "qcow2", str(self.at / "base.qcow2"), "8M"])
        engines, kept = write_files(self.at)
        self.host.output(["sh", "-ec", THEIRS, "sh", str(self.at)])
        for lab in engines:
            self._good("up", lab, "--no-check")
        for lab in kept:
            self._good("up", lab, "--wait", "120")
        wait_for(self._booted, time.monotonic() + 120, "healthy's guest")
        self._sh(break_domain(self.at))
        self._good(*RESTART)

    def _booted(self) -> bool:
        console = self.at / "healthy" / "console"
        return console.exists() and "rscvm-guest: ready" in console.read_text(errors="replace")

    def _sh(self, script: str) -> None:
        self.host.output(["sh", "-ec", script])

    def _rscvm(
        self, arguments: Sequence[str], *, within: float = 0.0, alone: bool = True, jumps: bool = False
    ) -> int:
        argv = [sys.executable, "-m", "provision", *arguments]
        if jumps:
            argv = ["env", f"LD_PRELOAD={WALL}", f"FAKETIME_TIMESTAMP_FILE={self.clock}", "FAKETIME_NO_CACHE=1",
                    "DONT_FAKE_MONOTONIC=1", *argv]  # fmt: skip
        if within:
            argv = ["timeout", *(["--foreground"] if alone else []), "-s", "KILL", f"{within:.4f}", *argv]
        done = self.host.run(argv, env={"XDG_STATE_HOME": str(self.at / "state")}, timeout=300)
        self.said = (done.stdout + done.stderr).decode(errors="replace")
        return done.returncode

    def _good(self, *arguments: str) -> None:
        status = self._rscvm(arguments)
        if status != 0:
            raise AssertionError(f"rscvm {' '.join(arguments)} ended with {status}:\n{self.said}")

    @contextmanager
    def _jumping(self) -> Iterator[None]:
        """A wall clock that is a day ahead, right, or a day behind, and never for long."""
        offsets = itertools.cycle(["-86400", "+86400", "+0"])
        self.clock.write_text("+0")
        with beside(lambda: self.clock.write_text(next(offsets)), 0.05):
            yield

    def round(self, number: int) -> tuple[Scenario, bool, str]:
        """One round; returned are what was killed, whether it was still at work, and what differs afterwards."""
        chance = random.Random(f"{self.seed}:{number}")  # noqa: S311 - no secret
        scenario = chance.choices(self.scenarios, [each.weight for each in self.scenarios])[0]
        at, alone, jumps = chance.uniform(0.02, 0.7), chance.random() < 0.5, chance.random() < 0.3
        before = whole_host(self.host)
        if scenario.name not in self.took:
            self.took[scenario.name] = self._measured(scenario)
        for script in scenario.before:
            self._sh(script)
        there = set(self.host.processes())
        with self._jumping():
            within = at * self.took[scenario.name]
            killed = self._rscvm(scenario.command, within=within, alone=alone, jumps=jumps) in KILLED
        if killed and not alone:
            self._kill_started(there)
        words = f"killed {'' if alone else 'with all its processes '}after {within:.3f} s"
        try:
            self._finish(scenario)
            wait_for(lambda: whole_host(self.host) == before, time.monotonic() + 30, "the host as it was")
        except TimeoutError:
            return scenario, killed, f"{words}: {difference(before, whole_host(self.host))}"
        except (AssertionError, RuntimeError) as error:
            return scenario, killed, f"{words}: {error}"
        return scenario, killed, ""

    def _measured(self, scenario: Scenario) -> float:
        """How long the command takes when nobody kills it."""
        for script in scenario.before:
            self._sh(script)
        began = time.monotonic()
        self._good(*scenario.command)
        took = time.monotonic() - began
        self._finish(scenario)
        return took

    def _finish(self, scenario: Scenario) -> None:
        for command in scenario.after:
            if command == RESTART:
                wait_for(self._runs_again(command), time.monotonic() + 120, "broken's driver")
            self._good(*command)

    def _runs_again(self, command: Command) -> Callable[[], bool]:
        """What a user does after a kill between shutdown and start, which could tell nobody: start it, and wait."""

        def runs_again() -> bool:
            self.host.run(["virsh", "-q", "start", "broken"])
            return self._rscvm(command) not in (BOOTING, OFF)

        return runs_again

    def _kill_started(self, there: set[int]) -> None:
        """End what the command started, its host's own undo too; but no machine and no daemon."""
        for pid, argv in self.host.processes().items():
            daemons = ("qemu", "libvirtd", "virtlogd", "swtpm")
            if pid not in there and not any(word in argv[0] for word in daemons):
                with suppress(RuntimeError):
                    self.host.output(["kill", "-9", str(pid)])

    def run(self, rounds: Sequence[int] | Iterator[int], until: float, say: Callable[[str], None]) -> Outcome:
        """Rounds until the time is up; a leak ends it, since the host is no longer as it was."""
        outcome = Outcome()
        for number in rounds:
            if time.monotonic() > until:
                break
            scenario, killed, leak = self.round(number)
            outcome.rounds += 1
            outcome.kills += killed
            outcome.by_scenario[scenario.name] = outcome.by_scenario.get(scenario.name, 0) + killed
            if leak:
                outcome.leaks.append(f"round {number} of seed {self.seed}, {scenario.name}, {leak}")
                say(outcome.leaks[-1])
                break
        return outcome


def soak(
    seconds: float, seed: int, say: Callable[[str], None], rounds: Iterator[int] | Sequence[int]
) -> Outcome:
    """Run on a host of its own; the furnishing is not counted."""
    with TemporaryDirectory() as folder, Hypervisor() as host:
        host.start_libvirtd()
        there = Soak(host, Path(folder), seed)
        return there.run(rounds, time.monotonic() + seconds, say)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 16))  # noqa: S311 - no secret
    parser.add_argument("--round", type=int, help="this round alone")
    asked = parser.parse_args()
    _say(f"seed {asked.seed}")
    rounds: Sequence[int] = range(1 << 30) if asked.round is None else [asked.round]
    outcome = soak(asked.seconds, asked.seed, _say, rounds)
    rows: Mapping[str, int] = outcome.by_scenario
    _say("\n".join(f"{kills:5} {name}" for name, kills in sorted(rows.items())))
    _say(f"seed {asked.seed}: {outcome.rounds} rounds, {outcome.kills} kills, {len(outcome.leaks)} leaks")
    sys.exit(bool(outcome.leaks))


if __name__ == "__main__":
    main()
