"""Six settings with read-back, on 1 host and on 10: rscvm against one `ssh` a host, pyinfra and Ansible."""

from __future__ import annotations

import json
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.compare import Figure, in_turn, seconds
from bench.hosts import NICS, WANTED, commands, fleet_of, lab

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.hosts import Fleet

SIZES = (1, 10)
FLOOR_GOAL, ANSIBLE_GOAL = 1.5, 1 / 8
BIN = Path(__file__).parent.parent / "build" / "bench-venv" / "bin"
_PEERS = Path(__file__).parent / "peers"
_READ = " && ".join(f"ethtool --json -k {nic}" for nic in NICS)
_FLOOR = """
options=$1 script=$2; shift 2
for host; do ssh $options -n "$host" "$script" & started="$started $!"; done
for one in $started; do wait "$one" || exit; done
"""
OUR_EXCHANGE = "-o KexAlgorithms=curve25519-sha256"
"""The key exchange that paramiko takes with OpenSSH 9.2."""
_RUN = "from provision.cli import main; sys.exit(main())"
_NOTED = (
    "import atexit, json, sys; path = sys.argv.pop(1); atexit.register(lambda: json.dump([name for name, module in "
    "sys.modules.copy().items() if name != '__main__' and getattr(getattr(module, '__spec__', None), 'name', '') == name], open(path, 'w'))); "
)
_IMPORT = (
    "import json, sys; from importlib import import_module; "
    "[import_module(name) for name in json.load(open(sys.argv[1]))]"
)
_BEYOND = (
    f"{_IMPORT}; from time import perf_counter; from provision.cli import run; begun = perf_counter(); "
    "status = run(sys.argv[2:]); print(perf_counter() - begun); sys.exit(status)"
)


@dataclass(frozen=True, slots=True)
class Remote:
    """So many hosts."""

    hosts: int
    figures: tuple[Figure, ...]
    startup: tuple[float, ...]
    """Seconds of the interpreter's start and every import that `apply` makes."""
    phases: Mapping[str, float]
    """Milliseconds, medians; of one host only."""


def _inventory(fleet: Fleet) -> str:
    settings = [{"nic": nic, "name": name, "on": on} for nic in NICS for name, on in WANTED.items()]
    about = {"nics": NICS, "settings": settings, "ansible_python_interpreter": "/usr/bin/python3"}
    return json.dumps({"all": {"hosts": dict.fromkeys(fleet.sites), "vars": about}})


@dataclass(frozen=True, slots=True)
class _Bench:
    """Everybody's files for a fleet, and everybody's run."""

    fleet: Fleet
    at: Path

    def prepare(self) -> None:
        """Write the files, and note what `apply` imports."""
        (self.at / "lab.yaml").write_text(lab(self.fleet))
        (self.at / "inventory.yaml").write_text(_inventory(self.fleet))
        nics = dict.fromkeys(NICS, WANTED)
        (self.at / "inventory.py").write_text(f"hosts = ({list(self.fleet.sites)!r}, {{'nics': {nics!r}}})\n")
        self._setting(sys.executable, "-c", _NOTED + _RUN, self._modules, "apply", str(self.at / "lab.yaml"))

    @property
    def _modules(self) -> str:
        return str(self.at / "modules.json")

    def _setting(self, *argv: str, env: Mapping[str, str] | None = None) -> float:
        """Seconds of a run that made all settings, which were all the other way round before."""
        self.fleet.reset()
        took = seconds(lambda: self.fleet.client.output(argv, env=env))
        self.fleet.check()
        return took

    def floor(self, options: str = "") -> float:
        """One `ssh` a host, side by side."""
        script = f"{commands(wanted=True)} && {_READ}"
        return self._setting("sh", "-c", _FLOOR, "sh", options, script, *self.fleet.sites)

    def pyinfra(self) -> float:
        """A deploy; all hosts at once, which is its default."""
        return self._setting(
            str(BIN / "pyinfra"), "-y", str(self.at / "inventory.py"), str(_PEERS / "pyinfra_deploy.py")
        )

    def ansible(self) -> float:
        """A play over SSH with pipelining, all hosts at once."""
        env = {"ANSIBLE_PIPELINING": "1", "ANSIBLE_FORKS": str(len(self.fleet.sites))}
        argv = ("-i", str(self.at / "inventory.yaml"), str(_PEERS / "play.yaml"))
        return self._setting(str(BIN / "ansible-playbook"), *argv, env=env)

    def ours(self) -> float:
        """`rscvm apply`."""
        return self._setting(sys.executable, "-m", "provision", "apply", str(self.at / "lab.yaml"))

    def beyond(self) -> float:
        """The same in a process that has imported all before, by its own clock."""
        self.fleet.reset()
        argv = [sys.executable, "-c", _BEYOND, self._modules, "apply", str(self.at / "lab.yaml")]
        took = float(self.fleet.client.output(argv).splitlines()[-1])
        self.fleet.check()
        return took

    def startup(self) -> float:
        """A program that imports what `apply` does, and ends."""
        return seconds(lambda: self.fleet.client.output([sys.executable, "-c", _IMPORT, self._modules]))

    def phases(self) -> dict[str, float]:
        """Milliseconds of one `apply`, in process."""
        self.fleet.reset()
        child = [sys.executable, "-m", "bench.reach", str(self.at / "lab.yaml")]
        found: dict[str, float] = json.loads(self.fleet.client.output(child).splitlines()[-1])
        self.fleet.check()
        return found


def _figures(count: int, rounds: Sequence[tuple[float, ...]]) -> tuple[Figure, ...]:
    floor, like, beyond, pyinfra, ours, ansible = rounds
    title = f"`rscvm apply`, 6 settings, {count} host{'s'[: count > 1]}"
    many = count > 1
    ssh, same = "one `ssh` a host that sets and reads, side by side", "the same by curve25519, as rscvm's"
    return (
        Figure(f"{title}, beyond imports", ssh, floor, beyond, FLOOR_GOAL),
        Figure(f"{title}, beyond imports", same, like, beyond, None if many else FLOOR_GOAL),
        Figure(title, ssh, floor, ours),
        Figure(title, "pyinfra", pyinfra, ours),
        Figure(title, "Ansible, pipelining, forks = hosts", ansible, ours, ANSIBLE_GOAL if many else None),
        Figure(f"OpenSSH alone, {count} host{'s'[:many]}: {ssh}", "pyinfra", pyinfra, floor),
        Figure(f"OpenSSH alone, {count} host{'s'[:many]}: the same by curve25519", "pyinfra", pyinfra, like),
    )


def measure_remote(directory: Path, count: int, times: int) -> Remote:
    """Measure so many hosts; each round has everybody once."""
    at = directory / f"hosts-{count}"
    at.mkdir()
    with fleet_of(count, at) as fleet:
        bench = _Bench(fleet, at)
        bench.prepare()
        rounds = in_turn(
            times,
            bench.floor,
            lambda: bench.floor(OUR_EXCHANGE),
            bench.beyond,
            bench.pyinfra,
            bench.ours,
            bench.ansible,
        )
        (startup,) = in_turn(times, bench.startup)
        taken = [bench.phases() for _ in range(times)] if count == 1 else []
    phases = {name: statistics.median(one.get(name, 0) for one in taken) for name in (taken or [{}])[0]}
    return Remote(count, _figures(count, rounds), startup, phases)
