"""Parses QEMU's command line as far as NICs and monitors go: `-netdev`, `-device`, `-qmp`, `-mon`, `-chardev`."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

from provision.facts.qemu import TRUE
from provision.tables.offloads import HCK, TSO

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

LOOPBACKS = ("127.0.0.1", "[::1]")
_WORD = re.compile(r"(?:[^,]|,,)+")
_ADDRESS = re.compile(r"(?:tcp|telnet):(?P<host>[^:,]*):(?P<port>[0-9]{1,5})(?![0-9])")


@dataclass(frozen=True, slots=True)
class ListeningMonitor:
    """A monitor that QEMU offers, and where it listens."""

    path: str = ""
    """Of a UNIX socket; empty of others."""
    port: int | None = None
    """Of TCP."""
    human: bool = False
    """Whether it speaks to people (HMP) and not QMP."""

    @property
    def places(self) -> tuple[str, ...]:
        """Where it may be reached from its own host."""
        return (self.path,) if self.port is None else tuple(f"tcp:{at}:{self.port}" for at in LOOPBACKS)


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


_MOST_NICS = 256
"""Of one process; whoever says to have more is hostile."""


@lru_cache(maxsize=64)
def netdevs(argv: tuple[str, ...]) -> dict[str, Mapping[str, str]]:
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
        port = re.fullmatch("[0-9]{1,5}", chardev.get("port", ""))
        if chardev.get("path") or port:
            found.append(ListeningMonitor(chardev.get("path", ""), int(port[0]) if port else None, human))
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


def nics_of(argv: tuple[str, ...]) -> list[ArgumentNic]:
    """Every NIC of `-device` and `-nic`, and of `-net nic`, which is behind a hub; of one process not more than 256."""
    return list(islice(_nics(argv), _MOST_NICS))


def _nics(argv: tuple[str, ...]) -> Iterator[ArgumentNic]:
    backends, globally = netdevs(argv), [text.partition("=") for text in options(argv, "global")]
    for said in (properties(text, "driver") for text in options(argv, "device")):
        if "netdev" in said:
            backend = backends.get(said["netdev"], {})
            yield ArgumentNic(
                said.get("driver", ""),
                backend.get("type", ""),
                said.get("id", ""),
                said.get("mac", ""),
                said["netdev"],
                backend.get("ifname", ""),
                _switches(globally, said),
            )
    for said in (properties(text, "type") for text in options(argv, "nic")):
        if said.get("type") != "none":
            driver = _driver(said.get("model", "e1000"))
            mac, netdev, ifname = (said.get(name, "") for name in ("mac", "id", "ifname"))
            switches = _switches(globally, {"driver": driver})
            yield ArgumentNic(driver, said.get("type", ""), "", mac, netdev, ifname, switches)
    for said in (properties(text, "type") for text in options(argv, "net")):
        if said.get("type") == "nic":
            yield ArgumentNic(_driver(said.get("model", "e1000")), "hubport")


def _driver(model: str) -> str:
    return "virtio-net-pci" if model.startswith("virtio") else model


def _switches(globally: Sequence[tuple[str, str, str]], device: Mapping[str, str]) -> Mapping[str, bool]:
    """The offloads as the device's own words and `-global` leave them; the device's come last."""
    found = dict.fromkeys(("guest_csum", *TSO.values()), True) | {HCK: False}
    driver = device.get("driver", "")
    for name, _, value in globally:
        of, _, prop = name.rpartition(".")
        if prop in found and of in (driver, "virtio-net-pci-base", "virtio-net-device"):
            found[prop] = value in TRUE
    for prop in found:
        if prop in device:
            found[prop] = device[prop].lower() in TRUE
    return found
