"""Parses what the scripts of `hck cleanup` say: what HLK's RSC test has left in a Windows guest."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from provision.facts.guest_answer import answer_of, flag_of, rows_of, text_of
from provision.facts.windows_guest import trouble_of
from provision.runtime.errors import reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

SCHEMA = "hck/1"
Kind = Literal["component", "package", "service", "file"]
DRIVERS = ("coalesce.sys", "spartadrv.sys", "netcapdrv6.sys")
"""The test's drivers, by their files: HLK's list of its files (learn.microsoft.com, Run RSC Tests) names spartadrv and
netcapdrv6, and virtio-win's clean-up for it (daynix/VirtHCK, guest_tools/RSC-cleanup.cmd, 2018) all three."""
_PACKAGE = re.compile(r"oem[0-9]{1,9}\.inf")
_MOST, _MOST_TROUBLES = 64, 32


@dataclass(frozen=True, slots=True)
class Leftover:
    """One thing that the test has left."""

    kind: Kind
    name: str
    """A component's of Windows' network configuration, a published package's (`oem12.inf`), a service's, a driver file's."""
    about: str = ""
    """Whose it is, for a person to judge; in the guest's own words."""
    restart: bool = False
    """Whether Windows has taken note of its removal, and it goes when Windows is restarted."""

    def __str__(self) -> str:
        """Kind and name: by it the removing script is told which it may remove."""
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What one script has found in a guest, and what was there still once it had removed what it could."""

    found: tuple[Leftover, ...] = ()
    left: tuple[Leftover, ...] | None = None
    """None of the script that only asks."""
    troubles: tuple[str, ...] = ()


def parse_hck_leftovers(text: str) -> Leftovers:
    """What the test has left.

    :raise UnreadableError: when the text is no answer of such a script's.
    """
    with reading("what a script said that HLK's test has left in the guest", text):
        said = answer_of(text, SCHEMA)
        left = said.get("left")
        return Leftovers(
            tuple(_things(said["found"])),
            None if left is None else tuple(_things(left)),
            tuple(map(trouble_of, rows_of(said.get("troubles"), _MOST_TROUBLES))),
        )


def _things(said: Mapping[str, Any]) -> Iterator[Leftover]:
    for kind, (key, about) in _KINDS.items():
        for row in rows_of(said[key], _MOST):
            name = text_of(row["name"], 120)
            if not _BELIEVABLE[kind](name):
                raise ValueError(f"no {kind} is called so")
            yield Leftover(kind, name, about(row), flag_of(row.get("restart")) is True)


def _joined(row: Mapping[str, Any], *keys: str) -> str:
    return ", ".join(filter(None, (text_of(row.get(key), 120) for key in keys)))


def _about_package(row: Mapping[str, Any]) -> str:
    files = row["files"]
    named = (
        " and ".join(text_of(each, 40) for each in files[: len(DRIVERS)]) if isinstance(files, list) else ""
    )
    return f"names {named}; {_joined(row, 'provider', 'class', 'version')}"


_KINDS: Mapping[Kind, tuple[str, Callable[[Mapping[str, Any]], str]]] = {
    "component": ("components", lambda row: _joined(row, "description", "service")),
    "package": ("packages", _about_package),
    "service": ("services", lambda row: _joined(row, "state", "file")),
    "file": ("files", lambda row: _joined(row, "company", "version")),
}
"""By kind: under which key a script says them, and what is told of one."""

_BELIEVABLE: Mapping[Kind, Callable[[str], object]] = {
    "component": bool,
    "package": _PACKAGE.fullmatch,
    "service": bool,
    "file": DRIVERS.__contains__,
}
"""What things are called: no other name is taken from a guest, and handed to the script that removes them."""
