"""Lines of `ethtool -k` that somebody pasted, as features of the devices that they are of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from provision.facts.ethtool_features import Feature, Features
from provision.runtime.safe_text import short

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from provision.facts.pasted_commands import Devices

_GROUPS = frozenset({"tx-checksumming", "scatter-gather", "tcp-segmentation-offload"})
_ORDER = (
    "rx-checksumming",
    "tx-checksumming",
    "tx-checksum-ip-generic",
    "tcp-segmentation-offload",
    "tx-tcp-segmentation",
    "tx-tcp6-segmentation",
    "generic-segmentation-offload",
    "generic-receive-offload",
    "highdma",
)
"""In which every version prints them (ethtool's features.c: groups first, then as the kernel numbers them)."""
_PLACES = {name: place for place, name in enumerate(_ORDER)}
_SEVERAL = "lines of several devices follow each other, and which are whose cannot be told"
_NAMES = 200


@dataclass(frozen=True, slots=True)
class Said:
    """One feature in one line."""

    name: str
    word: str
    note: str | None
    section: int = 0
    """By how many lines that name a device it is preceded."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What one place of a text shows of one device."""

    device: str
    """Empty where it is not named."""
    features: Features
    trouble: str = ""
    """Why its lines tell nothing."""
    whose: str = ""
    """What is known of its name where that is not known itself."""
    plain: bool = False
    """Whether it is in the form of old versions."""
    answer: bool = False
    """Whether it is what `ethtool -K` says to have changed."""


@dataclass(slots=True)
class Lines:
    """The lines of one command, in order."""

    devices: Devices
    """Which device it was of, or devices, one after another; None where that is not told."""
    plain: bool = False
    """Whether the form is that of old versions, without notes in brackets."""
    said: list[Said] = field(default_factory=list)
    sections: list[str] = field(default_factory=list)
    """The devices that lines between them name; empty where such a line named none after all."""


def _feature(said: Said, *, plain: bool, noted: bool) -> Feature:
    active = said.word == "on"
    if plain or said.name in _GROUPS:
        return Feature(active, None, None)
    if said.note == "fixed":
        return Feature(active, None, fixed=True)
    requested = {None: active, "requested on": True}.get(said.note, False)
    return Feature(active, requested=requested, fixed=False if noted else None)


def _features(said: Sequence[Said], *, plain: bool) -> Features:
    # Where no line at all is `[fixed]`, the brackets may have been cut away.
    noted = any(each.note == "fixed" for each in said)
    return {each.name: _feature(each, plain=plain, noted=noted) for each in said}


def _shown(device: str, said: Sequence[Said], lines: Lines, whose: str = "") -> Shown:
    """What is shown of a device; of a feature that is there twice no line can be believed."""
    words: dict[str, tuple[str, str | None]] = {}
    for each in said:
        first = words.setdefault(each.name, (each.word, each.note))
        if first != (each.word, each.note):
            return Shown(device, {}, f"{each.name} is there twice, and not alike", whose)
    return Shown(device, _features(said, plain=lines.plain), whose=whose, plain=lines.plain)


def _rounds(said: Sequence[Said]) -> list[list[Said]]:
    """The lines, cut where a feature comes again, or one that no device has after those before it."""
    rounds: list[list[Said]] = []
    seen: set[str] = set()
    last = -1
    for each in said:
        place = _PLACES.get(each.name, last)
        if not rounds or each.name in seen or place < last:
            rounds.append([])
            seen, last = set(), -1
        rounds[-1].append(each)
        seen.add(each.name)
        last = max(last, place)
    return rounds


def _whose(devices: Devices, rounds: int) -> str:
    if devices is None:
        return ""
    names = short(", ".join(devices), _NAMES)
    return f"of {names}, which are {len(devices)} devices, the lines of {rounds} are there"


def told_apart(lines: Lines) -> Iterator[Shown]:
    """What is shown of each device: by the lines that name one, by the order of a loop, or of none by name."""
    devices, said = lines.devices, lines.said
    if lines.sections:
        if any(
            each.section == 0 for each in said
        ):  # names that follow their lines would name the next device's
            yield Shown("", {}, _SEVERAL)
            return
        for number, device in enumerate(lines.sections, 1):
            if of_it := [each for each in said if each.section == number]:
                yield _shown(device, of_it, lines)
        return
    if devices is not None and len(devices) == 1:
        yield _shown(devices[0], said, lines)
        return
    rounds = _rounds(said)
    if len({tuple(each.name for each in one) for one in rounds}) > 1:
        yield Shown("", {}, _SEVERAL, _whose(devices, len(rounds)))
    elif devices is not None and len(rounds) == len(devices):
        yield from (_shown(device, one, lines) for device, one in zip(devices, rounds, strict=True))
    else:
        yield from (_shown("", one, lines, _whose(devices, len(rounds))) for one in rounds)
