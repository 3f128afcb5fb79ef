"""A host in memory: answers as a real one did, and changes by what it is told as that one did."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

from provision.host.apply.session import HostSession
from provision.lab.spec import Lab
from provision.runtime.command import Result, Run
from provision.runtime.errors import HostError, RefusedError
from provision.runtime.guest_channel import Channel, GuestWay
from provision.runtime.interrupt import _arrived, forget
from provision.runtime.places import ANYBODY, Listener
from provision.runtime.protocols import Domain, Monitor, SocketMonitor
from provision.verbs.up import bring_up
from tests.builders import FIXTURES, FakeLibvirt
from tests.processes import proc_text
from tests.recorded_answers import LAB, OVERLAYS, PATHS, THEIR_FILES, asked, is_tolerated, recorded, rows

MADE = rows("links-up.json")
MORE = recorded("more.json")
[NVRAM] = MORE["nvram"]
FRESH = {"ifalias": "", "addr_info": [], "flags": []}
"""What a device that has just been made has not."""
NO_DRIVER = json.loads((FIXTURES / "qemu-7.2.22" / "virtio-status-no-driver.json").read_text())
[IDLE_TAP] = json.loads((FIXTURES / "ethtool-6.1" / "tap-no-driver.json").read_text())

Answer = tuple[int, str, str]
"""Status, stdout and stderr."""


@dataclass
class RecordedHost:
    """Stands for the host that was recorded.

    `fails_at` and `interrupted_at` are a word of the command where that happens; `ignores` is a feature that it does
    not set; without `driver` its guests have none.
    """

    name: str = "local"
    fails_at: str = ""
    interrupted_at: str = ""
    ignores: str = ""
    driver: bool = True
    answers: dict[str, Any] = field(default_factory=lambda: recorded("answers.json"))
    links: dict[str, Any] = field(default_factory=lambda: rows("links-empty.json"))
    features: dict[str, Any] = field(default_factory=lambda: rows("features-up.json"))
    files: dict[str, str] = field(default_factory=lambda: dict.fromkeys(THEIR_FILES, ""))
    hidden: frozenset[str] = frozenset()
    """Files in directories that whoever asks may not search; they are not among its files then."""
    qemus: dict[str, tuple[str, ...]] = field(default_factory=dict)
    said: list[tuple[str, ...]] = field(default_factory=list)
    """Everything that it was asked or told, and when its lock was let go."""
    did: list[tuple[str, ...]] = field(default_factory=list)
    """What changed it."""
    lock: Answer = (0, "", "")

    def __post_init__(self) -> None:
        if not self.driver:
            self.features |= {tap: {**IDLE_TAP, "ifname": tap} for tap in ("tap0", "tap1")}

    def run(self, argv: Sequence[str], *, stdin: str = "", timeout: float = 60) -> Result:  # noqa: ARG002
        words = asked(argv)
        self.said.append(words)
        if self.interrupted_at and self.interrupted_at in words:
            _arrived(signal.SIGINT, None)  # as the handler does while a step is under way
        if self.fails_at and self.fails_at in words:
            status = int(not is_tolerated(argv))
            return Result(
                self.name, tuple(argv), status, "", MORE["refused"].get(self.fails_at, "no such luck")
            )
        if answer := self._write(words, stdin):
            self.did.append(words)
        return Result(
            self.name, tuple(argv), *(answer or self._read(words) or self.answers[json.dumps(words)])
        )

    def run_all(
        self, runs: Sequence[Run], *, timeout: float = 60, until_failure: bool = False
    ) -> list[Result]:
        results: list[Result] = []
        for run in runs:
            results.append(self.run(run.argv, stdin=run.stdin, timeout=timeout))
            if until_failure and not results[-1].ok:
                break
        return results

    @contextmanager
    def hold(self, argv: Sequence[str]) -> Iterator[Result]:
        self.said.append(asked(argv))
        yield Result(self.name, tuple(argv), *self.lock)
        self.said.append(("let go",))

    @property
    def whole_reads(self) -> int:
        """How often it was read whole: for a plan, and nothing less asks which programs it has."""
        return sum(words[0] == "found" for words in self.said)

    def _read(self, words: tuple[str, ...]) -> Answer | None:
        match words:
            case ("ip", "-json", *_):
                out = json.dumps([*self.links.values()])
            case ("ethtool", "--json", "-k", device):
                names = self.links if device == "*" else (device,)
                out = json.dumps([self.features[name] for name in names])
            case ("journal" | "cat", path) if path in self.files:
                out = self.files[path]
            case ("stat", _, _, _, _, *paths):
                out = "".join(f"81a4 {path}\0" for path in paths if path in self.files)
            case ("hidden", *paths):
                out = "".join(f"{path}\0" for path in paths if path in self.hidden)
            case ("qemu-img", *_, path) if path in OVERLAYS and path in self.files:
                out = recorded("up.json")[json.dumps(words)][1]
            case ("processes", "-xF", *pidfiles):
                named = (argv for pidfile, argv in self.qemus.items() if pidfile in pidfiles)
                out = proc_text({7 + i: argv for i, argv in enumerate(named)})
            case ("qemus", _):
                out = self._processes()
            case _:
                return None
        return 0, out, ""

    def _processes(self) -> str:
        """Both machines' QEMUs, as far as they run, with their TAPs."""
        argvs = dict(enumerate(self.qemus.values(), 7))
        taps = dict.fromkeys(argvs, "tap0")
        if "tap1" in self.links:
            argvs[99], taps[99] = ("qemu-system-x86_64", "-name", "guest=dom,debug-threads=on"), "tap1"
        return proc_text(argvs, taps=taps, files={"/run/libvirt/qemu/dom.pid": "99"})

    def _write(self, words: tuple[str, ...], stdin: str) -> Answer | None:
        match words:
            case ("ethtool", "-K", device, *pairs):
                self._set(device, dict(zip(pairs[::2], pairs[1::2], strict=True)))
            case ("replace" | "keep" | "arm" | "write", path, *_) | ("overlay" | "copy", *_, path):
                self.files[path] = stdin
            case ("rm", "-f", "--", *paths) | ("forget" | "marked" | "disarm" | "unused", *paths):
                self.files = {path: text for path, text in self.files.items() if path not in paths}
            case ("start", pidfile, *argv):
                self.qemus[pidfile] = tuple(argv)
            case ("stop", pidfile, "-pidfile", _):
                self.qemus.pop(pidfile, None)
            case ("make", name, made, mark, _, *argv):
                self._device(tuple(name if word == made else word for word in argv))
                self.links[name]["ifalias"] = mark
            case ("unmake", name, _, mark):
                if self.links.get(name, {}).get("ifalias") == mark:
                    del self.links[name]
            case ("ip", *_) if "show" not in words:
                self._device(words)
            case _:
                return None
        return 0, "", ""

    def _device(self, words: tuple[str, ...]) -> None:
        match words:
            case ("ip", "tuntap", "add", "dev", name, *_) | ("ip", "link", "add", "name", name, *_):
                self.links[name] = {
                    key: value for key, value in MADE[name].items() if key != "master"
                } | FRESH
            case ("ip", "link", "del", "dev", name):
                del self.links[name]
            case ("ip", "link", "set", "dev", name, "up"):
                self.links[name]["flags"] = MADE[name]["flags"]
                self._address(name, "link")
            case ("ip", "link", "set", "dev", name, key, value):
                self.links[name]["ifalias" if key == "alias" else key] = value
            case ("ip", "address", "add", _, "dev", name):
                self._address(name, "global")

    def _address(self, name: str, scope: str) -> None:
        """Its own address, which the kernel gives it when it goes up, or the one that it is given."""
        given = [row for row in MADE[name]["addr_info"] if row["scope"] == scope]
        self.links[name]["addr_info"] = [*self.links[name]["addr_info"], *given]

    def _set(self, device: str, wanted: Mapping[str, str]) -> None:
        """As it is asked, and where the driver agrees also as it is."""
        for name, word in wanted.items():
            asked_for = {"requested": word == "on"}
            took = {} if name == self.ignores else {"active": word == "on"}
            row = self.features[device]
            self.features[device] = {**row, name: {**row[name], **asked_for, **took}}


