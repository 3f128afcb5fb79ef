"""What steps for bridges and for TAPs share: which settings have drifted, and one step that mends them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from provision.host.plan.steps import Step
from provision.runtime.command import Run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from provision.facts.ip import Link
    from provision.host.journal import Thing
    from provision.runtime.command import Argv


WIRE_QUEUE = 11000
"""Packets that a bridge which stands for a cable queues, and each of its TAPs, as AutoHCK has it on its test network."""


def set_link(device: str, *words: str) -> Argv:
    """`ip link set` of a device."""
    return ("ip", "link", "set", "dev", device, *words)


@dataclass(frozen=True, slots=True)
class DeviceDrift:
    """One setting of a device that is not as the lab file has it; what is only added, or only goes, has one side."""

    device: str
    before: str
    after: str
    do: Argv
    undo: Argv


def link_drift(name: str, link: Link, *, mtu: int | None, master: str | None) -> Iterator[DeviceDrift]:
    """What of a device is otherwise than it is to be: its MTU, its bridge, and whether it is up."""
    if mtu and link.mtu != mtu:
        do, undo = (set_link(name, "mtu", str(value)) for value in (mtu, link.mtu))
        yield DeviceDrift(name, f"mtu {link.mtu}", f"mtu {mtu}", do, undo)
    if master and link.master != master:
        undo = set_link(name, "master", link.master) if link.master else set_link(name, "nomaster")
        before = f"on bridge {link.master}" if link.master else "on no bridge"
        yield DeviceDrift(name, before, f"on bridge {master}", set_link(name, "master", master), undo)
    if not link.up:
        yield DeviceDrift(name, "down", "up", set_link(name, "up"), set_link(name, "down"))


def put_right(
    host: str, machine: str, what: str, drifts: Sequence[DeviceDrift], *, bridge: Thing | None = None
) -> Iterator[Step]:
    """One step that puts a device right, where anything of it has drifted; a `bridge` is noted, and guarded."""
    if drifts:
        both = ((sign, text) for drift in drifts for sign, text in (("-", drift.before), ("+", drift.after)))
        lines = (f"{sign}   {text}" for sign, text in both if text)
        yield Step(
            host,
            machine,
            f"put {what} right",
            "somebody has changed it, or the lab file",
            tuple(Run(drift.do) for drift in drifts),
            tuple(Run(drift.undo) for drift in reversed(drifts)),
            (bridge,) if bridge else (),
            (f"  {what}", *lines),
            guarded=bridge is not None,  # we may reach the host by it
            devices=tuple(dict.fromkeys(drift.device for drift in drifts)),
        )
