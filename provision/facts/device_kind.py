"""Tells by the features of a network device what kind of device it is, as far as they tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from provision.tables.device_names import TAP_NAME
from provision.tables.offloads import TAP_CHECKSUM, TAP_TSO

if TYPE_CHECKING:
    from collections.abc import Collection

    from provision.facts.ethtool_features import Features

LIKE_A_TAP = ("rx-checksumming", "highdma")
"""`off [fixed]` on every TAP (Linux, drivers/net/tun.c), and not both on a NIC, a VLAN, a bond, a bridge or a veth."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What kind of device the features are those of, and what says so."""

    name: Literal["tap", "macvtap", "other", "unsure"]
    why: str = ""


def _another(features: Features) -> str:
    """What no TAP has, of which a device that has it is some other one; empty where there is no such line."""
    for name in (TAP_CHECKSUM, *TAP_TSO):
        if name in features and features[name].fixed:
            return f"{name} is {features[name]}"
    for name in LIKE_A_TAP:
        if name in features and features[name].active:
            return f"{name} is on"
        # A bridge whose ports are all TAPs has highdma `off [requested on]` (measured, kernel 6.18).
        if name in features and features[name].fixed is False:
            return f"{name} can be switched"
    return ""


def device_kind(device: str, features: Features, taps: Collection[str] = ()) -> Kind:
    """What a device is by its lines, and, where they do not tell, by a name that only TAPs are given.

    `taps` are names of which something else tells that they are TAPs'.

    Linux: drivers/net/tun.c has neither receive checksum nor HIGHDMA, and TSO can be switched; macvtap.c shows the
    lower device's offloads as fixed.
    """
    csum, tso = features.get(TAP_CHECKSUM), [features[name] for name in TAP_TSO if name in features]
    if csum is not None and csum.active and csum.fixed and tso and all(t.active and t.fixed for t in tso):
        return Kind("macvtap")
    if why := _another(features):
        return Kind("other", why)
    if all(name in features and features[name].fixed for name in LIKE_A_TAP):
        return Kind("tap")
    if device in taps:
        return Kind("tap", f"{device} is the TAP of a machine in what was pasted")
    if TAP_NAME.fullmatch(device):
        return Kind("tap", f"{device} is taken for a TAP by its name")
    return Kind("unsure")
