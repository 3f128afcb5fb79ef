"""Checks of what a lab file says of hosts: their NICs' settings, bridges and uplinks."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from provision.facts.ethtool_features import GROUPS, is_of
from provision.lab.checks.complaint import Complaint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from provision.lab.positions import Where
    from provision.lab.spec import Host, HostNic, LabFile


def host_complaints(file: LabFile) -> Iterator[Complaint]:
    """What does not fit of the hosts that a lab file declares, and of those that it names."""
    for section, things in (("machines", file.machines), ("labs", file.labs)):
        for name, thing in things.items():
            if thing.host != "local" and thing.host not in file.hosts:
                yield Complaint(
                    (section, name, "host"),
                    f"{thing.host} is not declared under hosts",
                    (("hosts", thing.host),),
                )
    for name, host in file.hosts.items():
        yield from _uplinks(name, host)
        yield from chain.from_iterable(
            _settings(("hosts", name, "nics", nic), settings) for nic, settings in host.nics.items()
        )
        if name != "local":
            if host.address is None:
                yield Complaint(
                    ("hosts", name, "address"), "is required for every host but local", at_key=True
                )
            if (host.bridges or host.nics) and not file.state_dir.startswith("/"):
                message = f"must be absolute: {name} is another host, where what was changed is noted"
                yield Complaint(("state_dir",), message, (("hosts", name),))
            continue
        for key in ("address", "port", "user", "identity"):
            if getattr(host, key) is not None:
                yield Complaint(("hosts", name, key), "has no meaning on local, which needs no SSH")


def _settings(where: Where, nic: HostNic) -> Iterator[Complaint]:
    """Settings that would undo one another."""
    for name, on in nic.features.items():
        for group in GROUPS:
            if on and nic.features.get(group) is False and is_of(name, group) and name != group:
                rests_on = ((*where, "features", group),)
                yield Complaint(
                    (*where, "features", name), f"cannot be on: {group}, which is off, has it", rests_on
                )
    for way in ("rx", "tx"):
        name, adaptive = f"{way}-usecs", f"adaptive-{way}"
        if name in nic.coalesce and nic.coalesce.get(adaptive) is True:
            message = f"has no meaning with {adaptive} on, which overrules it"
            yield Complaint((*where, "coalesce", name), message, ((*where, "coalesce", adaptive),))


def _uplinks(name: str, host: Host) -> Iterator[Complaint]:
    """A NIC is under one bridge, and no bridge under another."""
    taken: dict[str, str] = {}
    for bridge, settings in host.bridges.items():
        if not settings.uplink:
            continue
        where = ("hosts", name, "bridges", bridge, "uplink")
        first = taken.setdefault(settings.uplink, bridge)
        if settings.uplink in host.bridges:
            yield Complaint(where, f"{settings.uplink} is a bridge, and a bridge takes none for its uplink")
        elif first != bridge:
            rests_on = ("hosts", name, "bridges", first, "uplink")
            yield Complaint(where, f"{settings.uplink} is already the uplink of {first}", (rests_on,))
