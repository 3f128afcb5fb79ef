"""Parses QEMU's command line as far as NICs and monitors go: `-netdev`, `-device`, `-qmp`, `-mon`, `-chardev`."""

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
    refused: str = ""
    """Why nobody could ask it in QMP, though it is there."""

    @property
    def places(self) -> tuple[str, ...]:
        """Where it may be reached from its own host."""
        return (self.path,) if self.port is None else tuple(f"tcp:{at}:{self.port}" for at in LOOPBACKS)


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
    for number, word in enumerate(_WORD.findall(text)):
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


def monitors(argv: Sequence[str]) -> list[ListeningMonitor]:
    """The monitors at sockets that QEMU was started with; those on descriptors, pipes and terminals are left out."""
    chardevs = _socket_chardevs(argv)
    found = [
        _monitor(_address(text), human=name == "monitor", pretty=name == "qmp-pretty")
        for name in ("qmp", "qmp-pretty", "monitor")
        for text in options(argv, name)
    ]
    for said in (properties(text, "chardev") for text in options(argv, "mon")):
        chardev = chardevs.get(said.get("chardev", ""), {})
        human = said.get("mode", "readline") != "control"
        found.append(_monitor(chardev, human=human, pretty=said.get("pretty", "off") in TRUE))
    return [each for each in found if each.path or each.port is not None]


def _socket_chardevs(argv: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
    """The chardevs that are sockets, by their ids."""
    found = (properties(text, "backend") for text in options(argv, "chardev"))
    return {said.get("id", ""): said for said in found if said.get("backend") == "socket"}


_AGENT = "org.qemu.guest_agent.0"


def agent_socket(argv: Sequence[str]) -> str:
    """The path at which QEMU listens for who asks the guest agent; empty where it does not, or we could not ask there."""
    chardevs = _socket_chardevs(argv)
    for said in (properties(text, "driver") for text in options(argv, "device")):
        if said.get("driver") == "virtserialport" and said.get("name") == _AGENT:
            found = _monitor(chardevs.get(said.get("chardev", ""), {}), human=False, pretty=False)
            return "" if found.refused else found.path
    return ""


def _address(text: str) -> Mapping[str, str]:
    """`unix:PATH,server=on` or `tcp:HOST:PORT,server` as a chardev's properties; what is neither is nowhere."""
    first, _, more = text.partition(",")
    if text.startswith("unix:"):
        path = _WORD.findall(text.removeprefix("unix:"))[:1]
        more = text.removeprefix("unix:")[len(path[0]) + 1 :] if path else ""
        return {**properties(f"unix,{more}", "backend"), "path": path[0].replace(",,", ",") if path else ""}
    address = _ADDRESS.match(first)
    if address is None:
        return {}
    telnet = {"telnet": "on"} if first.startswith("telnet:") else {}
    return {**properties(f"tcp,{more}", "backend"), "port": address["port"], **telnet}


_UNREAD = {
    "abstract": "is at an abstract socket",
    "telnet": "speaks telnet",
    "websocket": "speaks WebSocket",
    "tls-creds": "speaks TLS",
}


def _monitor(chardev: Mapping[str, str], *, human: bool, pretty: bool) -> ListeningMonitor:
    port = re.fullmatch("[0-9]{1,5}", chardev.get("port", ""))
    refused = next((why for key, why in _UNREAD.items() if chardev.get(key, "off") not in FALSE), "")
    if chardev.get("server", "off") not in TRUE:
        refused = "is a client's, which listens nowhere"
    elif pretty:
        refused = "lays its answers out over several lines (pretty=on)"
    return ListeningMonitor(chardev.get("path", ""), int(port[0]) if port else None, human, refused)


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
