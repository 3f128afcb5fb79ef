"""Parses where QEMU listens, out of its command line: its monitors, and who asks the guest agent."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from provision.facts.qemu import FALSE, TRUE
from provision.facts.qemu_arguments import WORD, options, properties
from provision.runtime.guest_channel import AGENT_PORT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LOOPBACKS = ("127.0.0.1", "[::1]")
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


def agent_socket(argv: Sequence[str]) -> str:
    """The path at which QEMU listens for who asks the guest agent; empty where it does not, or we could not ask there."""
    chardevs = _socket_chardevs(argv)
    for said in (properties(text, "driver") for text in options(argv, "device")):
        if said.get("driver") == "virtserialport" and said.get("name") == AGENT_PORT:
            found = _monitor(chardevs.get(said.get("chardev", ""), {}), human=False, pretty=False)
            return "" if found.refused else found.path
    return ""


def _address(text: str) -> Mapping[str, str]:
    """`unix:PATH,server=on` or `tcp:HOST:PORT,server` as a chardev's properties; what is neither is nowhere."""
    first, _, more = text.partition(",")
    if text.startswith("unix:"):
        path = WORD.findall(text.removeprefix("unix:"))[:1]
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
