"""Parses what `ovs-vsctl --format=json` lists of Open vSwitch's bridges and their ports."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from provision.runtime.errors import reading
from provision.runtime.untrusted import read_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MARK = "rscvm"
"""The key of a port's `external_ids` that bears our mark."""


@dataclass(frozen=True, slots=True)
class OvsPort:
    """A port of a bridge."""

    tag: int | None = None
    """Its VLAN; None of a port that has none, or several."""
    mark: str = ""
    """Ours; empty where it bears none."""


@dataclass(frozen=True, slots=True)
class OvsBridge:
    """A bridge of Open vSwitch's."""

    userspace: bool = False
    """Whether its packets go by ovs-vswitchd (`datapath_type: netdev`), and not by the kernel."""
    ports: Mapping[str, OvsPort] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OvsRead:
    """What a host's Open vSwitch has."""

    bridges: Mapping[str, OvsBridge] = field(default_factory=dict)
    trouble: str = ""
    """Why it could not be asked; then the bridges are those that the kernel shows, and their ports are not known."""

    @property
    def ports(self) -> dict[str, tuple[str, OvsPort]]:
        """Every port that is known, with its bridge."""
        found = self.bridges.items()
        return {port: (name, row) for name, bridge in found for port, row in bridge.ports.items()}


def _set(value: Any) -> list[Any]:
    """A column that may have several values: OVSDB writes one as itself (RFC 7047, 5.1)."""
    return list(value[1]) if isinstance(value, list) and value[:1] == ["set"] else [value]


def _rows(document: Any) -> Iterator[dict[str, Any]]:
    for row in document["data"]:
        yield dict(zip(document["headings"], row, strict=True))


def _port(row: Mapping[str, Any]) -> OvsPort:
    [tag] = _set(row["tag"]) or [None]
    ids = dict(row["external_ids"][1])
    return OvsPort(None if tag is None else int(tag), str(ids.get(MARK, "")))


def parse_ovs(text: str) -> dict[str, OvsBridge]:
    """Bridges by name, of a list of them and a list of all ports, each a line.

    :raise UnreadableError: when the text is no such two lines.
    """
    with reading("ovs-vsctl's bridges", text):
        bridges, ports = map(read_json, text.splitlines())
        known = {row["_uuid"][1]: (str(row["name"]), _port(row)) for row in _rows(ports)}
        return {
            str(row["name"]): OvsBridge(
                row["datapath_type"] == "netdev",
                dict(known[uuid] for _, uuid in _set(row["ports"]) if uuid in known),
            )
            for row in _rows(bridges)
        }
