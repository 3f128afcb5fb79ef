"""The playbooks audit.yml and host.yml in one run on 5, 20 and 50 hosts, against plain tasks of `command: ethtool`."""

from __future__ import annotations

import json
import re
import shutil
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench.compare import Figure, rounds, seconds
from bench.hosts import NICS, WANTED, fleet_of
from bench.remote import BIN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from bench.hosts import Fleet
    from tests.real.hypervisor import Hypervisor

SIZES = {5: 3, 20: 2, 50: 1}
"""How many hosts, and how often each side runs on them."""
GOAL = 1 / 3
_BENCH = Path(__file__).parent
_PLAYBOOKS = _BENCH.parent / "playbooks"
_PEER = str(_BENCH / "peers" / "fleet_play.yaml")
_LONGEST = 3600.0
_PATIENCE = "60"
"""Seconds for a connection, for which Ansible waits 10: here the hosts share the client's cores."""
_PAUSE = 0.2
"""Seconds between two looks at memory."""
_NIC = ("-netdev", "tap,id=n,script=no,downscript=no", "-device", "virtio-net-pci,netdev=n")
_QEMU = (
    *("qemu-system-x86_64", "-machine", "q35", "-m", "16", "-S", "-display", "none", "-vga", "none", *_NIC),
    *("-qmp", "unix:/run/monitor,server=on,wait=off", "-daemonize"),
)
"""Of one NIC, paused before its first instruction."""
_PSS = re.compile(r"^Pss:\s+(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Side:
    """What one side took on so many hosts."""

    seconds: tuple[float, ...]
    mib: float
    """The most memory that it held at any look."""


@dataclass(frozen=True, slots=True)
class OnFleet:
    """So many hosts."""

    hosts: int
    ours: Side
    peer: Side
    figures: tuple[Figure, ...]


def _inventory(names: Sequence[str]) -> str:
    """Both sides' variables; `nics` is what a lab file has."""
    about = {
        "nics": {nic: {"features": WANTED} for nic in NICS},
        "settings": [{"nic": nic, "name": name, "on": on} for nic in NICS for name, on in WANTED.items()],
        "ansible_user": "root",
        "ansible_python_interpreter": "/usr/bin/python3",
    }
    return json.dumps({"all": {"hosts": dict.fromkeys(names), "vars": about}})


@dataclass(slots=True)
class _Memory:
    """The most that all processes of a host hold together."""

    host: Hypervisor
    kib: int = 0
    _ended: threading.Event = field(default_factory=threading.Event)

    def _look(self) -> int:
        """KiB; of a page that several hold each has its share, so it counts once."""
        found = 0
        for process in self.host.path("/proc").glob("[1-9]*"):
            with suppress(OSError):  # it may have ended
                said = _PSS.search((process / "smaps_rollup").read_text())
                found += int(said[1]) if said else 0
        return found

    def _watch(self) -> None:
        while not self._ended.wait(_PAUSE):
            self.kib = max(self.kib, self._look())

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look again and again while the block runs."""
        watcher = threading.Thread(target=self._watch)
        watcher.start()
        try:
            yield
        finally:
            self._ended.set()
            watcher.join()


def _peak(client: Hypervisor, run: Callable[[], object]) -> float:
    """MiB that a run holds at most."""
    memory = _Memory(client)
    with memory.watched():
        run()
    return memory.kib / 1024


@dataclass(frozen=True, slots=True)
class _Bench:
    """Both sides' runs on a fleet, whose inventory is written."""

    fleet: Fleet
    at: Path

    def _playbook(self, *arguments: str, pipelining: bool = True) -> float:
        """Seconds of a run that made all settings, which were all the other way round before."""
        self.fleet.reset()
        shutil.rmtree(self._report, ignore_errors=True)
        env = {
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_PIPELINING": str(int(pipelining)),
            "ANSIBLE_FORKS": str(len(self.fleet.sites)),
            "ANSIBLE_TIMEOUT": _PATIENCE,
        }
        argv = [str(BIN / "ansible-playbook"), "-i", str(self.at / "inventory.yaml"), *arguments]
        took = seconds(lambda: self._run(argv, env))
        self.fleet.check()
        return took

    def _run(self, argv: Sequence[str], env: Mapping[str, str]) -> None:
        done = self.fleet.client.run(argv, env=env, timeout=_LONGEST)
        if done.returncode:
            raise RuntimeError((done.stdout + done.stderr).decode())

    @property
    def _report(self) -> Path:
        return self.at / "report"

    def ours(self, qemus: int = 0) -> float:
        """Both playbooks, one after the other."""
        both = [str(_PLAYBOOKS / name) for name in ("audit.yml", "host.yml")]
        took = self._playbook(*both, "-e", f"report={self._report}")
        self._audited(qemus)
        return took

    def _audited(self, qemus: int) -> None:
        """Every host has been asked: one that could not be is only told of in the report.

        :raise RuntimeError: when one has not, or a QEMU was not found.
        """
        found = json.loads((self._report / "report.json").read_text())
        asked = {path.parent.name for path in (self._report / "evidence").rglob("index.json")}
        if found["errors"] or asked != self.fleet.sites.keys() or found["checked"] != qemus:
            raise RuntimeError(f"{found['checked']} NICs of {qemus} were judged: {found['errors']}")

    def peer(self) -> float:
        """The same by plain tasks."""
        return self._playbook(_PEER)

    def least(self) -> float:
        """Plain tasks that read no device but those that they set."""
        return self._playbook(_PEER, "--skip-tags", "devices")

    def unpiped(self) -> float:
        """Plain tasks as Ansible runs them by default: each module is copied to the host first."""
        return self._playbook(_PEER, pipelining=False)


_PEERS: Mapping[str, Callable[[_Bench], float]] = {
    "plain tasks, pipelining": _Bench.peer,
    "the same, but no device is read that is not set": _Bench.least,
    "plain tasks without pipelining, Ansible's default": _Bench.unpiped,
}


def _title(count: int) -> str:
    return f"`audit.yml` and `host.yml`, {count} hosts"


def _against_peers(bench: _Bench, times: int) -> tuple[Figure, ...]:
    """A goal is held against the first."""
    count = len(bench.fleet.sites)
    peers = list(_PEERS)[: None if count == min(SIZES) else -1]
    ours, *theirs = rounds(times, bench.ours, *(partial(_PEERS[name], bench) for name in peers))
    return tuple(
        Figure(_title(count), name, took, ours, GOAL if name == peers[0] else None)
        for name, took in zip(peers, theirs, strict=True)
    )


def _with_qemus(bench: _Bench, times: int) -> Figure:
    """The same again, once there is something to judge on every host."""
    count = len(bench.fleet.sites)
    for site in bench.fleet.sites.values():
        site.remote.output(_QEMU)
    ours, peer = rounds(times, partial(bench.ours, count), bench.peer)
    return Figure(f"{_title(count)}, a paused QEMU on each", next(iter(_PEERS)), peer, ours)


def measure_fleet(directory: Path, count: int, times: int) -> OnFleet:
    """Measure so many hosts; each round has everybody once, and memory is watched in one that does not count."""
    at = directory / f"fleet-{count}"
    at.mkdir()
    with fleet_of(count, at) as fleet:
        (at / "inventory.yaml").write_text(_inventory(list(fleet.sites)))
        bench = _Bench(fleet, at)
        ours, peer = (_peak(fleet.client, side) for side in (bench.ours, bench.peer))
        figures = _against_peers(bench, times)
        more = (_with_qemus(bench, times),) if count == min(SIZES) else ()
    return OnFleet(count, Side(figures[0].ours, ours), Side(figures[0].peer, peer), (*figures, *more))
