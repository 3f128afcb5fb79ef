"""Finds `ethtool -k` and `-c` output in text that a person pasted: prompts, quotes, fences and all."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from provision.facts.ethtool_coalesce import Coalesce, parse_coalesce
from provision.facts.ethtool_features import Feature, Features, parse_features
from provision.runtime.errors import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_QUOTE = re.compile(r"^(?:\s{0,3}>)+ ?")
_ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_HEAD = re.compile(r"(Features|Coalesce parameters) for (\S{1,60}):")
_COMMAND = re.compile(r"\bethtool\b(?P<options>(?:\s+--?\S+)*)(?:\s+(?P<device>[^\s|;&>`]+))?")
_SHOWS_FEATURES = {"-k", "--show-features", "--show-offload"}
_FEATURE = re.compile(
    r"([a-z][a-z0-9_-]{1,50}):\s+(on|off)(?:\s+\[(fixed|requested on|requested off|not requested)\])?"
)
_PAIR = re.compile(r"(Adaptive|CQE mode) RX:\s+(on|off|n/a)\s+TX:\s+(on|off|n/a)")
_NUMBER = re.compile(r"([a-z][a-z-]{1,50}):?\s+([0-9]{1,10}|n/a)")
_GROUPS = frozenset({"tx-checksumming", "scatter-gather", "tcp-segmentation-offload"})
_MOST_LISTS = 100


@dataclass(frozen=True, slots=True)
class Pasted:
    """What was recognised, by device; a device that was asked twice is there twice, in order."""

    features: tuple[tuple[str, Features], ...] = ()
    dumped: tuple[tuple[str, Features], ...] = ()
    """Of devices that were asked together, `ethtool --json -k '*'`."""
    coalesce: tuple[tuple[str, Coalesce | None], ...] = ()
    """None where it is cut off, or of a form that cannot be read."""


@dataclass
class _Block:
    """Lines of one command about one device."""

    what: str
    device: str
    lines: list[str] = field(default_factory=list)


def _cleaned(text: str) -> list[str]:
    """The lines without what surrounds them in mails, bug reports and terminals."""
    return [_QUOTE.sub("", _ESCAPE.sub("", line)).strip() for line in re.split(r"\r\n|\r|\n", text)]


def _begun(line: str) -> _Block | None:
    """The block that a line begins; a prompt begins one, too, whose head may have been cut away by grep."""
    if head := _HEAD.fullmatch(line):
        return _Block("features" if head[1] == "Features" else "coalesce", head[2])
    command = _COMMAND.search(line)
    if command is None or not command["device"] or not _SHOWS_FEATURES & set(command["options"].split()):
        return None
    return _Block("features", command["device"].strip("'\""))


def _blocks(lines: list[str]) -> Iterator[_Block]:
    block = _Block("", "")
    for line in lines:
        begun = _begun(line)
        if begun is not None or "ethtool" in line or line.startswith("```"):
            yield block
            block = begun or _Block("", "")
        elif line:
            block.lines.append(line)
    yield block


def _feature(word: str, note: str | None, *, group: bool) -> Feature:
    active = word == "on"
    if group:
        return Feature(active, None, None)
    if note == "fixed":
        return Feature(active, None, fixed=True)
    return Feature(active, requested={None: active, "requested on": True}.get(note, False), fixed=False)


def _features(block: _Block) -> Features:
    said = (_FEATURE.fullmatch(line) for line in block.lines)
    return {line[1]: _feature(line[2], line[3], group=line[1] in _GROUPS) for line in said if line}


def _coalesce(block: _Block) -> Coalesce | None:
    """The block in the form in which ethtool prints it, for the one parser that there is."""
    said: list[str] = []
    for line in block.lines:
        if pair := _PAIR.fullmatch(line):
            said.append(f"{pair[1]} RX: {pair[2]}  TX: {pair[3]}")
        elif number := _NUMBER.fullmatch(line):
            said.append(f"{number[1]}: {number[2]}")
    try:
        return parse_coalesce(f"Coalesce parameters for {block.device}:\n" + "\n".join(said) + "\n\n")
    except UnreadableError:
        return None


def _json_features(text: str) -> Iterator[Mapping[str, Features]]:
    """Every JSON list in the text that is `ethtool --json -k`'s."""
    decoder, at = json.JSONDecoder(), 0
    for _ in range(_MOST_LISTS):
        begin = re.compile(r"^\[\s*\{", re.MULTILINE).search(text, at)
        if begin is None:
            return
        try:
            _, at = decoder.raw_decode(text, begin.start())
            yield parse_features(text[begin.start() : at])
        except (ValueError, RecursionError, UnreadableError):
            at = max(at, begin.end())


def parse_pasted(text: str) -> Pasted:
    """All of ethtool's that can be recognised in a text; of other text nothing."""
    lines = _cleaned(text)
    blocks = list(_blocks(lines))
    lists = list(_json_features("\n".join(lines)))
    alone = [item for devices in lists if len(devices) == 1 for item in devices.items()]
    features = [(block.device, _features(block)) for block in blocks if block.what == "features"]
    return Pasted(
        features=(*((device, found) for device, found in features if found), *alone),
        dumped=tuple(item for devices in lists if len(devices) > 1 for item in devices.items()),
        coalesce=tuple((block.device, _coalesce(block)) for block in blocks if block.what == "coalesce"),
    )
