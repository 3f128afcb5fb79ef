"""Parses what templates/guest/linux.sh says in a Linux guest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from provision.facts.ethtool_features import Feature, parse_features
from provision.facts.guest import Adapter, FamilyRsc, GuestFacts
from provision.facts.guest_answer import answer_of, mac_of, rows_of, text_of, version_of
from provision.runtime.errors import UnreadableError, reading

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SCHEMA = "linux/1"
DRIVER = "virtio_net"
_SWITCHES = ("rx-gro-hw", "large-receive-offload")
"""What virtio_net shows GUEST_TSO as, the newer first: rx-gro-hw since 5.14 and the stable kernels of August 2021 (commit
dbcf24d15388); before that, and since 2018 (a02e8964eaf9), large-receive-offload. Still older kernels have no switch."""
_LONGEST = 65_536
_MOST_DEVICES = 256


def parse_linux_guest(text: str) -> GuestFacts:
    """What a Linux guest tells of itself and its NICs, those of virtio_net first.

    :raise UnreadableError: when the text is no answer of the script's.
    """
    with reading("what a script said in the guest", text):
        said = answer_of(text, SCHEMA)
        rows = rows_of(said.get("devices"), _MOST_DEVICES)
        release = text_of(said.get("release"))
        processors = text_of(said.get("processors"), 20)
        return GuestFacts(
            "linux",
            release=release,
            version=version_of(release),
            adapters=tuple(map(_adapter, sorted(rows, key=lambda row: row.get("driver") != DRIVER))),
            processors=int(processors) if processors.isascii() and processors.isdigit() else None,
            troubles=tuple(_troubles(said, rows)),
        )


def _adapter(row: Mapping[str, Any]) -> Adapter:
    rsc = _switch(row)
    return Adapter(
        name=text_of(row.get("name"), 40),
        mac=mac_of(text_of(row.get("permanent")).rpartition(" ")[2]),
        mac_now=mac_of(row.get("mac")),
        description=text_of(row.get("driver"), 40),
        rsc={"ipv4": rsc, "ipv6": rsc},
        forwarding=dict(_forwarding(row)),
    )  # fmt: skip


def _switch(row: Mapping[str, Any]) -> FamilyRsc:
    """RSC of either family, by the feature that it is in this kernel; nothing where it has none, or none could be read."""
    try:
        features = _features(row)
    except UnreadableError:
        return FamilyRsc()
    found = [(name, features[name]) for name in _SWITCHES if name in features]
    free = [(name, each) for name, each in found if each.active or not each.fixed]
    return FamilyRsc(enabled=free[0][1].active, supported=True, switch=free[0][0]) if free else FamilyRsc()


def _features(row: Mapping[str, Any]) -> Mapping[str, Feature]:
    """By name, from JSON, or from the text of an ethtool that has none."""
    if said := text_of(row.get("features"), _LONGEST):
        return next(iter(parse_features(said).values()), {})
    lines = (line.strip().partition(": ") for line in text_of(row.get("plain"), _LONGEST).splitlines())
    return {name: _plain(words) for name, _, words in lines if words.startswith(("on", "off"))}


def _plain(words: str) -> Feature:
    """As `off [fixed]`, or `off [requested on]`."""
    state, _, more = words.partition(" ")
    requested = {"[requested on]": True, "[requested off]": False}.get(more, state == "on")
    return Feature(active=state == "on", requested=requested, fixed=more == "[fixed]")


def _forwarding(row: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    for family in ("ipv4", "ipv6"):
        said = text_of(row.get(f"{family}_forwarding"), 8).strip()
        if said in ("0", "1"):
            yield family, said == "1"


def _troubles(said: Mapping[str, Any], rows: list[Mapping[str, Any]]) -> Iterator[str]:
    if "ethtool" not in said:
        yield "the guest has no ethtool"
        return
    for row in rows:
        try:
            _features(row)
        except UnreadableError as error:
            yield f"{text_of(row.get('name'), 40)}: {error}"
