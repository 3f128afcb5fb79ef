"""Finds what Windows says of RSC in text that a person pasted: Get-NetAdapterRsc and what goes with it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from provision.facts.guest import Adapter, Binding, FamilyRsc
from provision.facts.pasted_lines import placed_lines, said_lines
from provision.facts.pasted_netsh import netsh_globals
from provision.facts.printed_lists import json_in, lists_in
from provision.facts.printed_tables import tables_in
from provision.facts.printed_values import Printed, reason, truth, whole
from provision.runtime.safe_text import short
from provision.tables.families import FAMILY_NAMES
from provision.tables.guests import NETKVM_ADAPTER
from provision.tables.netsh_labels import NETSH_LABELS
from provision.tables.powershell_properties import ONLY_OF_RSC, SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_KEYWORDS = {"ipv4": "*RscIPv4", "ipv6": "*RscIPv6"}
_ON = {"1": True, "0": False}
_MAC = re.compile(r"(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}")
_MOST_ADAPTERS = 2001
"""One more than anybody is told of."""
_NAME = 256
"""Characters of an interface's alias (IF_MAX_STRING_SIZE)."""
_MARKS = re.compile(
    r"IPv[46]|ReceiveSegmentCoalescing|\*RscIPv|RTO|\b(?:True|False)[ \t]{1,40}(?:True|False)\b|"
    + "|".join(re.escape(row.label) for row in NETSH_LABELS),
    re.IGNORECASE,
)
"""Without any of these there is nothing to be read."""


@dataclass(frozen=True, slots=True)
class PastedAdapter:
    """What one place of a text says of an adapter."""

    adapter: Adapter
    untold: tuple[str, ...] = ()
    """What stands there and cannot be told, each in a line."""


@dataclass(frozen=True, slots=True)
class PastedWindows:
    """What a text says of a Windows."""

    adapters: tuple[PastedAdapter, ...] = ()
    """In order; one that was asked twice is there twice."""
    global_rsc: bool | None = None
    troubles: tuple[str, ...] = ()
    """What stands there of all of it and cannot be told, each in a line."""


def parse_windows(text: str) -> PastedWindows:
    """All that Windows says of RSC in a text; of other text nothing."""
    lines = _single_spaced([line.replace("\xa0", " ") for line in placed_lines(_once(text))])
    if not any(map(_MARKS.search, lines)):
        return PastedWindows()
    objects, rest = json_in("\n".join(lines))
    others = [said for line in rest.split("\n") for said in _said(line)]
    printed = sorted([*objects, *tables_in(others), *lists_in(others)], key=lambda each: each.at)
    switch, troubles = _global(printed, others)
    told = [each for each in printed if any(name in each.values for name in ONLY_OF_RSC)][:_MOST_ADAPTERS]
    more = _More(printed)
    adapters = [_adapter(each.values, more) for each in told]
    named = {each.adapter.name for each in adapters}
    adapters += [PastedAdapter(more.of(name)) for name in more.switched() if name not in named]
    return PastedWindows(tuple(adapters), switch, troubles)


def _once(text: str) -> str:
    """The text without what Ansible has in it a second time, line by line."""
    first, *more = text.split('"stdout_lines"') if '"stdout"' in text else [text]
    return first + "".join(each.partition("]")[2] if "]" in each else each for each in more)


def _said(line: str) -> list[str]:
    """The lines within a line, as a string of JSON has them; of others the line as it stands."""
    return said_lines(line.replace('\\"', '"')) if "\\" in line else [line]


def _single_spaced(lines: Sequence[str]) -> list[str]:
    """The lines without the blank one that a mail or page has put after each."""
    apart = [bool(line.strip()) for line in lines]
    if any(one and two for one, two in pairwise(apart)):
        return list(lines)
    return [line for at, line in enumerate(lines) if apart[at] or not (at and apart[at - 1])]


def _alike(values: Iterable[str]) -> str:
    """The value, where all are the same; empty otherwise."""
    found = set(values)
    return found.pop() if len(found) == 1 else ""


def _global(printed: Sequence[Printed], lines: Sequence[str]) -> tuple[bool | None, tuple[str, ...]]:
    """Whether RSC is on for the whole of it, and what of that cannot be told."""
    words = (each.values.get("ReceiveSegmentCoalescing", "") for each in printed)
    found = [SETTINGS[word] for word in words if word in SETTINGS]
    netsh = list(netsh_globals(lines))
    found += [each.rsc for each in netsh if each.rsc is not None]
    if len(set(found)) > 1:
        return None, ("whether RSC is on for the whole guest is there more than once, and not alike",)
    if not found and netsh:
        return None, (
            "which of netsh's lines is RSC's cannot be told in this language: Get-NetOffloadGlobalSetting is the same in all",
        )
    return (found[0] if found else None), ()


