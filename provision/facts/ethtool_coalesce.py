"""Parses `ethtool -c`: the text of every version, and the JSON of those that have one.

A device that has none ends with rc 1, nothing printed and `Operation not supported`, which is for the caller to see.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from provision.facts.iproute_json import parse_json
from provision.runtime.errors import reading

Coalesce = Mapping[str, int | bool]
"""What a device supports, by the words that `ethtool -C` takes; what it does not support is absent."""

SWITCHES = frozenset({"adaptive-rx", "adaptive-tx", "cqe-mode-rx", "cqe-mode-tx"})

_SINGULAR = {
    f"{way}-frame-{rate}": f"{way}-frames-{rate}" for way in ("rx", "tx") for rate in ("low", "high")
}

# Printed by every version since the first, over netlink and by ioctl; later ones have groups after these.
_ALWAYS = frozenset(
    f"{way}-{what}{when}"
    for way in ("rx", "tx")
    for what in ("usecs", "frames")
    for when in ("", "-irq", "-low", "-high")
) | {"adaptive-rx", "adaptive-tx", "stats-block-usecs", "sample-interval", "pkt-rate-low", "pkt-rate-high"}

_HEAD = re.compile(r"Coalesce parameters for \S+:")
_PAIRS = {"Adaptive": "adaptive", "CQE mode": "cqe-mode"}
_PAIR = re.compile(r"(Adaptive|CQE mode) RX: (on|off|n/a)  TX: (on|off|n/a)")
# 6.1 has a blank after the colon, later ones have tabs, and some of those no colon after tx-aggr-time-usecs.
_NUMBER = re.compile(r"([a-z][a-z-]*)(?:: |:\t+|(?<=tx-aggr-time-usecs)\t)(0|[1-9][0-9]{0,9}|n/a)")
_LARGEST = 2**32 - 1


def coalesce_name(printed: str) -> str:
    """The word that `ethtool -C` takes: `-c` prints rx-frame-low where `-C` wants rx-frames-low."""
    return _SINGULAR.get(printed, printed)


def _said(line: str) -> Iterable[tuple[str, int | bool | None]]:
    """What one line says; None for `n/a`.

    :raise ValueError: when it is no line of ethtool's.
    """
    if pair := _PAIR.fullmatch(line):
        for way, word in zip(("rx", "tx"), pair.groups()[1:], strict=True):
            yield f"{_PAIRS[pair[1]]}-{way}", None if word == "n/a" else word == "on"
    elif number := _NUMBER.fullmatch(line):
        yield coalesce_name(number[1]), None if number[2] == "n/a" else int(number[2])
    else:
        raise ValueError(line)


def _distinct(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(name)
        found[name] = value
    return found


def _checked(found: Mapping[str, object]) -> Coalesce:
    checked: dict[str, int | bool] = {}
    for name, value in found.items():
        if not isinstance(value, int) or isinstance(value, bool) is not (name in SWITCHES):
            raise ValueError(name)
        if not 0 <= value <= _LARGEST:
            raise ValueError(name)
        checked[name] = value
    return checked


def _read(text: str) -> Coalesce:
    head, *lines = text.split("\n")
    found = _distinct(said for line in lines if line for said in _said(line))
    # Every group ends with an empty line, the last one too.
    if not _HEAD.fullmatch(head) or not text.endswith("\n\n") or not found.keys() >= _ALWAYS:
        raise ValueError(head)
    return _checked({name: value for name, value in found.items() if value is not None})


def _read_json(text: str) -> Coalesce:
    devices: Any = parse_json(text, object_pairs_hook=_distinct)
    match devices:
        case [{"ifname": str(), **said}]:
            return _checked(_distinct((coalesce_name(str(name)), value) for name, value in said.items()))
    raise ValueError("not one device")


def parse_coalesce(text: str) -> Coalesce:
    """What `ethtool -c DEV` says of one device.

    :raise UnreadableError: when the text is anything else, cut off or without a group that every version prints.
    """
    with reading("ethtool's coalescing", text):
        return _read(text)


def parse_coalesce_json(text: str) -> Coalesce:
    """What `ethtool --json -c DEV` says of one device.

    :raise UnreadableError: when the text is anything else. That is also so where older versions name both the
        adaptive and the CQE pair `rx` and `tx`; their text can be read.
    """
    with reading("ethtool's coalescing", text):
        return _read_json(text)
