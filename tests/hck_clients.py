"""An HLK lab on a host whose clients' guests say what a test gave them; all of that is composed, and no Windows said it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from provision.host.plan.resolved import resolved_view
from provision.lab.spec import Lab
from provision.render.machine import domain_xml
from provision.runtime.command import HELD, Result
from provision.runtime.errors import HostError
from provision.runtime.guest_channel import Channel, GuestWay
from provision.runtime.protocols import Domain
from tests.asked_guests import Guest
from tests.builders import FIXTURES, FakeEdges, FakeHost
from tests.hosts import EMPTY, capable
from tests.listings import Listing
from tests.processes import proc_text

COMPOSED = FIXTURES / "composed"
ASKED, REMOVED = (
    json.dumps(json.loads((COMPOSED / f"{name}.json").read_text()))
    for name in ("hck-leftovers", "hck-cleanup")
)
"""What each script would say; in one line, as they do."""
NOTHING: dict[str, list[Any]] = {"components": [], "packages": [], "services": [], "files": []}
CLIENTS = ["rsc-dut", "rsc-support"]
ALL = [
    "component ms_spartadrv", "package oem12.inf", "package oem14.inf", "service spartadrv",
    "file spartadrv.sys", "file netcapdrv6.sys",
]  # fmt: skip


def says(found: Mapping[str, Any] = NOTHING, left: Mapping[str, Any] | None = None, *troubles: str) -> str:
    """An answer of the scripts', composed."""
    rows = [{"asked": each, "type": "X", "code": "0x1", "words": "no"} for each in troubles]
    said = {"rscvm": "hck/1", "found": {**NOTHING, **found}, "troubles": rows}
    return json.dumps(said if left is None else {**said, "left": {**NOTHING, **left}})


def file(name: str = "coalesce.sys", *, restart: bool = False) -> dict[str, Any]:
    return {"files": [{"name": name, "version": "1.0.0.0", "company": "Microsoft", "restart": restart}]}


class Host(FakeHost):
    """It has nothing but domains; whoever asks for the lab's lock gets it."""

    def run(self, argv: Sequence[str], *, stdin: str = "", timeout: float = 60) -> Result:
        result, text = super().run(argv, stdin=stdin, timeout=timeout), " ".join(argv)
        said = {"boot_id": "0f0e0d0c-0b0a-4908-8706-050403020100\n", "base64": proc_text({}), "flock": HELD}
        out = (
            "[]" if argv[0] in ("ip", "ethtool") else next((said[word] for word in said if word in text), "")
        )
        return replace(result, status=44 if "exit 44" in text else result.status, out=out)


@dataclass
class Clients(FakeEdges):
    """A host with a lab's machines; who has a guest here answers by its agent."""

    guests: Mapping[str, Guest] = field(default_factory=dict)

    @contextmanager
    def guest(self, host: str, way: GuestWay) -> Iterator[Channel]:  # noqa: ARG002
        if way.named not in self.guests:
            raise HostError(f"{way} leads nowhere")
        yield self.guests[way.named]


RUNNING = dict.fromkeys(("rsc-controller", "rsc-dut", "rsc-support"), "running")


def clients_of(lab: Lab, states: Mapping[str, str] = RUNNING, **guests: Guest) -> Clients:
    """The lab's machines in these states as libvirt's domains, and these guests by their roles."""
    [qemu] = EMPTY.capabilities.qemus.values()
    there = capable(EMPTY, qemus=dict.fromkeys(lab.machines, qemu))
    xml = {name: domain_xml(resolved_view(lab, name, there)) for name in states}
    domains = [Domain(name, state, xml[name], xml[name], "1") for name, state in states.items()]
    return Clients(
        Host(), Listing(there=domains), guests={f"rsc-{role}": guest for role, guest in guests.items()}
    )


def names(things: Sequence[object]) -> list[str]:
    return [str(each) for each in things]
