"""Parses what templates/guest/rsc.ps1.j2 says in a Windows guest."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from provision.facts.guest import Adapter, Binding, Callout, FamilyRsc, GuestFacts
from provision.facts.guest_answer import (
    answer_of,
    flag_of,
    mac_of,
    number_of,
    rows_of,
    text_of,
    version_of,
)
from provision.runtime.errors import reading
from provision.tables.failure_reasons import BY_CODE, BY_REASON, UNNAMED
from provision.tables.families import FAMILY_NAMES
from provision.tables.powershell_properties import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SCHEMA = "windows/1"
_FILTER = 0x400 | 0x40000
"""NCF_FILTER and NCF_LW_FILTER of netcfgx.h: a component's characteristics."""
_MICROSOFT = "microsoft"
_MICROSOFTS = ("windefend", "windows defender", "wfp built-in", "microsoft")
"""What the names of Windows' own callouts begin with where they name no provider; Defender's are told apart from suspects by
its driver."""
_MOST_ADAPTERS, _MOST_ROWS, _MOST_CALLOUTS, _MOST_TROUBLES = 256, 64, 200, 32


def parse_windows_guest(text: str) -> GuestFacts:
    """What a Windows guest tells of itself and its adapters.

    :raise UnreadableError: when the text is no answer of the script's.
    """
    with reading("what a script said in the guest", text):
        said = answer_of(text, SCHEMA)
        system = said.get("os") or {}
        switches = rows_of(said.get("switches"), _MOST_ROWS)
        return GuestFacts(
            "windows",
            release=text_of(system.get("caption"), 120).strip(),
            version=version_of(text_of(system.get("version"), 40)),
            adapters=tuple(_adapter(row, switches) for row in rows_of(said.get("adapters"), _MOST_ADAPTERS)),
            global_rsc=SETTINGS.get(text_of(said.get("global"))),
            processors=number_of(said.get("processors")),
            callouts=tuple(_suspects(rows_of(said.get("callouts"), _MOST_CALLOUTS))),
            defender=flag_of(said.get("defender")),
            nat=flag_of(said.get("nat")),
            throttling=_double_word(said.get("throttling")),
            troubles=tuple(trouble_of(row) for row in rows_of(said.get("troubles"), _MOST_TROUBLES)),
        )  # fmt: skip


def _double_word(said: object) -> int | None:
    """A REG_DWORD, which PowerShell 5.1 reads as a signed one."""
    return said & 0xFFFFFFFF if isinstance(said, int) and not isinstance(said, bool) else None


def trouble_of(row: Mapping[str, Any]) -> str:
    """In a line: what was asked, by what it failed in every language, and Windows' own words for it."""
    kind = text_of(row.get("type"), 100).rpartition(".")[2]
    by = " ".join(filter(None, (kind, text_of(row.get("code"), 20))))
    return f"{text_of(row.get('asked'), 60)}: {text_of(row.get('words'))} ({by})"


def _adapter(row: Mapping[str, Any], switches: list[Mapping[str, Any]]) -> Adapter:
    description = text_of(row.get("description"), 120)
    switch = next((each for each in switches if description in _members(each)), None)
    own = row.get("netkvm") or {}
    return Adapter(
        name=text_of(row.get("name"), 120),
        mac=mac_of(row.get("mac")),
        mac_now=mac_of(row.get("mac_now")),
        description=description,
        rsc={family: _family(row[family]) for family in FAMILY_NAMES if isinstance(row.get(family), dict)},
        driver_version=text_of(row.get("driver_version"), 40),
        driver_date=_day(text_of(row.get("driver_date"), 40)),
        keywords={
            text_of(each.get("keyword"), 40): text_of(each.get("value"), 40)
            for each in rows_of(row.get("keywords"), _MOST_ROWS)
        },
        bindings=tuple(_binding(each) for each in rows_of(row.get("bindings"), _MOST_ROWS)),
        forwarding=dict(_forwarding(row)),
        coalesced_host=number_of(row.get("coalesced_host")),
        coalesced_win=number_of(row.get("coalesced_win")),
        coalesced=number_of(row.get("coalesced")),
        switch=_belongs(row, switch),
        software_rsc=flag_of(switch.get("software_rsc")) if switch else None,
        declared={family: on for family in FAMILY_NAMES if (on := flag_of(own.get(family))) is not None},
    )


def _members(switch: Mapping[str, Any]) -> list[str]:
    names = switch.get("adapters")
    return [text_of(name, 120) for name in names[:_MOST_ROWS] if name] if isinstance(names, list) else []


def _belongs(row: Mapping[str, Any], switch: Mapping[str, Any] | None) -> str:
    if team := text_of(row.get("team"), 80):
        return f"the team {team}"
    return f"the Hyper-V switch {text_of(switch.get('name'), 80)}" if switch else ""


def _day(said: str) -> str:
    try:
        return date.fromisoformat(said).isoformat()
    except ValueError:
        return ""


def _family(said: Mapping[str, Any]) -> FamilyRsc:
    return FamilyRsc(
        enabled=flag_of(said.get("enabled")),
        supported=flag_of(said.get("supported")),
        operational=flag_of(said.get("operational")),
        reason=_reason(text_of(said.get("reason"), 40), number_of(said.get("code"))),
    )


def _reason(name: str, number: int | None) -> str:
    """By its name, else by its number; what has a name or number that no document has, nobody knows."""
    if name in BY_REASON or (not name and number is None):
        return name
    return BY_CODE.get(number, UNNAMED) if number is not None else UNNAMED


def _binding(row: Mapping[str, Any]) -> Binding:
    driver = row.get("driver") or {}
    characteristics = number_of(row.get("characteristics"))
    return Binding(
        component=text_of(row.get("component"), 80),
        name=text_of(row.get("name"), 120),
        driver=text_of(driver.get("service"), 80),
        version=text_of(driver.get("version"), 40),
        is_filter=None if characteristics is None else bool(characteristics & _FILTER),
    )


def _forwarding(row: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    of_windows = {words: family for family, words in FAMILY_NAMES.items()}
    for each in rows_of(row.get("forwarding"), 8):
        family = of_windows.get(text_of(each.get("family"), 8))
        on = SETTINGS.get(text_of(each.get("forwarding"), 12))
        if family and on is not None:
            yield family, on


def _suspects(rows: list[Mapping[str, Any]]) -> Iterator[Callout]:
    """Callouts that are not Windows' own, those that a filter calls first; one that its driver has not registered is none."""
    found = [_callout(row) for row in rows if row.get("registered") is not False and not _is_windows(row)]
    return iter(sorted(dict.fromkeys(found), key=lambda each: each.called is False))


def _is_windows(row: Mapping[str, Any]) -> bool:
    driver = row.get("driver") or {}
    provider, company = text_of(row.get("provider"), 120), text_of(driver.get("company"), 80)
    if company:
        return company.lower().startswith(_MICROSOFT)
    names = (provider.lower(), text_of(row.get("name"), 120).lower())
    return provider.startswith("FWPM_PROVIDER_") or any(name.startswith(_MICROSOFTS) for name in names)


def _callout(row: Mapping[str, Any]) -> Callout:
    driver = row.get("driver") or {}
    return Callout(
        name=text_of(row.get("name"), 120),
        provider=text_of(row.get("provider"), 120),
        driver=" ".join(
            filter(None, (text_of(driver.get("service"), 80), text_of(driver.get("version"), 40)))
        ),
        called=flag_of(row.get("called")),
    )
