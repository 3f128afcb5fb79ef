"""Parses `ethtool --json -k`, in the tool's own words: active, requested, fixed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import product
from typing import Any

from provision.facts.iproute_json import parse_json
from provision.runtime.errors import reading


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature of one network device."""

    active: bool
    requested: bool | None
    """What user space last asked for; None on group lines, which have none of their own."""
    fixed: bool | None

    def __str__(self) -> str:
        """As `ethtool -k` prints it, for people who know that."""
        words = "on" if self.active else "off"
        if self.fixed:
            return f"{words} [fixed]"
        if self.requested is not None and self.requested != self.active:
            return f"{words} [requested {'on' if self.requested else 'off'}]"
        return words


# ethtool's common.c, off_flag_def: what else it sets is not asked for, and comes back with what it needs.
GROUPS = {
    "rx-checksumming": "rx-checksum",
    "tx-checksumming": "tx-checksum-*",
    "scatter-gather": "tx-scatter-gather*",
    "tcp-segmentation-offload": "tx-tcp*-segmentation",
    "udp-fragmentation-offload": "tx-udp-fragmentation",
}
"""The kinds that ethtool sets by a group's name. Where a group has but one, the name may be the kind's own, too."""


def is_of(name: str, said: str) -> bool:
    """Whether setting a feature or group sets this feature."""
    return name == said or fnmatchcase(name, GROUPS.get(said, ""))


Features = Mapping[str, Feature]

_KINDS: Mapping[object, Feature] = {
    said: Feature(*said) for said in product((True, False), (True, False, None), (True, False, None))
}
"""Every feature that there can be, by what is said of it: a host with a hundred TAPs tells of 6,000."""


def _device(said: Any) -> tuple[str, Features]:
    name = said["ifname"]
    if not isinstance(name, str):
        raise TypeError("no name")
    return name, {
        feature: _KINDS[value["active"], value.get("requested"), value.get("fixed")]
        for feature, value in said.items()
        if feature != "ifname"
    }


def parse_features(text: str) -> dict[str, Features]:
    """Features by device, from `ethtool --json -k '*'` or of one device.

    :raise UnreadableError: when the text is anything else.
    """
    with reading("ethtool's features", text):
        return dict(map(_device, parse_json(text)))


@dataclass(frozen=True, slots=True)
class FeaturesRead:
    """The features of every device of a host, or why they could not be read."""

    devices: Mapping[str, Features]
    trouble: str = ""
