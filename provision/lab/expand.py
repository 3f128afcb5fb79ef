"""Expands `labs:` to the machines and bridges that they stand for. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.lab.derived import derived_bridge, named_machines
from provision.lab.spec import Bridge, Host, Machine, Nic, WireBridge
from provision.tables.topology import TOPOLOGIES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from provision.lab.spec import Lab, LabFile, RoleLab
    from provision.tables.topology import Port

Made = dict[str, tuple[str, str]]
"""Lab and role, by the machine that is made of them."""


def machines_of_labs(file: LabFile) -> Made:
    """The machines that labs make; one that the file has itself is not among them, nor one whose role is not said."""
    return {
        machine: (name, role)
        for name, lab in file.labs.items()
        for role in TOPOLOGIES[lab.topology].roles
        if getattr(lab, role) is not None and (machine := f"{name}-{role}") not in file.machines
    }


def lab_test_bridges(stem: str, file: LabFile) -> dict[tuple[str, str], str]:
    """The lab of each test bridge, by host and bridge."""
    return {
        (lab.host, derived_bridge(stem, name, network.name)): name
        for name, lab in file.labs.items()
        for network in TOPOLOGIES[lab.topology].networks
        if network.wire
    }


def who_says(lab: Lab, host: str, bridge: str) -> str:
    """The key of the lab file that has rscvm make a host's bridge: one of `labs:` where the file has no more to say of it."""
    if lab.host(host).bridges.get(bridge) in (Bridge(), WireBridge()):
        for name, made in lab.labs.items():
            networks = TOPOLOGIES[made.topology].networks if made.host == host else ()
            if bridge in (derived_bridge(lab.name, name, network.name) for network in networks):
                return f"labs.{name}"
    return f"hosts.{host}.bridges.{bridge}"


def _nic(port: Port, bridge: str, lab: RoleLab) -> Nic:
    keys = {**port.keys, **(port.armed if lab.test == "rsc" else {})}
    return Nic.model_validate({"name": port.network, "bridge": bridge, **keys})


def _machine(stem: str, name: str, lab: RoleLab, role: str) -> Machine:
    given = getattr(lab, role)
    ports = TOPOLOGIES[lab.topology].roles[role]
    nics = tuple(_nic(port, derived_bridge(stem, name, port.network), lab) for port in ports)
    keys = {key: getattr(given, key) for key in given.model_fields_set}
    return Machine.model_construct(
        {*keys, "host", "purpose", "nics"}, host=lab.host, purpose="hck", nics=nics, **keys
    )


def _bridges(stem: str, file: LabFile) -> Iterator[tuple[str, str, Bridge]]:
    for name, lab in file.labs.items():
        for network in TOPOLOGIES[lab.topology].networks:
            yield (
                lab.host,
                derived_bridge(stem, name, network.name),
                WireBridge() if network.wire else Bridge(),
            )


def expand_labs(stem: str, file: LabFile) -> LabFile:
    """The file with what its labs make among its machines and bridges, every NIC's blanks filled in.

    A control bridge that the file declares is made as declared, so that it may have an address or an uplink.
    """
    made = {
        machine: _machine(stem, name, file.labs[name], role)
        for machine, (name, role) in machines_of_labs(file).items()
    }
    hosts = dict(file.hosts)
    for host, bridge, settings in _bridges(stem, file):
        known = hosts.get(host, Host())
        bridges = {bridge: settings, **known.bridges}
        hosts[host] = known.model_copy(update={"bridges": bridges})
    whole = file.model_copy(update={"hosts": hosts, "machines": {**file.machines, **made}})
    return whole.model_copy(update={"machines": named_machines(stem, whole)})