@dataclass
class RecordedLibvirt(FakeLibvirt):
    """Stands for its libvirt, which makes a TAP and firmware variables for the domain that it starts."""

    there: RecordedHost = field(default_factory=RecordedHost)
    found: dict[str, Domain] = field(default_factory=dict)
    fails: bool = False

    def domain(self, name: str) -> Domain | None:
        return self.found.get(name)

    def define(self, xml: str) -> None:
        super().define(xml)
        made = recorded("dom-defined.xml")
        old = self.found.get("dom", Domain("dom", "off", made, made))
        self.found["dom"] = replace(old, persistent_xml=made)

    def undefine(self, name: str) -> None:
        super().undefine(name)
        self.there.files.pop(NVRAM, None)
        del self.found[name]

    def start(self, name: str, *, paused: bool = False) -> None:
        super().start(name, paused=paused)
        if self.fails:
            raise HostError(MORE["refused"]["start"])
        self.there.files[NVRAM] = ""
        self.there.links["tap1"] = {**MADE["tap1"]}
        self.found[name] = replace(self.found[name], state="running", live_xml=recorded("dom-running.xml"))

    def destroy(self, name: str) -> None:
        super().destroy(name)
        del self.there.links["tap1"]
        old = self.found[name]
        self.found[name] = replace(old, state="off", live_xml=old.persistent_xml)

    def monitor(self, name: str) -> Monitor:  # noqa: ARG002
        return RecordedMonitor(self.there)


