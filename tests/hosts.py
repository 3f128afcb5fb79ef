"""A host as plain data: empty, and with one machine running."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from provision.facts.accelerators import Accelerators, Failed
from provision.facts.ip import Link
from provision.facts.processes import Process
from provision.facts.qemu import Emulator
from provision.host.journal import Journal, Thing
from provision.host.marks import device_mark
from provision.host.plan import making
from provision.host.plan.resolved import daemon_argv, resolved_view
from provision.host.plan.settings import plan_apply
from provision.host.plan.steps import Action, Plan, Step
from provision.host.plan.up import plan_up
from provision.host.preflight.machines import missing, missing_for_settings
from provision.host.state import Access, Capabilities, HostState
from provision.lab.identity import spec_as_noted
from provision.lab.spec import Lab
from provision.runtime.command import Run
from provision.tables.offloads import OFFLOADS
from tests.builders import one_vm

EVERYTHING = frozenset(row.name for row in OFFLOADS) | {"rsc_interval"}
LAB = one_vm()
MARK = device_mark(LAB, "vm", "net0")
BRIDGE = Link(
    "br-lab",
    "bridge",
    device_mark(LAB, "", "br-lab"),
    up=True,
    mtu=1500,
    master="",
    addresses=("10.9.0.1/24",),
)
TAP = Link("tap0", "tun", MARK, up=True, mtu=1500, master="br-lab", tap=True)
EMPTY = HostState(
    "local",
    boot="boot-1",
    files=frozenset({"/srv/vmlinuz", "/srv/initrd.gz"}),
    access=Access(root=True, writable=True, programs=frozenset({"ip", "ethtool", "qemu-img"})),
    capabilities=Capabilities(
        qemus={"vm": Emulator("qemu-system-x86_64", "7.2.22", EVERYTHING)},
        accelerators=Accelerators(tcg=500, kvm=Failed("none")),
    ),
)
PID = "/var/lib/rscvm/lab/vm.pid"


def running(found: HostState = EMPTY) -> HostState:
    argv = daemon_argv(resolved_view(LAB, "vm", found))
    things = (
        Thing("bridge", "br-lab"),
        Thing("tap", "tap0", "vm"),
        Thing("process", PID, "vm"),
        Thing("file", PID, "vm"),
    )
    journal = Journal(LAB.file, things, {"vm": spec_as_noted(LAB.machines["vm"])})
    links = {"br-lab": BRIDGE, "tap0": TAP}
    return replace(found, links=links, processes={PID: Process(7, argv)}, journal=journal)


def allowed(state: HostState, **changes: Any) -> HostState:
    """The host with another access."""
    return replace(state, access=replace(state.access, **changes))


def capable(state: HostState, **changes: Any) -> HostState:
    """The host with other capabilities."""
    return replace(state, capabilities=replace(state.capabilities, **changes))


def noting(found: HostState, thing: Thing) -> Journal:
    return replace(found.journal, things=(*found.journal.things, thing))


def lacking(lab: Lab, names: Sequence[str], state: HostState) -> tuple[str, ...]:
    """What stands in the way of `up`."""
    return missing(lab, names, state, plan_up(lab, state.name, names, state))


def lacking_for_settings(lab: Lab, state: HostState) -> tuple[str, ...]:
    """What stands in the way of `apply`."""
    return missing_for_settings(lab, state, plan_apply(lab, state.name, state))


def every(plan: Plan) -> tuple[Step, ...]:
    return (*([plan.opening] if plan.opening else []), *plan.steps, *([plan.closing] if plan.closing else []))


def whats(steps: tuple[Step, ...]) -> list[str]:
    return [step.what for step in steps]


def runs(actions: Sequence[Action]) -> list[Run]:
    """Those of the actions that are commands."""
    return [action for action in actions if isinstance(action, Run)]


def commands(step: Step) -> list[tuple[str, ...]]:
    """What a step runs; of what makes a device under another name first, the command with the device's own name."""
    return [plain(run.argv) for run in runs(step.do)]


def plain(argv: tuple[str, ...]) -> tuple[str, ...]:
    if making.SCRIPTS["make"] not in argv:
        return argv
    name, made = argv[4:6]
    return tuple(name if word == made else word for word in argv[8:])


def unmade(said: Iterable[tuple[str, ...]]) -> list[str]:
    """The devices that were removed, in this order, where they were ours."""
    return [argv[4] for argv in said if making.SCRIPTS["unmake"] in argv]
