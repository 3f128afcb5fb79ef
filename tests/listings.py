"""Hosts and libvirts that tell what a test gave them: devices from captured files, and domains that are listed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from provision.runtime.command import Result, Run
from provision.runtime.errors import HostError
from provision.runtime.protocols import Domain
from tests.builders import FIXTURES, FakeHost, FakeLibvirt

TAPS = FIXTURES / "ethtool-6.1"
XML = "<domain><name>{0}</name><devices><interface type='bridge'><target dev='{1}'/><model type='virtio'/></interface></devices></domain>"


@dataclass
class TellingHost(FakeHost):
    """Stands for a host with one TAP, whose features are those of the next captured file at each look."""

    files: list[str] = field(default_factory=list)

    def run_all(
        self,
        runs: Sequence[Run],
        *,
        timeout: float = 60,  # noqa: ARG002
        until_failure: bool = False,  # noqa: ARG002
    ) -> list[Result]:
        self.said.append(("look",))
        name = self.files.pop(0) if len(self.files) > 1 else self.files[0]
        texts = {"ethtool": (TAPS / f"tap-{name}.json").read_text(), "ip": "[]", "cat": "1.0 1.0"}
        return [
            Result(self.name, run.argv, 0, texts[run.argv[0]], "")
            if run.argv[0] in texts
            else self.run(run.argv)
            for run in runs
        ]


@dataclass
class Listing(FakeLibvirt):
    """Stands for a libvirt with these domains, whose monitors do not answer."""

    there: Sequence[Domain] = ()
    later: Sequence[Domain] | None = None

    def domains(self, names: Sequence[str]) -> list[Domain]:
        found = [domain for domain in self.there if not names or domain.name in names]
        self.there = self.there if self.later is None else self.later
        return found

    def domain(self, name: str) -> Domain | None:
        return next((domain for domain in self.there if domain.name == name), None)

    def runs(self) -> Mapping[str, str]:
        return {domain.name: domain.run for domain in self.there if domain.run}

    def monitor(self, name: str) -> Any:
        raise HostError(f"{name} is silent")


def running(name: str, tap: str = "tap0", run: str = "1") -> Domain:
    return Domain(name, "running", XML.format(name, tap), "", run)