@dataclass
class RecordedMonitor:
    """Stands for either machine's QEMU."""

    there: RecordedHost
    answers: Mapping[str, Any] = field(default_factory=lambda: recorded("monitor.json"))
    peer: int | None = None

    def ahead(self, questions: object) -> None:
        pass

    def execute(self, command: str, arguments: Mapping[str, object] | None = None) -> object:
        if command == "x-query-virtio-status" and not self.there.driver:
            return NO_DRIVER
        if command == "query-pci":
            return []  # not asked when it was recorded
        answer = self.answers[json.dumps([command, dict(arguments or {})])]
        if isinstance(answer, dict) and "refused" in answer:
            raise RefusedError(answer["refused"], answer["kind"])
        return answer


class RecordedEdges:
    """Every way out to it."""

    def __init__(self, **settings: Any) -> None:
        self.runner = RecordedHost(**settings)
        self.daemon = RecordedLibvirt(there=self.runner)

    def host(self, name: str) -> RecordedHost:  # noqa: ARG002
        return self.runner

    def libvirt(self, host: str) -> RecordedLibvirt:  # noqa: ARG002
        return self.daemon

    def guest(self, host: str, way: GuestWay) -> AbstractContextManager[Channel]:
        raise HostError(f"{way} of {host} leads nowhere")

    def monitor(
        self,
        host: str,  # noqa: ARG002
        socket: str,  # noqa: ARG002
        listener: Listener = ANYBODY,  # noqa: ARG002
    ) -> AbstractContextManager[SocketMonitor]:
        if PATHS.pidfile("vm") not in self.runner.qemus:
            raise HostError(MORE["refused"]["monitor"])
        return nullcontext(RecordedMonitor(self.runner))


def session_on(edges: RecordedEdges, lab: Lab = LAB) -> HostSession:
    """The lab on it."""
    return HostSession(edges, lab, "local", "a test")


def brought_up(**settings: Any) -> RecordedEdges:
    """It with both machines up, and what changed it forgotten."""
    edges = RecordedEdges(**settings)
    bring_up(session_on(edges), [*LAB.machines], lambda _: None)
    forget()  # what comes is another command
    edges.runner.said, edges.runner.did, edges.daemon.said = [], [], []
    return edges
