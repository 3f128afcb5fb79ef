"""Checks of HLK labs, and of what may be on a bridge with QEMU's HCK engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.lab.checks.complaint import At, Complaint
from provision.lab.expand import lab_test_bridges, machines_of_labs
from provision.tables.topology import ROLES, TOPOLOGIES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from provision.lab.spec import LabFile


def not_isolated(nics: Sequence[At], file: LabFile) -> Iterator[Complaint]:
    """What QEMU's engine does to frames must reach nothing but machines that are for it."""
    armed = [at for at in nics if at.nic.profile == "hck"]
    engines = {(at.machine.host, device): at for at in armed for device in (at.nic.bridge, at.nic.ifname)}
    for at in nics:
        for key in ("bridge", "macvtap"):
            engine = engines.get((at.machine.host, getattr(at.nic, key)))
            if getattr(at.nic, key) and engine and at.machine.purpose != "hck":
                words = f"carries {engine.called}, which is `rsc: hck`: only machines of `purpose: hck` may be on it"
                yield at.complain(key, f"{getattr(at.nic, key)} {words}", "purpose")
    for name, host in file.hosts.items():
        for bridge, settings in host.bridges.items():
            where = ("hosts", name, "bridges", bridge, "uplink")
            if settings.uplink and (engine := engines.get((name, bridge))):
                words = f"{bridge} carries {engine.called}, which is `rsc: hck`: it must have no uplink"
                yield Complaint(where, words)
            if settings.uplink and (engine := engines.get((name, settings.uplink))):
                yield Complaint(
                    where, f"{settings.uplink} is the TAP of {engine.called}, which is `rsc: hck`"
                )


def foreign_on_test_bridge(stem: str, nics: Sequence[At], file: LabFile) -> Iterator[Complaint]:
    """A lab's test bridge is its machines' alone, and made as it must be."""
    made = machines_of_labs(file)
    for (host, bridge), lab in lab_test_bridges(stem, file).items():
        if host in file.hosts and bridge in file.hosts[host].bridges:
            message = f"is the test bridge that labs.{lab} makes: it has neither address nor uplink"
            yield Complaint(("hosts", host, "bridges", bridge), message, at_key=True)
        for at in nics:
            theirs = at.machine.host == host and bridge in (at.nic.bridge, at.nic.macvtap)
            if theirs and made.get(at.name, ("", ""))[0] != lab:
                yield at.complain(
                    "bridge", f"{bridge} is the test bridge of labs.{lab}, and its machines' alone"
                )


_LONGEST_NAME = 63


def whole_labs(file: LabFile) -> Iterator[Complaint]:
    """Each lab has the roles of its topology, and they are machines that can stand for them."""
    for name, lab in file.labs.items():
        where = ("labs", name)
        roles = TOPOLOGIES[lab.topology].roles
        if len(name) + 1 + max(map(len, roles)) > _LONGEST_NAME:
            message = (
                f"is too long: {name}-{max(roles, key=len)} would have more than {_LONGEST_NAME} characters"
            )
            yield Complaint(where, message, ((*where, "topology"),), at_key=True)
        for role in ROLES:
            given = getattr(lab, role) is not None
            if given != (role in roles):
                message = f"has no place in {lab.topology}" if given else f"is required by {lab.topology}"
                yield Complaint((*where, role), message, ((*where, "topology"),), at_key=True)
            if f"{name}-{role}" in file.machines and role in roles:
                yield Complaint(("machines", f"{name}-{role}"), f"is also what labs.{name} makes")
        if lab.test == "rsc" and lab.dut and "q35" not in lab.dut.machine:
            message = (
                "must be a q35 with `test: rsc`: the test NIC is modern virtio, behind a root port of its own"
            )
            yield Complaint((*where, "dut", "machine"), message, ((*where, "test"),))
