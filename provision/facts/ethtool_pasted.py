"""Finds output of `ethtool -k` and `-c` in text that a person pasted, whatever stands around it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from provision.facts.ethtool_coalesce import Coalesce, parse_coalesce
from provision.facts.ethtool_features import Features, parse_features
from provision.facts.pasted_blocks import Block, blocks_in
from provision.facts.pasted_features import Shown, told_apart
from provision.facts.pasted_lines import plain_lines
from provision.runtime.errors import UnreadableError
from provision.tables.offloads import TAP_CHECKSUM, TAP_TSO

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

_PAIR = re.compile(r"\b(Adaptive|CQE mode) RX:\s{1,20}(on|off|n/a)\s{1,20}TX:\s{1,20}(on|off|n/a)(?![\w/-])")
_NUMBER = re.compile(
    r"(?<![\w./-])([a-z]{1,20}(?:-[a-z]{1,20}){1,4})(?::|(?<=tx-aggr-time-usecs))\s{1,20}([0-9]{1,10}|n/a)(?![\w./-])"
)
_LIST = re.compile(r"^\[\s*\{", re.MULTILINE)
_MOST_LISTS = 100
_TELLING = frozenset(
    {
        TAP_CHECKSUM,
        *TAP_TSO,
        "tx-checksumming",
        "tcp-segmentation-offload",
        "generic-receive-offload",
    }
)
"""Without any of these, lines of no device are not worth a word: other programs print `name: on`, too."""


@dataclass(frozen=True, slots=True)
class Pasted:
    """What was recognised, by device; a device that was asked twice is there twice, in order."""

    features: tuple[Shown, ...] = ()
    dumped: tuple[tuple[str, Features], ...] = ()
    """Of devices that were asked together, `ethtool --json -k '*'`."""
    coalesce: tuple[tuple[str, Coalesce | None], ...] = ()
    """None where it is cut off, or of a form that cannot be read."""
    settings: tuple[tuple[str, str, str], ...] = ()
    """Devices with the features that `ethtool -K` was told to set, and `on` or `off`."""


def _coalesce(device: str, block: Block) -> Coalesce | None:
    """The block in the form in which ethtool prints it, for the one parser that there is."""
    text = "\n".join(block.text)
    said = [f"{pair[1]} RX: {pair[2]}  TX: {pair[3]}" for pair in _PAIR.finditer(text)]
    said += [f"{number[1]}: {number[2]}" for number in _NUMBER.finditer(text)]
    try:
        return parse_coalesce(f"Coalesce parameters for {device}:\n" + "\n".join(said) + "\n\n")
    except UnreadableError:
        return None


def _json_features(text: str) -> Iterator[Mapping[str, Features]]:
    """Every JSON list in the text that is `ethtool --json -k`'s."""
    decoder, at = json.JSONDecoder(), 0
    for _ in range(_MOST_LISTS):
        begin = _LIST.search(text, at)
        if begin is None:
            return
        try:
            _, at = decoder.raw_decode(text, begin.start())
            yield parse_features(text[begin.start() : at])
        except (ValueError, RecursionError, UnreadableError):
            at = max(at, begin.end())


def _told(blocks: Sequence[Block]) -> list[Shown]:
    """What each block shows; what bears on RSC, or, where nothing does, of named devices whatever there is."""
    found = [
        (block, replace(shown, answer=block.what == "change"))
        for block in blocks
        if block.lines.said and block.what != "coalesce"
        for shown in told_apart(block.lines)
    ]
    telling = [shown for block, shown in found if _TELLING & _names(block, shown)]
    return telling or [shown for _, shown in found if shown.device]


def _names(block: Block, shown: Shown) -> AbstractSet[str]:
    """The features of which something is shown, if only that it cannot be told."""
    return {each.name for each in block.lines.said} if shown.trouble else shown.features.keys()


def _settled(told: Sequence[Shown]) -> Iterator[Shown]:
    """What is shown of each device, where nothing shows it after a change as the change has left it."""
    last = {shown.device: at for at, shown in enumerate(told) if not shown.answer}
    before: dict[str, Features] = {}
    for at, shown in enumerate(told):
        if not shown.answer:
            before[shown.device] = shown.features
            yield shown
        elif shown.device and not shown.trouble and last.get(shown.device, -1) < at:
            before[shown.device] = {**before.get(shown.device, {}), **shown.features}
            yield replace(shown, features=before[shown.device])


def parse_pasted(text: str) -> Pasted:
    """All of ethtool's that can be recognised in a text; of other text nothing."""
    lines = plain_lines(text)
    blocks, settings = blocks_in(lines)
    lists = list(_json_features("\n".join(lines)))
    alone = [item for devices in lists if len(devices) == 1 for item in devices.items()]
    tuned = (
        (block, device)
        for block in blocks
        if block.what == "coalesce"
        for device in block.lines.devices or ()
    )
    return Pasted(
        features=(*_settled(_told(blocks)), *(Shown(*item) for item in alone)),
        dumped=tuple(item for devices in lists if len(devices) > 1 for item in devices.items()),
        coalesce=tuple((device, _coalesce(device, block)) for block, device in tuned),
        settings=tuple(settings),
    )
