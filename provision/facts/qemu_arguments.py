"""Parses QEMU's command line as far as NICs and monitors go: `-netdev`, `-device`, `-qmp`, `-mon`, `-chardev`."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

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
