"""Parses QEMU's command line as far as NICs go: `-netdev`, `-device`, `-nic`, `-net`, `-set`, `-global`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

from provision.facts.qemu import FALSE, TRUE
from provision.runtime.untrusted import read_json
from provision.tables.models import is_nic
from provision.tables.offloads import BY_NAME, OFFLOADS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

WORD = re.compile(r"(?:[^,]|,,)+")


def options(argv: Sequence[str], *names: str) -> Iterator[str]:
    """The values of these options, in their order."""
    wanted = {f"{dashes}{name}" for name in names for dashes in ("-", "--")}
    yield from (argv[at + 1] for at in range(1, len(argv) - 1) if argv[at] in wanted)


def _word(value: object) -> str:
    """A JSON value as it would stand on a command line."""
    return ("on" if value else "off") if isinstance(value, bool) else str(value)


_LONGEST = 128 << 10
"""Bytes of an argument that Linux hands to a program (MAX_ARG_STRLEN)."""


def properties(text: str, first: str) -> Mapping[str, str]:
    """What one option says, as words or as JSON; a bare first word is the property `first`, any other a switch."""
    if len(text) > _LONGEST:
        return {}
    if text.startswith("{"):
        try:
            said = read_json(text)
        except ValueError:
            return {}
        return {key: _word(value) for key, value in said.items()} if isinstance(said, dict) else {}
    found: dict[str, str] = {}
    for number, word in enumerate(WORD.findall(text)):
        name, equals, value = word.replace(",,", ",").partition("=")
        if equals:
            found[name] = value
        else:
            found |= {first: name} if number == 0 else {name: "on"}
    return found


QUEUE_SIZE = 256
"""Descriptors of a virtio NIC's queue where nothing is said (hw/net/virtio-net.c)."""
MOST_NICS = 256
"""Of one process that are looked at; whoever says to have more is hostile."""


@lru_cache(maxsize=64)
def netdevs(argv: tuple[str, ...]) -> dict[str, Mapping[str, str]]:
    """Each `-netdev` by its id."""
    found = (properties(text, "type") for text in options(argv, "netdev"))
    later = _set_later(argv)
    return {said["id"]: {**said, **later.get(("netdev", said["id"]), {})} for said in found if "id" in said}


_SET = re.compile(r"(?P<group>device|netdev)\.(?P<id>[^.]+)\.(?P<property>[^=]+)=(?P<value>.*)", re.DOTALL)


def _set_later(argv: Sequence[str]) -> Mapping[tuple[str, str], Mapping[str, str]]:
    """What `-set` says of devices and netdevs, by group and id."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for word in options(argv, "set"):
        if said := _SET.fullmatch(word):
            found.setdefault((said["group"], said["id"]), {})[said["property"]] = said["value"]
    return found


def taps_in(argv: tuple[str, ...]) -> int:
    """How many TAPs the arguments make: of `-netdev`, `-nic` and `-net`."""
    said = (properties(text, "type").get("type", "") for text in options(argv, "netdev", "nic", "net"))
    return sum(kind in ("tap", "bridge") for kind in said)


@dataclass(frozen=True, slots=True)
class ArgumentNic:
    """A NIC as the command line has it; what was plugged in later is not there."""

    driver: str
    backend: str
    """The netdev's type, `hub` or `none`; empty where the device names one that is not there."""
    id: str = ""
    mac: str = ""
    netdev: str = ""
    ifname: str = ""
    switches: Mapping[str, bool] = field(default_factory=dict)
    """Every offload: on unless it is said otherwise, but for QEMU's own engine (hw/net/virtio-net.c)."""
    by_fd: bool = False
    """Whether somebody else opened its TAP and handed QEMU the descriptor."""
    vnet_header: bool = True
    """Whether QEMU asks for one where it opens the TAP."""
    vhost: bool = False
    standby: bool = False
    """Whether it is the standby of a failover pair."""
    queues: int = 1
    """Pairs of them that its guest can use."""
    rx_queue_size: int = QUEUE_SIZE
    """Descriptors."""


def nics_of(argv: tuple[str, ...]) -> list[ArgumentNic]:
    """Every NIC of `-device`, `-nic` and `-net nic`; of more than 256 one more than these."""
    return list(islice(_nics(argv), MOST_NICS + 1))


