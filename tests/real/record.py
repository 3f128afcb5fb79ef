"""Records what a real host answers to `up`, `status`, `down` and `apply`, for `tests/recorded_host.py`.

`python -m tests.real.record` writes tests/fixtures/recorded-host anew; it needs root and `make guest`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from provision.edges.wiring import RealEdges
from provision.host.apply.session import HostSession
from provision.host.plan.steps import Plan
from provision.runtime.command import Result, Run
from provision.runtime.deadline import Deadline
from provision.runtime.errors import HostError, RefusedError
from provision.runtime.places import ANYBODY, Listener, Target
from provision.runtime.protocols import Domain, Monitor, SocketMonitor
from provision.verbs.apply import set_up
from provision.verbs.doctor import examine
from provision.verbs.down import take_down
from provision.verbs.status import host_status
from provision.verbs.up import bring_up
from tests.real.demo_guest import GUEST
from tests.real.hypervisor import Hypervisor
from tests.recorded_answers import LAB, NIC_LAB, RECORDED, asked

FURNISH = """
mount -t tmpfs tmpfs /srv
cp "$1"/vmlinuz "$1"/initrd.gz /srv
qemu-img create -q -f qcow2 /srv/base.qcow2 16M
ip link add eth0 type veth peer name peer0
"""
LINKS, FEATURES, ETH0, QUEUEING = (
    json.dumps(argv.split())
    for argv in (
        "ip -json -details -stats address show", "ethtool --json -k *", "ethtool --json -k eth0", "tc -json qdisc show"
    )
)  # fmt: skip

KEPT = (
    ("empty", "links-empty", LINKS),
    ("up", "links-up", LINKS),
    ("up", "features-up", FEATURES),
    ("set", "eth0-set", ETH0),
)
"""Documents in files of their own: of which stage, and what was asked."""


class Recorder(RealEdges):
    """Real edges that keep what was asked, and the last answer to it of each stage."""

    def __init__(self) -> None:
        super().__init__({"local": Target("local")})
        self.stages: dict[str, dict[str, Any]] = {}
        self.told: dict[str, Any] = {}
        self.domains: dict[str, str] = {}
        self.stage = ""

    def host(self, name: str) -> Any:
        runner = super().host(name)
        return _Runner(runner, self.stages.setdefault(self.stage, {}))

    def libvirt(self, host: str) -> Any:
        return _Libvirt(super().libvirt(host), self)

    @contextmanager
    def monitor(self, host: str, socket: str, listener: Listener = ANYBODY) -> Iterator[SocketMonitor]:  # type: ignore[override]
        with super().monitor(host, socket, listener) as found:
            yield _Monitor(found, self.told)


class _Runner:
    def __init__(self, runner: Any, answers: dict[str, Any]) -> None:
        self._runner, self._answers, self.name, self.hold = runner, answers, runner.name, runner.hold

    def run(self, argv: Sequence[str], **more: Any) -> Result:
        return self._kept(self._runner.run(argv, **more))

    def run_all(self, runs: Sequence[Run], **more: Any) -> list[Result]:
        return [self._kept(result) for result in self._runner.run_all(runs, **more)]

    def _kept(self, result: Result) -> Result:
        self._answers[json.dumps(asked(result.argv))] = [result.status, result.out, result.err]
        return result


class _Monitor:
    def __init__(self, monitor: Monitor, told: dict[str, Any]) -> None:
        self._monitor, self._told = monitor, told
        self.peer: int | None = None

    def ahead(self, questions: object) -> None:
        pass

    def execute(self, command: str, arguments: Mapping[str, object] | None = None) -> object:
        key = json.dumps([command, arguments or {}])
        try:
            self._told[key] = self._monitor.execute(command, arguments)
        except RefusedError as error:
            self._told[key] = {"refused": str(error), "kind": error.kind}
            raise
        return self._told[key]


class _Libvirt:
    def __init__(self, libvirt: Any, edges: Recorder) -> None:
        self._libvirt, self._edges = libvirt, edges

    def __getattr__(self, name: str) -> Any:
        return getattr(self._libvirt, name)

    def domain(self, name: str) -> Domain | None:
        found: Domain | None = self._libvirt.domain(name)
        if found is not None:
            self._edges.domains[f"{name}-{found.state}"] = found.live_xml
            self._edges.domains[f"{name}-defined"] = found.persistent_xml
        return found

    def start(self, name: str, *, paused: bool = False) -> None:
        self.domain(name)
        self._libvirt.start(name, paused=paused)

    def emulator(self, kind: str, machine: str) -> str:
        found: str = self._libvirt.emulator(kind, machine)
        self._edges.stages[self._edges.stage][json.dumps(["libvirt", "emulator"])] = [0, found, ""]
        return found

    def version(self) -> str:
        found: str = self._libvirt.version()
        self._edges.stages[self._edges.stage][json.dumps(["libvirt", "version"])] = [0, found, ""]
        return found

    def monitor(self, name: str) -> Monitor:
        return _Monitor(self._libvirt.monitor(name), self._edges.told)


def record() -> None:
    """On that host: one round from empty to empty, and what it said."""
    names = [*LAB.machines]
    edges = Recorder()
    with edges:
        session = HostSession(edges, LAB, "local", "a record")
        nic = HostSession(edges, NIC_LAB, "local", "a record")
        edges.stage = "empty"
        host_status(session, names)
        examine(edges, None, "local", ())
        edges.stage = "making"
        plan, verdicts = bring_up(session, names, print, Deadline(180))
        assert [verdict.verdict for verdict in verdicts] == ["ready", "ready"], verdicts
        edges.stage = "up"
        assert [(row.steps, row.drift) for row in host_status(session, names).machines] == [((), ())] * 2
        nvram = sorted(map(str, Path("/var/lib/libvirt/qemu/nvram").iterdir()))
        refused = _refused(edges, plan)
        edges.stage = "removing"
        take_down(session, None, print)
        assert not [*Path("/var/lib/libvirt/qemu/nvram").iterdir()]
        refused["monitor"] = _said(lambda: edges.monitor("local", "/var/lib/rscvm/lab/vm.qmp").__enter__())
        edges.stage = "setting"
        set_up(nic, print)
        edges.stage = "set"
        set_up(nic, print)
        edges.stage = "putting back"
        take_down(nic, None, print)
    _write(edges, {"nvram": nvram, "refused": refused})


def _said(again: Callable[[], object]) -> str:
    try:
        again()
    except HostError as error:
        return str(error)
    raise AssertionError("it was not refused")


def _refused(edges: Recorder, plan: Plan) -> dict[str, Any]:
    """What each command says that cannot be done, because it has been done already."""
    runs = [action for step in plan.steps for action in step.do if isinstance(action, Run)]
    words = ("bridge", "tuntap", "-daemonize")
    found: dict[str, Any] = {
        word: edges.host("local").run(next(run.argv for run in runs if word in run.argv)).err
        for word in words
    }
    return {**found, "start": _said(lambda: edges.libvirt("local").start("dom"))}


def _write(edges: Recorder, more: Mapping[str, Any]) -> None:
    """Each answer once: as the empty host gave it, and what is another one with the machines there."""
    stages = {name: edges.stages[name] for name in ("empty", "up", "setting", "set")}
    stages["setting"][QUEUEING] = edges.stages["making"][QUEUEING]
    for stage, what, key in KEPT:
        text = json.dumps(json.loads(stages[stage][key][1]), separators=(",", ":"))
        (RECORDED / f"{what}.json").write_text(text + "\n")
    told = {key: answer for answers in stages.values() for key, answer in answers.items()} | stages["empty"]
    answers = {key: answer for key, answer in told.items() if key not in (LINKS, FEATURES, ETH0)}
    _json("answers.json", {key: answer for key, answer in answers.items() if not _changes(json.loads(key))})
    _json(
        "up.json", {key: answer for key, answer in stages["up"].items() if answers.get(key, answer) != answer}
    )
    _json("monitor.json", edges.told)
    _json("more.json", more)
    for name in ("dom-defined", "dom-running"):
        (RECORDED / f"{name}.xml").write_text(edges.domains[name])


def _changes(words: Sequence[str]) -> bool:
    """Whether a command changes the host, which the one in memory does by itself."""
    told = ("arm", "disarm", "replace", "keep", "overlay", "copy", "forget", "start")
    return words[0] in told or words[1:2] in (["-K"], ["link"], ["tuntap"])


def _json(name: str, document: object) -> None:
    (RECORDED / name).write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    if sys.argv[1:] == ["--there"]:
        record()
    else:
        RECORDED.mkdir(exist_ok=True)
        with Hypervisor() as there:
            there.start_libvirtd()
            there.output(["sh", "-ec", FURNISH, "sh", str(GUEST)])
            done = there.run([sys.executable, "-m", "tests.real.record", "--there"], timeout=400)
            sys.stdout.write((done.stdout + done.stderr).decode())