class _More:
    """What else a text says of adapters, by their names."""

    def __init__(self, printed: Sequence[Printed]) -> None:
        self._objects: dict[str, list[Mapping[str, str]]] = {}
        self._found: dict[str, Adapter] = {}
        for each in printed:
            if name := _name(each.values):
                self._objects.setdefault(name, []).append(each.values)

    def switched(self) -> Iterator[str]:
        """The names of those whose keywords of RSC are there."""
        yield from (name for name in self._objects if self._keywords(name))

    def of(self, name: str) -> Adapter:
        """What else is said of the adapter of a name, and nothing that is said twice and not alike."""
        if name not in self._found:
            keywords = self._keywords(name)
            self._found[name] = Adapter(
                name,
                self._mac(name),
                description=self._description(name),
                rsc={
                    family: FamilyRsc(enabled=_ON.get(keywords[word]))
                    for family, word in _KEYWORDS.items()
                    if word in keywords
                },
                keywords=keywords,
                bindings=self._bindings(name),
                forwarding=self._forwarding(name),
            )
        return self._found[name]

    def _told(self, name: str, what: str) -> Iterator[tuple[str, Mapping[str, str]]]:
        yield from ((each[what], each) for each in self._objects.get(name, ()) if what in each)

    def _mac(self, name: str) -> str:
        return _alike(_mac(word) for word, _ in self._told(name, "MacAddress"))

    def _description(self, name: str) -> str:
        return _alike(_description(each) for _, each in self._told(name, "InterfaceDescription"))

    def _keywords(self, name: str) -> dict[str, str]:
        said: dict[str, set[str]] = {}
        for word, each in self._told(name, "RegistryKeyword"):
            if value := each.get("RegistryValue", "").strip("{}"):
                said.setdefault(short(word, 80), set()).add(short(value, 80))
        return {word: values.pop() for word, values in said.items() if len(values) == 1}

    def _bindings(self, name: str) -> tuple[Binding, ...]:
        found = (
            Binding(short(word, 80), short(each.get("DisplayName", ""), 80))
            for word, each in self._told(name, "ComponentID")
            if truth(each.get("Enabled", ""))
        )
        return tuple(dict.fromkeys(found))[:_MOST]

    def _forwarding(self, name: str) -> dict[str, bool]:
        said: dict[str, set[bool]] = {}
        for word, each in self._told(name, "Forwarding"):
            if word in SETTINGS:
                said.setdefault(each.get("AddressFamily", "").lower(), set()).add(SETTINGS[word])
        return {family: said[family].pop() for family in FAMILY_NAMES if len(said.get(family, ())) == 1}


_MOST = 100
"""Of what is bound to an adapter."""


def _name(values: Mapping[str, str]) -> str:
    found = (values.get(name, "") for name in ("Name", "InterfaceAlias", "ifAlias"))
    return short(next(filter(None, found), ""), _NAME)


def _description(values: Mapping[str, str]) -> str:
    """Windows' description; of one that is cut off before it tells whose driver it is, nothing."""
    text = values.get("InterfaceDescription") or values.get("ifDesc", "")
    return short(text, _NAME) if whole(text) or NETKVM_ADAPTER in text else ""


def _mac(text: str) -> str:
    return text.replace("-", ":").lower() if _MAC.fullmatch(text) else ""


def _adapter(values: Mapping[str, str], more: _More) -> PastedAdapter:
    rsc: dict[str, FamilyRsc] = {}
    untold: list[str] = []
    for family, begin in FAMILY_NAMES.items():
        named, trouble = reason(values.get(f"{begin}FailureReason", ""))
        rsc[family] = FamilyRsc(
            truth(values.get(f"{begin}Enabled", "")),
            truth(values.get(f"{begin}Supported", "")),
            truth(values.get(f"{begin}OperationalState", "")),
            named,
        )
        untold += [f"{begin}FailureReason {trouble}"] if trouble else []
        untold += (
            [] if f"{begin}FailureReason" in values else [f"{begin}FailureReason is not in what was pasted"]
        )
    described = _description(values)
    known = more.of(_name(values))
    adapter = replace(
        known,
        mac=_mac(values.get("MacAddress", "")) or known.mac,
        description=described or known.description,
        rsc=rsc,
    )
    return PastedAdapter(adapter, tuple(untold))
