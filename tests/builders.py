"""Labs, evidence and hosts for unit tests, built from captured output."""

from __future__ import annotations

import json
import signal
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provision.facts.ethtool_features import Features, parse_features
from provision.facts.virtio import VirtioFacts, parse_virtio_status
from provision.host.read.devices import QUEUEING
from provision.host.read.processes import LISTENING, QEMUS
from provision.lab.load import parse_lab
from provision.runtime.command import UNRECORDED, Result, Run
from provision.runtime.errors import HostError, LostError, RefusedError
from provision.runtime.interrupt import _arrived
from provision.runtime.places import ANYBODY, Listener
from provision.runtime.protocols import Domain, Monitor, Network
from provision.verify.evidence import NicEvidence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from provision.lab.spec import Lab
    from provision.runtime.guest_channel import Channel, GuestWay

FIXTURES = Path(__file__).parent / "fixtures"
ON = {"guest_csum": True, "guest_tso4": True, "guest_tso6": True, "guest_rsc_ext": False}

ONE_VM = """\
version: 1
hosts: {local: {bridges: {br-lab: {address: 10.9.0.1/24}}}}
machines:
  vm:
    backend: BACKEND
    guest: linux
    memory: 256MiB
    accel: tcg
    kernel: {image: /srv/vmlinuz, initrd: /srv/initrd.gz, cmdline: console=ttyS0}
    nics: [{bridge: br-lab, ifname: tap0, mac: "52:54:00:12:34:56"}]
"""


def lab_of(text: str, *, file: str = "lab.yaml", **environment: str) -> Lab:
    return parse_lab(text, file, "/srv/labs", environment)


def one_vm(backend: str = "qemu", **changes: str) -> Lab:
    text = ONE_VM.replace("BACKEND", backend)
    for old, new in changes.items():
        text = text.replace(old, new)
    return lab_of(text)


def features(name: str, ethtool: str = "6.1") -> Features:
    return parse_features((FIXTURES / f"ethtool-{ethtool}" / f"tap-{name}.json").read_text())["tap0"]


def virtio(name: str, qemu: str = "7.2.22") -> VirtioFacts:
    return parse_virtio_status(
        json.loads((FIXTURES / f"qemu-{qemu}" / f"virtio-status-{name}.json").read_text())
    )


def nic(**changes: Any) -> NicEvidence:
    """A NIC with everything as it should be, as the demo guest showed it, but for these changes."""
    fields: dict[str, Any] = {
        "host": "local",
        "machine": "vm",
        "nic": "net0",
        "mac": "52:54:00:12:34:56",
        "tap": "tap0",
        "rsc": "true",
        "purpose": "production",
        "state": "running",
        "kind": "bridge",
        "model": "virtio",
        "properties": ON,
        "virtio": virtio("linux"),
        "features": features("negotiated-by-linux"),
        "shown": "descriptor",
    }
    return NicEvidence(**{**fields, **changes})


@dataclass
class FakeHost:
    """Stands for a host that runs commands: answers by the program and remembers what it was asked.

    `failing` names a word; a command that has it among its words fails.
    """

    name: str = "local"
    failing: str = ""
    said: list[tuple[str, ...]] = field(default_factory=list)
    interrupted_at: str = ""
    lost_at: str = ""

    def run(self, argv: Sequence[str], *, stdin: str = "", timeout: float = 60) -> Result:  # noqa: ARG002
        self.said.append(tuple(argv))
        if self.interrupted_at and self.interrupted_at in argv:
            _arrived(signal.SIGINT, None)  # as the handler does while a step is under way
        if self.lost_at and self.lost_at in argv:
            raise LostError("local is gone", known=())
        if tuple(argv) in (
            QEMUS.run.argv,
            LISTENING.run.argv,
            QUEUEING.run.argv,
        ):  # what QEMUs hold is the subject of other tests
            return Result(self.name, tuple(argv), UNRECORDED, "", "")
        bad = bool(self.failing) and any(word.endswith(self.failing) for word in argv)
        return Result(self.name, tuple(argv), int(bad), "", "no such luck" if bad else "")

    def hold(self, argv: Sequence[str]) -> AbstractContextManager[Result]:
        return nullcontext(self.run(argv))

    def run_all(
        self, runs: Sequence[Run], *, timeout: float = 60, until_failure: bool = False
    ) -> list[Result]:
        results: list[Result] = []
        for run in runs:
            try:
                results.append(self.run(run.argv, stdin=run.stdin, timeout=timeout))
            except LostError as error:
                raise LostError(str(error), known=tuple(results)) from error
            if until_failure and not results[-1].ok:
                break
        return results


@dataclass
class FakeLibvirt:
    """Stands for libvirt: remembers what it was asked to do."""

    said: list[tuple[str, str]] = field(default_factory=list)
    networks: dict[str, Network] = field(default_factory=dict)

    def domain(self, name: str) -> Domain | None:  # noqa: ARG002
        return None

    def domains(self, names: Sequence[str]) -> list[Domain]:  # noqa: ARG002
        return []

    def runs(self) -> Mapping[str, str]:
        return {}

    def emulator(self, kind: str, machine: str) -> str:  # noqa: ARG002
        return "/usr/bin/qemu-system-x86_64"

    def network(self, name: str) -> Network | None:
        return self.networks.get(name)

    def capabilities(self, kind: str, machine: str) -> tuple[str, str]:  # noqa: ARG002
        return "<domainCapabilities/>", "<capabilities/>"

    def version(self) -> str:
        return "9.0.0"

    def define(self, xml: str) -> None:
        self.said.append(("define", xml))

    def undefine(self, name: str) -> None:
        self.said.append(("undefine", name))

    def start(self, name: str, *, paused: bool = False) -> None:
        self.said.append(("start", f"{name} {paused}"))

    def definition(self, name: str) -> str:  # noqa: ARG002
        return ""

    def shutdown(self, name: str) -> None:
        self.said.append(("shutdown", name))

    def autostart(self, name: str, *, on: bool) -> None:
        self.said.append(("autostart", f"{name} {on}"))

    def destroy(self, name: str) -> None:
        self.said.append(("destroy", name))

    def monitor(self, name: str) -> Monitor:
        raise AssertionError(name)


@dataclass
class FakeMonitor:
    """Stands for a QEMU: answers what the test gave it, by command."""

    answers: Mapping[str, Any]
    peer: int | None = None

    def ahead(self, questions: object) -> None:
        pass

    def execute(self, command: str, arguments: Mapping[str, object] | None = None) -> object:
        if command not in self.answers:
            raise RefusedError(f"The command {command} has not been found", "CommandNotFound")
        answer = self.answers[command]
        found: object = answer(dict(arguments or {})) if callable(answer) else answer
        if isinstance(found, Exception):
            raise found
        return found


@dataclass
class FakeEdges:
    runner: FakeHost = field(default_factory=FakeHost)
    daemon: FakeLibvirt = field(default_factory=FakeLibvirt)
    qmp: FakeMonitor = field(default_factory=lambda: FakeMonitor({}))

    def host(self, name: str) -> FakeHost:  # noqa: ARG002
        return self.runner

    def libvirt(self, host: str) -> FakeLibvirt:  # noqa: ARG002
        return self.daemon

    def monitor(
        self,
        host: str,  # noqa: ARG002
        socket: str,  # noqa: ARG002
        listener: Listener = ANYBODY,  # noqa: ARG002
    ) -> AbstractContextManager[FakeMonitor]:
        return nullcontext(self.qmp)

    def guest(self, host: str, way: GuestWay) -> AbstractContextManager[Channel]:
        raise HostError(f"{way} of {host} leads nowhere")
