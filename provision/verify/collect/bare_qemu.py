"""Collects every NIC of a QEMU that nobody told us of, by its monitor alone."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import islice
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from provision.facts.qemu_arguments import MOST_NICS
from provision.runtime.errors import HostError, RefusedError, UnreadableError
from provision.tables.backends import NETDEVS
from provision.tables.models import is_qemus_virtio
from provision.verify.collect.monitor import BESIDES, with_monitor
from provision.verify.evidence import Machine, NicEvidence, named_apart

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from provision.runtime.protocols import Monitor, MonitorQuestion
    from provision.verify.evidence import Owner

_PLACES = ("/machine/peripheral", "/machine/peripheral-anon", "/machine/unattached")
"""Where QEMU keeps devices: with an id, without one, and those that it makes by itself (`-nic`)."""
_NETWORK: MonitorQuestion = ("human-monitor-command", {"command-line": "info network"})

_NETDEV = re.compile(
    r"^ *\\? ?(?P<id>[^:\n]+): index=\d+,type=(?P<type>[^,\n]+)(?:,(?P<rest>[^\r\n]*))?", re.MULTILINE
)
_PORT = re.compile(r"^ *\\ (?P<id>[^:\n]+): [^:\n]+: index=\d+,type=nic\b", re.MULTILINE)
"""A hub's port that a NIC is on: `\\ PORT: NIC: index=0,type=nic,…`."""
_IFNAME = re.compile(r"(?:^|,)ifname=(?P<name>[^,]*)")


def collect_bare(monitor: Monitor, host: str, owner: Owner) -> list[NicEvidence]:
    """Every NIC of a QEMU, but for what its TAPs tell.

    A TAP that QEMU was handed as a file descriptor has no name there.

    :raise HostError: when no QEMU answers.
    """
    monitor.ahead([("query-name", {}), ("query-status", {}), _NETWORK, *map(_listing, _PLACES)])
    name = _name(monitor) or PurePosixPath(owner.socket).stem
    status = monitor.execute("query-status")
    state = "running" if isinstance(status, dict) and status.get("running") else "paused"
    netdevs = _netdevs(monitor)
    found = list(islice(_devices(monitor), MOST_NICS + 1))
    if len(found) > MOST_NICS:
        raise HostError(f"it has more than {MOST_NICS} NICs")
    machine = Machine(host, name, state, owner=owner)
    monitor.ahead([_property(path, name) for path, _ in found for name in ("netdev", "mac")])
    nics = [_nic(monitor, machine, i, device, netdevs) for i, device in enumerate(found)]
    return [with_monitor(nic, monitor) for nic in named_apart(nics)]


def nics_besides(monitor: Monitor, machine: Machine, paths: Collection[str]) -> list[NicEvidence] | None:
    """Every virtio NIC of a QEMU that is not at these paths; None where it does not tell."""
    try:
        answer = monitor.execute("x-query-virtio")
        rows = answer if isinstance(answer, list) else []
        found = [
            str(row.get("path", "")).removesuffix("/virtio-backend")
            for row in rows
            if isinstance(row, dict) and row.get("name") == "virtio-net"
        ]
        if not {*found} - {*paths}:
            return []
        netdevs = _netdevs(monitor)
        kinds = {path: str(monitor.execute(*_property(path, "type"))) for path in found}
        nics = [
            _nic(monitor, machine, index, (path, kinds[path]), netdevs)
            for index, path in enumerate(found)
            if path not in paths
        ]
        return [replace(with_monitor(nic, monitor), notes=(BESIDES,)) for nic in nics]
    except HostError:
        return None


def _property(path: str, name: str) -> MonitorQuestion:
    return "qom-get", {"path": path, "property": name}


def _listing(path: str) -> MonitorQuestion:
    return "qom-list", {"path": path}


def _name(monitor: Monitor) -> str:
    answer = monitor.execute("query-name")
    return str(answer.get("name", "")) if isinstance(answer, dict) else ""


def _children(monitor: Monitor, path: str) -> Iterator[tuple[str, str]]:
    """Names and types of what is at a path of QEMU's object model."""
    try:
        answer = monitor.execute(*_listing(path))
    except RefusedError:
        return
    if not isinstance(answer, list) or not all(isinstance(row, dict) for row in answer):
        raise UnreadableError(f"qom-list {path}", repr(answer))
    yield from ((str(row.get("name", "")), str(row.get("type", ""))) for row in answer)


def _devices(monitor: Monitor) -> Iterator[tuple[str, str]]:
    """Path and type of every NIC: of every device whose type has both a netdev and a MAC address."""
    there = {
        f"{place}/{name}": inner[1]
        for place in _PLACES
        for name, kind in _children(monitor, place)
        if (place == _PLACES[0] or name.startswith("device["))
        and (inner := re.fullmatch(r"child<(.+)>", kind))
    }
    monitor.ahead(
        [_listing(path) for path in {kind: path for path, kind in reversed(there.items())}.values()]
    )
    nics: dict[str, bool] = {}
    for path, kind in there.items():
        if kind not in nics and (has := {prop for prop, _ in _children(monitor, path)}):
            nics[kind] = {"netdev", "mac"} <= has
        if nics.get(kind):
            yield path, kind


def _netdevs(monitor: Monitor) -> Mapping[str, tuple[str, str]]:
    """Kind of each netdev by its id, and what else is said of it.

    QMP has no command for it (QEMU 7.2 to 10.0), so the human monitor is asked; a netdev that is not found in what
    it says is of no known kind, and so unknown.
    """
    answer = str(monitor.execute(*_NETWORK))
    found: dict[str, tuple[str, str]] = {row["id"]: ("hub", "") for row in _PORT.finditer(answer)}
    for row in _NETDEV.finditer(answer):
        if row["type"] == "nic":  # a device, whose id may be a netdev's, too
            continue
        found[row["id"].strip()] = (row["type"], row["rest"] or "")
    return found


def _nic(
    monitor: Monitor,
    machine: Machine,
    index: int,
    device: tuple[str, str],
    netdevs: Mapping[str, tuple[str, str]],
) -> NicEvidence:
    path, kind = device
    netdev = str(monitor.execute(*_property(path, "netdev")))
    mac = str(monitor.execute(*_property(path, "mac")))
    backend, told = netdevs.get(netdev, ("", "")) if netdev else ("none", "")
    ifname = _IFNAME.search(told)
    tap = ifname["name"] if ifname else ""
    own = path.startswith(f"{_PLACES[0]}/")
    return NicEvidence(
        machine.host,
        machine.name,
        PurePosixPath(path).name if own else f"net{index}",
        mac,
        tap or None,
        None,
        None,
        machine.state,
        NETDEVS.get(backend, backend or "unknown"),
        "virtio" if is_qemus_virtio(kind) else kind,
        path=path,
        owner=machine.owner,
        netdev=netdev,
        told=told if "ifname=" in told or "fd=" in told else "",
        by_fd=backend == "tap" and not tap,
        defined_in="qemu",
    )
