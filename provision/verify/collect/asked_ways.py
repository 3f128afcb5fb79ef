"""The ways into a machine's guest that its lab file names (`ask`), in its order. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.lab.ask import AskBySsh, AskByWinrm
from provision.runtime.guest_channel import GuestWay
from provision.runtime.places import Target
from provision.verify.collect.guest_answers import agent_way

if TYPE_CHECKING:
    from collections.abc import Iterator

    from provision.lab.ask import Ask
    from provision.lab.spec import Lab
    from provision.runtime.guest_channel import System
    from provision.verify.evidence import NicEvidence


def named_ways(lab: Lab, nic: NicEvidence) -> tuple[GuestWay, ...]:
    """The ways into the guest of a NIC's machine; none where the lab file names none."""
    machine = lab.machines.get(nic.machine)
    if machine is None:
        return ()
    return tuple(
        way for place, ask in enumerate(machine.ask, 1) for way in _ways(ask, nic, machine.guest, place)
    )


def _ways(ask: Ask, nic: NicEvidence, system: System, place: int) -> Iterator[GuestWay]:
    named = f"{nic.machine} {place}"
    match ask:
        case AskBySsh(ssh=ssh):
            target = Target(
                nic.machine,
                ssh.address,
                port=ssh.port,
                user=ssh.user,
                identity=ssh.identity or "",
                key=f"machines.{nic.machine}.ask[{place - 1}].ssh",
            )
            yield GuestWay("ssh", system, named, target=target)
        case AskByWinrm(winrm=winrm):
            yield GuestWay(
                "winrm", system, named,
                address=winrm.address, user=winrm.user, password_env=winrm.password_env, tls=winrm.tls,
            )  # fmt: skip
        case "agent":
            yield from agent_way(nic, system)
