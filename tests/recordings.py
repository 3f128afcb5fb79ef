"""What is asked and recorded: hosts, libvirt and QEMU that answer; and answers as saved evidence."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from provision.render.machine import domain_xml
from provision.render.view import machine_view
from provision.runtime.command import Result
from provision.runtime.errors import RscvmError
from provision.runtime.protocols import Domain
from provision.verbs.check import Look, check
from provision.verify.collect.source import domain_source
from provision.verify.judge.verdict import NicVerdict
from provision.verify.saved.files import Request, Saved
from provision.verify.saved.rows import Question, Row
from tests.builders import FIXTURES, ON, FakeHost, FakeLibvirt, FakeMonitor, one_vm

STATUS = json.loads((FIXTURES / "qemu-7.2.22" / "virtio-status-linux.json").read_text())
VERSION = {"qemu": {"major": 7, "minor": 2, "micro": 22}, "package": "Debian"}
FEATURES = (FIXTURES / "ethtool-6.1" / "tap-host-tx-off.json").read_text()
XML = domain_xml(machine_view(one_vm("libvirt", **{"cmdline: console=ttyS0": 'cmdline: ""'}), "vm")).replace(
    "</interface>", '<target dev="tap0"/></interface>'
)


QUEUEING = '[{"kind": "tbf", "dev": "tap9", "root": true, "options": {"burst": 10200}}]'


@dataclass
class SayingHost(FakeHost):
    """Answers with the next of what it is to say."""

    outs: list[str] = field(default_factory=list)
    features: str = ""
    links: str = "[]"

    def run(self, argv: Sequence[str], *, stdin: str = "", timeout: float = 60) -> Result:
        result = super().run(argv, stdin=stdin, timeout=timeout)
        known = {"ethtool": self.features, "ip": self.links, "cat": "1.0 1.0\n", "tc": QUEUEING}.get(
            argv[0], ""
        )
        said = self.outs.pop(0) if self.outs else known
        return Result(self.name, tuple(argv), result.status, said, result.err)


@dataclass
class OneDomain(FakeLibvirt):
    """A libvirt with one running domain, or one that fails."""

    qmp: FakeMonitor = field(default_factory=lambda: FakeMonitor({}))
    error: RscvmError | None = None

    def domain(self, name: str) -> Domain | None:
        return Domain("vm", "running", XML, "") if name == "vm" else None

    def domains(self, names: Sequence[str]) -> list[Domain]:  # noqa: ARG002
        if self.error is not None:
            raise self.error
        return [Domain("vm", "running", XML, "")]

    def monitor(self, name: str) -> FakeMonitor:  # noqa: ARG002
        return self.qmp


def qemu(**changes: Any) -> FakeMonitor:
    answers = {"qom-get": lambda asked: ON[asked["property"]], "x-query-virtio-status": STATUS}
    return FakeMonitor({**answers, "query-version": VERSION, **changes})


def judged(edges: Any) -> list[NicVerdict]:
    """As the command does it."""
    return check(domain_source(edges, "hv", ()), Look())


def saved(*rows: Row, **changes: Any) -> Saved:
    fields: dict[str, Any] = {
        "rscvm": "0.1.0",
        "when": "2026-11-22T21:00:00+00:00",
        "request": Request(connect="qemu:///system", host="hv"),
        "tools": {"hv": {"ethtool": "ethtool version 6.1"}},
        "rows": rows,
    }
    return Saved(**{**fields, **changes})


def ran(out: str = "", err: str = "", *, argv: tuple[str, ...] = ("ethtool", "--json", "-k", "*")) -> Row:
    return Row(Question("hv", "run", argv), Result("hv", argv, 0, out, err))


def found(*names: str, xml: str = "<domain/>") -> Row:
    return Row(Question("hv", "domains"), tuple(Domain(name, "running", xml, "") for name in names))
