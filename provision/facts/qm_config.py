"""Parses `qm config` and /etc/pve/qemu-server/VMID.conf of Proxmox VE, as far as they tell of NICs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_COMMAND = re.compile(
    r"\bqm\s+(?:config|pending)\s+(?P<vm>[0-9]{1,9})\b|\bqemu-server/(?P<file>[0-9]{1,9})\.conf\b"
)
_NET = re.compile(
    r"net(?P<index>[0-9]{1,2}):\s+(?P<model>[a-z0-9_-]{1,30})=(?P<mac>[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5})(?P<more>,\S*)?"
)
_WORD = re.compile(r"(?P<key>name|args):\s+(?P<value>.*)")
_SECTION = re.compile(r"\[[^\]]{1,60}\]")


@dataclass(frozen=True, slots=True)
class QmNic:
    """One `net` line."""

    index: int
    model: str
    """Proxmox' word, which is libvirt's, too."""
    mac: str
    bridge: str
    """Empty where QEMU's user-mode network is meant."""
    mtu: int | None
    link_down: bool


@dataclass(frozen=True, slots=True)
class QmConfig:
    """A machine of Proxmox VE."""

    vm: str
    """Its number, which is in no line of it; empty where the command was not pasted."""
    name: str
    arguments: str
    """What it hands to QEMU past Proxmox."""
    nics: tuple[QmNic, ...]


def _nic(found: re.Match[str]) -> QmNic:
    said = dict(part.partition("=")[::2] for part in (found["more"] or "").split(","))
    mtu = said.get("mtu", "")
    return QmNic(
        int(found["index"]),
        found["model"],
        found["mac"].lower(),
        said.get("bridge", ""),
        int(mtu) if re.fullmatch("[0-9]{2,5}", mtu) else None,
        said.get("link_down") == "1",
    )


def parse_qm_configs(lines: Iterable[str]) -> list[QmConfig]:
    """Every machine in pasted lines; a machine's snapshots and what is pending are not what it is."""
    configs = (_config(vm, of_it) for vm, of_it in _apart(lines))
    return [config for config in configs if config.nics]


def _apart(lines: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """Each machine's number, where a command told it, with the lines that follow."""
    vm, of_it = "", list[str]()
    for line in lines:
        if command := _COMMAND.search(line):
            yield vm, of_it
            vm, of_it = command["vm"] or command["file"], []
        else:
            of_it.append(line)
    yield vm, of_it


def _config(vm: str, lines: Iterable[str]) -> QmConfig:
    said: dict[str, str] = {}
    nics: dict[str, QmNic] = {}
    for line in takewhile(lambda line: not _SECTION.fullmatch(line), lines):
        if net := _NET.fullmatch(line):
            nics.setdefault(net["index"], _nic(net))
        elif word := _WORD.fullmatch(line):
            said.setdefault(word["key"], word["value"])
    return QmConfig(vm, said.get("name", ""), said.get("args", ""), tuple(nics.values()))
