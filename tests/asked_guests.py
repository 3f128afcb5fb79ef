"""Guests that answer what a test gave them, on a host with one domain; what they say is composed, and no Windows said it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from provision.runtime.command import Result
from provision.runtime.errors import HostError
from provision.runtime.guest_channel import Channel, GuestWay, Script, System
from provision.runtime.protocols import Domain
from tests.builders import FakeEdges
from tests.listings import XML, Listing, TellingHost

MAC = "52:54:00:12:34:56"
BY_AGENT = GuestWay("agent", "windows", domain="vm")


def answer(reason: str = "NoFailure", mac: str = MAC, **more: Any) -> str:
    """What the script says in a Windows with one adapter, composed."""
    family = {
        "enabled": reason != "NicPropertyDisabled",
        "supported": True,
        "operational": reason == "NoFailure",
        "reason": reason,
    }
    adapter = {"name": "Ethernet 2", "mac": mac.replace(":", "-"), "ipv4": family, "ipv6": family}
    system = {"caption": "Microsoft Windows Server 2022 Standard", "version": "10.0.20348"}
    return json.dumps({"rscvm": "windows/1", "os": system, "adapters": [adapter], **more})


@dataclass
class Guest:
    """Stands for a guest that says this, or what it raises, to any script; or to each what its name has, the last one again."""

    says: str | Exception | Mapping[str, list[str]]
    runs: System = "windows"
    scripts: list[Script] = field(default_factory=list)

    def system(self) -> System:
        return self.runs

    def run(self, script: Script, *, timeout: float) -> Result:  # noqa: ARG002
        self.scripts.append(script)
        if isinstance(self.says, Exception):
            raise self.says
        said = self.says
        if not isinstance(said, str):
            left = said[script.name]
            said = left.pop(0) if len(left) > 1 else left[0]
        return Result("guest", ("script",), 0, said, "")


@dataclass
class GuestEdges(FakeEdges):
    """Edges with guests, each by one way."""

    guests: Mapping[str, Guest] = field(default_factory=dict)

    @contextmanager
    def guest(self, host: str, way: GuestWay) -> Iterator[Channel]:  # noqa: ARG002
        if str(way) not in self.guests:
            raise HostError(f"{way} leads nowhere", hint="build it")
        yield self.guests[str(way)]


_XML = XML.format("vm", "tap0").replace("<target", f"<mac address='{MAC}'/><target")
VM = Domain("vm", "running", _XML, _XML, "1")


def host() -> GuestEdges:
    """A host with one domain, whose guest has no way in."""
    return GuestEdges(TellingHost("local", files=["negotiated-by-linux"]), Listing(there=[VM]))


def edges(reason: str = "NoFailure") -> GuestEdges:
    """The same, with a guest that answers by its agent."""
    return replace(host(), guests={"the guest agent": Guest(answer(reason))})