def _nics(argv: tuple[str, ...]) -> Iterator[ArgumentNic]:
    backends, globally = netdevs(argv), globals_of(argv)
    later = _set_later(argv)
    for own in (properties(text, "driver") for text in options(argv, "device")):
        said: Mapping[str, str] = {**own, **later.get(("device", own.get("id", "")), {})}
        driver, netdev = said.get("driver", ""), said.get("netdev", "")
        if netdev or is_nic(driver):
            backend = backends.get(netdev, {}) if netdev else {"type": "none"}
            yield _nic(driver, said, backend, _switches(globally, driver, said))
    for said in (properties(text, "type") for text in options(argv, "nic")):
        if said.get("type") != "none":
            driver = _driver(said.get("model", "e1000"))
            # `id=` names the netdev here, and the device has none.
            given = {"netdev": said.get("id", ""), "mac": said.get("mac", "")}
            yield _nic(driver, given, said, _switches(globally, driver, {}))
    for said in (properties(text, "type") for text in options(argv, "net")):
        if said.get("type") == "nic":
            driver, netdev = _driver(said.get("model", "e1000")), said.get("netdev", "")
            given = {"netdev": netdev, "mac": said.get("macaddr", "")}
            backend = backends.get(netdev, {}) if netdev else {"type": "hub"}
            yield _nic(driver, given, backend, _switches(globally, driver, {}))


def _nic(
    driver: str, device: Mapping[str, str], backend: Mapping[str, str], switches: Mapping[str, bool]
) -> ArgumentNic:
    kind = backend.get("type", "")
    return ArgumentNic(
        driver,
        kind,
        device.get("id", ""),
        device.get("mac", ""),
        device.get("netdev", ""),
        backend.get("ifname", ""),
        switches,
        by_fd=kind == "tap" and not {"fd", "fds"}.isdisjoint(backend),
        vnet_header=backend.get("vnet_hdr", "on").lower() not in FALSE,
        vhost=backend.get("vhost", "off").lower() in TRUE,
        standby=device.get("failover", "off").lower() in TRUE,
        queues=_queues(backend) if device.get("mq", "off").lower() in TRUE else 1,
        rx_queue_size=int(size) if _NUMBER.fullmatch(size := device.get("rx_queue_size", "")) else QUEUE_SIZE,
    )


_NUMBER = re.compile("[1-9][0-9]{0,4}")


def _queues(backend: Mapping[str, str]) -> int:
    """How many pairs of queues a netdev has: a number, or a descriptor each."""
    said = backend.get("queues", "")
    return int(said) if _NUMBER.fullmatch(said) else backend.get("fds", "").count(":") + 1


_ALIASES = {"virtio": "virtio-net-pci", "virtio-net": "virtio-net-pci"}
"""Short names that QEMU itself takes (hw/pci/pci.c, system/qdev-monitor.c)."""


def _driver(model: str) -> str:
    return _ALIASES.get(model, model)


_BASES = ("virtio-net-pci-base", "virtio-pci")
_INNER = ("virtio-net-device", "virtio-device")
"""Classes whose `-global` reaches the device inside; what is said to its PCI device wins (measured, QEMU 7.2)."""
_SHORT = re.compile(r"(?P<driver>[^.=]+)\.(?P<property>[^=]+)=(?P<value>.*)", re.DOTALL)


def globals_of(argv: Sequence[str]) -> list[tuple[str, str, str]]:
    """Driver, property and value of each `-global`, in either form."""
    found: list[tuple[str, str, str]] = []
    for word in options(argv, "global"):
        if short := _SHORT.fullmatch(word):
            found.append((short["driver"], short["property"], short["value"]))
        else:
            said = properties(word, "driver")
            found.append((said.get("driver", ""), said.get("property", ""), said.get("value", "")))
    return found


def told_to(driver: str, globally: Sequence[tuple[str, str, str]]) -> dict[str, bool]:
    """What `-global` says of a driver's offloads; of the same property twice the last."""
    return {
        name: value in TRUE
        for classes in (_INNER, (_driver(driver), *_BASES))
        for told, name, value in globally
        if told in classes and name in BY_NAME and value in TRUE | FALSE
    }


def _switches(
    globally: Sequence[tuple[str, str, str]], driver: str, device: Mapping[str, str]
) -> Mapping[str, bool]:
    """The offloads as the device's own words and `-global` leave them; the device's come last."""
    own = {row.name: device[row.name].lower() in TRUE for row in OFFLOADS if row.name in device}
    return {row.name: row.default for row in OFFLOADS} | told_to(driver, globally) | own
