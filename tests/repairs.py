"""What there is to repair: definitions, edits of them, and a libvirt with one domain that is fixed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from provision.runtime.errors import DeadlineError, HostError, LostError
from provision.runtime.protocols import Domain
from provision.verbs.fix.domain_edit import DropOverride, SetValue
from provision.verbs.fix.fix import Fixed, Place, fix_domain
from provision.verify.evidence import NicEvidence
from provision.verify.judge.verdict import judge_nic
from tests.builders import ON, FakeEdges, FakeHost, FakeLibvirt, nic

HEAD = "<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><name>vm</name>"
NIC = "<interface type='bridge'><mac address='52:54:00:12:34:56'/>{}<alias name='ua-net0'/></interface>"
TSO4_OFF = "<model type='virtio'/><driver><guest tso4='off'/></driver>"
PASSWORD = "<graphics type='vnc' passwd='geheim'/>"  # noqa: S105 - a test's
WITHOUT_TSO4 = nic(properties={**ON, "guest_tso4": False})
SET_TSO4 = SetValue(0, ("driver", "guest"), "tso4", "on")
SET_VIRTIO = SetValue(0, ("model",), "type", "virtio")
SET_QEMU = SetValue(0, ("driver",), "name", "qemu")
DROP_HCK = DropOverride("ua-net0", ("guest_rsc_ext", "rsc_interval"))


def xml(inner: str = "<model type='virtio'/>", more: str = "", *, nics: str = NIC) -> str:
    return f"{HEAD}<devices>{nics.replace('{}', inner)}</devices>{more}</domain>"


@dataclass
class Daemon(FakeLibvirt):
    """A libvirt with one domain, and what happens to it beside us."""

    there: Domain | None = None
    meanwhile: Callable[[Daemon], None] = lambda _: None
    """After the definition was read for the first time."""
    refusals: list[str] = field(default_factory=list)
    """What the next starts end in."""
    deaf: bool = False
    forgetful: bool = False
    """Whether it accepts a definition and does not keep it."""
    numbers: dict[str, str] = field(default_factory=dict)
    silent: dict[str, int] = field(default_factory=dict)
    """By verb, for how many of the next readings it does not answer once that was asked of it."""
    mute: int = 0
    lost_at: str = ""
    """The verb from which on it does not answer."""
    lost: bool = False
    faster: bool = False
    """Whether somebody else starts what we may not."""
    graphics: str = PASSWORD
    """What only a reading with passwords shows."""
    interrupted: bool = False
    """Whether Ctrl-C comes while a guest is asked to shut down."""

    def answer(self) -> None:
        if self.lost:
            raise LostError("libvirt is gone", whole=False)

    def runs(self) -> Mapping[str, str]:
        self.answer()
        return self.numbers

    def domain(self, name: str) -> Domain | None:  # noqa: ARG002
        self.answer()
        if self.mute:
            self.mute -= 1
            raise DeadlineError("libvirt does not answer", whole=False)
        return self.there

    def definition(self, name: str) -> str:  # noqa: ARG002
        found = (
            self.there.persistent_xml.replace("</devices>", f"{self.graphics}</devices>")
            if self.there
            else ""
        )
        happen, self.meanwhile = self.meanwhile, lambda _: None
        happen(self)
        return found

    def define(self, xml: str) -> None:
        self.lost = self.lost_at == "define"
        self.answer()
        super().define(xml)
        if self.there is not None and not self.forgetful:
            self.there = replace(self.there, persistent_xml=re.sub("<graphics[^>]*>", "", xml))

    def shutdown(self, name: str) -> None:
        super().shutdown(name)
        if self.interrupted:
            raise KeyboardInterrupt
        self.mute = self.silent.pop("shutdown", 0)
        if self.there is not None and not self.deaf:
            self.there = replace(self.there, state="off")

    def start(self, name: str, *, paused: bool = False) -> None:
        super().start(name, paused=paused)
        assert self.there is not None
        if readings := self.silent.pop("start", 0):
            self.mute = readings
            raise DeadlineError("libvirt does not answer", whole=False)
        if self.refusals:
            self.there = replace(self.there, state="running") if self.faster else self.there
            raise HostError(self.refusals.pop(0))
        self.there = replace(self.there, state="running", live_xml=self.there.persistent_xml)


def daemon(inner: str = TSO4_OFF, **more: Any) -> Daemon:
    return Daemon(there=Domain("vm", "running", xml(inner), xml(inner)), **more)


@dataclass
class Fixable:
    daemon: Daemon
    host: FakeHost = field(default_factory=FakeHost)
    kept: list[str] = field(default_factory=list)
    evidence: NicEvidence = WITHOUT_TSO4

    def fix(self, **options: Any) -> Fixed:
        def keep_it(name: str, text: str) -> str:
            self.kept.append(text)
            return f"/backups/{name}.xml"

        edges = FakeEdges(self.host, self.daemon)
        place = Place(edges, "local", "qemu:///system", "vm", lambda: [judge_nic(self.evidence)], keep_it)
        return fix_domain(place, lambda _: None, **{"dry_run": False, **options})

    def said(self) -> list[str]:
        return [verb for verb, _ in self.daemon.said]
