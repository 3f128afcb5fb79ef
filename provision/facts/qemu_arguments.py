"""Parses QEMU's command line as far as NICs and monitors go: `-netdev`, `-device`, `-qmp`, `-mon`, `-chardev`."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from provision.facts.qemu import TRUE
from provision.tables.offloads import HCK, TSO

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_WORD = re.compile(r"(?:[^,]|,,)+")
_ADDRESS = re.compile(r"(?:tcp|telnet):(?P<host>[^:,]*):(?P<port>\d+)")


@dataclass(frozen=True, slots=True)
class ListeningMonitor:
    """A monitor that QEMU offers, and where it listens."""

    path: str = ""
    """Of a UNIX socket; empty of others."""
    port: int | None = None
    """Of TCP."""
    human: bool = False
    """Whether it speaks to people (HMP) and not QMP."""


def options(argv: Sequence[str], *names: str) -> Iterator[str]:
    """The values of these options, in their order."""
    wanted = {f"{dashes}{name}" for name in names for dashes in ("-", "--")}
    yield from (argv[at + 1] for at in range(1, len(argv) - 1) if argv[at] in wanted)


def properties(text: str, first: str) -> Mapping[str, str]:
    """What one option says, as words or as JSON; a bare first word is the property `first`, any other a switch."""
    if text.startswith("{"):
        try:
            said = json.loads(text)
        except (ValueError, RecursionError):
            return {}
        return {key: str(value) for key, value in said.items()} if isinstance(said, dict) else {}
    found: dict[str, str] = {}
    for number, word in enumerate(_WORD.findall(text)):
        name, equals, value = word.replace(",,", ",").partition("=")
        if equals:
            found[name] = value
        else:
            found |= {first: name} if number == 0 else {name: "on"}
    return found


def netdevs(argv: Sequence[str]) -> dict[str, Mapping[str, str]]:
    """Each `-netdev` by its id."""
    found = (properties(text, "type") for text in options(argv, "netdev"))
    return {said["id"]: said for said in found if "id" in said}


def monitors(argv: Sequence[str]) -> list[ListeningMonitor]:
    """Where monitors listen that QEMU was started with; those on descriptors, pipes and terminals are left out."""
    chardevs = {
        said.get("id", ""): said
        for said in (properties(text, "backend") for text in options(argv, "chardev"))
        if said.get("backend") == "socket"
    }
    found = [_at(text, human=human) for human, name in ((False, "qmp"), (False, "qmp-pretty"), (True, "monitor"))
             for text in options(argv, name)]  # fmt: skip
    for said in (properties(text, "chardev") for text in options(argv, "mon")):
        chardev = chardevs.get(said.get("chardev", ""), {})
        human = said.get("mode", "readline") != "control"
        port = chardev.get("port", "")
        if chardev.get("path") or port.isdecimal():
            found.append(
                ListeningMonitor(chardev.get("path", ""), int(port) if port.isdecimal() else None, human)
            )
    return [each for each in found if each.path or each.port is not None]


def _at(text: str, *, human: bool) -> ListeningMonitor:
    """`unix:PATH,server=on` or `tcp:HOST:PORT,server`; what is neither is nowhere."""
    if text.startswith("unix:"):
        path = _WORD.findall(text.removeprefix("unix:"))[:1]
        return ListeningMonitor(path[0].replace(",,", ",") if path else "", None, human)
    address = _ADDRESS.match(text)
    return (
        ListeningMonitor(port=int(address["port"]), human=human) if address else ListeningMonitor(human=human)
    )


@dataclass(frozen=True, slots=True)
class ArgumentNic:
    """A NIC as the command line has it; what was plugged in later is not there."""

    driver: str
    backend: str
    """The netdev's type; empty where the device names none that is there."""
    id: str = ""
    mac: str = ""
    netdev: str = ""
    ifname: str = ""
    switches: Mapping[str, bool] = field(default_factory=dict)
    """The offloads that RSC needs: on unless it is said otherwise (hw/net/virtio-net.c)."""


def nics_of(argv: Sequence[str]) -> list[ArgumentNic]:
    """Every NIC of `-device` and `-nic`, and of `-net nic`, which is behind a hub."""
    backends = netdevs(argv)
    found = []
    for said in (properties(text, "driver") for text in options(argv, "device")):
        if "netdev" in said:
            backend = backends.get(said["netdev"], {})
            switches = _switches(argv, said)
            found.append(
                ArgumentNic(
                    said.get("driver", ""),
                    backend.get("type", ""),
                    said.get("id", ""),
                    said.get("mac", ""),
                    said["netdev"],
                    backend.get("ifname", ""),
                    switches,
                )
            )
    for said in (properties(text, "type") for text in options(argv, "nic")):
        if said.get("type") != "none":
            model = said.get("model", "e1000")
            driver = "virtio-net-pci" if model.startswith("virtio") else model
            switches = _switches(argv, {"driver": driver})
            found.append(
                ArgumentNic(
                    driver,
                    said.get("type", ""),
                    "",
                    said.get("mac", ""),
                    said.get("id", ""),
                    said.get("ifname", ""),
                    switches,
                )
            )
    for said in (properties(text, "type") for text in options(argv, "net")):
        if said.get("type") == "nic":
            model = said.get("model", "e1000")
            found.append(ArgumentNic("virtio-net-pci" if model.startswith("virtio") else model, "hubport"))
    return found


def _switches(argv: Sequence[str], device: Mapping[str, str]) -> Mapping[str, bool]:
    """The offloads as the device's own words and `-global` leave them; the device's come last."""
    found = dict.fromkeys(("guest_csum", *TSO.values()), True) | {HCK: False}
    driver = device.get("driver", "")
    for text in options(argv, "global"):
        name, _, value = text.partition("=")
        of, _, prop = name.rpartition(".")
        if prop in found and of in (driver, "virtio-net-pci-base", "virtio-net-device"):
            found[prop] = value in TRUE
    for prop in found:
        if prop in device:
            found[prop] = device[prop].lower() in TRUE
    return found
