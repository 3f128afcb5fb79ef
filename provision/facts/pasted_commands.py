"""Finds calls of ethtool in a line that somebody pasted, and the devices that a shell handed to them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Asked = Literal["features", "change", "other"]

DEVICE = r"[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,14}"
"""What a device is called in practice; the kernel takes nearly anything of up to 15 bytes."""

_OPTIONS: Mapping[str, Asked] = {
    "-k": "features",
    "--show-features": "features",
    "--show-offload": "features",
    "-K": "change",
    "--features": "change",
    "--offload": "change",
}
_CALL = re.compile(r"\bethtool\b(?P<options>(?:\s{1,20}--?[A-Za-z-]{1,30}){0,6})(?P<rest>[^|;&>`\n]{0,400})")
_FILE = re.compile(rf"\bethtool_(?P<option>-[a-z]+)_(?P<device>{DEVICE})")
_WORD = re.compile(
    rf"\s+(?P<quote>[\"']?)(?P<device>{DEVICE})(?P=quote)(?=[\s.,:)*\]]|$)(?P<after>.*)", re.DOTALL
)
_VARIABLE = re.compile(
    r"\s+[\"']?\$\{?(?P<name>[A-Za-z_][A-Za-z0-9_]{0,30})\}?[\"']?(?P<after>.*)", re.DOTALL
)
_SETTING = re.compile(r"([a-z0-9][a-z0-9-]{0,50})\s{1,20}(on|off)\b")
# A call ends its line, or an operator ends it; `watch` puts the host's name and the time behind it.
_PROSE = re.compile(r"[\"'.,:)*\]]{0,4}\s{1,20}(?!\s|#|[0-9]?$|Features\b)[^\W\d]")
_LOOP = re.compile(r"\bfor\s+(?P<name>[A-Za-z_][A-Za-z0-9_]{0,30})\s+in\s+(?P<words>[^;\n]*)")
_LET = re.compile(r"(?:^|[\s;])(?P<name>[A-Za-z_][A-Za-z0-9_]{0,30})=(?P<word>[^\s;&|]{0,60})")
_READ = re.compile(r"\bread\s+(?:-r\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_]{0,30})")
_MOST_WORDS = 200

Devices = tuple[str, ...] | None
"""The devices that a shell's variable stands for, in order; None: they were not pasted."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of ethtool."""

    asked: Asked
    devices: Devices
    """One, or those of a loop in order; None where it cannot be told which."""
    filed: bool = False
    """Whether it is but the name of a file with what one printed, which grep puts before each line of it."""
    settings: tuple[tuple[str, str], ...] = ()
    """Of a change: each feature, and `on` or `off`."""


def variables_in(line: str) -> dict[str, Devices]:
    """What loops and assignments of a shell make of their variables."""
    found: dict[str, Devices] = {let["name"]: _known([let["word"]]) for let in _LET.finditer(line)}
    found |= {loop["name"]: _known(loop["words"].split()) for loop in _LOOP.finditer(line)}
    return found | {read["name"]: None for read in _READ.finditer(line)}


def _known(words: list[str]) -> Devices:
    """The devices that words of a shell are; None where the shell makes something else of one, as of `$(ls)`."""
    devices = tuple(word.strip("\"'") for word in words[: _MOST_WORDS + 1])
    known = 0 < len(devices) <= _MOST_WORDS and all(re.fullmatch(DEVICE, each) for each in devices)
    return devices if known else None


def _call(found: re.Match[str], variables: Mapping[str, Devices], *, watched: bool) -> Call:
    asked: Asked = next((_OPTIONS[each] for each in found["options"].split() if each in _OPTIONS), "other")
    word = _WORD.match(found["rest"])
    named = word or _VARIABLE.match(found["rest"])
    if named is None:
        return Call(asked, None)
    devices = (named["device"].rstrip(".:"),) if word else variables.get(named["name"])
    if asked == "change":
        return Call(
            asked, devices, settings=tuple((each[1], each[2]) for each in _SETTING.finditer(named["after"]))
        )
    if not watched and _PROSE.match(named["after"]):
        return Call(asked, None)
    return Call(asked, devices)


def calls_in(line: str, variables: Mapping[str, Devices]) -> Iterator[tuple[int, Call]]:
    """Every call of ethtool in a line with its end; also as the name of a file that holds what one printed."""
    for found in _CALL.finditer(line):
        yield found.end("options"), _call(found, variables, watched=line.startswith("Every "))
    for found in _FILE.finditer(line):
        yield (
            found.end(),
            Call(_OPTIONS.get(found["option"], "other"), (found["device"].rstrip("."),), filed=True),
        )
