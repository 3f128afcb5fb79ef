"""Evidence out of what somebody pasted of a Windows guest: one NIC for each time an adapter is there. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from provision.facts.guest import Adapter, GuestFacts
from provision.facts.linux_guest import parse_linux_guest
from provision.facts.pasted_windows import PastedWindows, parse_windows
from provision.facts.windows_guest import parse_windows_guest
from provision.runtime.errors import UnreadableError
from provision.verify.collect.pasted_nic import pasted_nic
from provision.verify.evidence import AskedGuest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from provision.verify.evidence import NicEvidence

_UNNAMED = "unnamed"
_ANSWER = '{"rscvm":"'
"""What our scripts' answers begin with."""
_EVERY = "every adapter"
_NO_ADAPTER = "of its adapters nothing was pasted: Get-NetAdapterRsc | Format-List tells of each"
_JOINS = (
    "which of the host's NICs it is a MAC address would tell: `Get-NetAdapter | Format-List Name, MacAddress`"
)


def guest_nics(source: str, text: str) -> list[NicEvidence]:
    """The adapters that a text tells of, or, where it tells but of all of a Windows, one NIC for all."""
    if _ANSWER in text:
        return _answered(source, text)
    windows = parse_windows(text)
    nics: list[NicEvidence] = []
    asked: dict[str, int] = {}
    for each in windows.adapters:
        name = each.adapter.name or _UNNAMED
        asked[name] = asked.get(name, 0) + 1
        again = f" ({asked[name]})" if asked[name] > 1 else ""
        facts, more = _facts(each.adapter, windows)
        notes = [*each.untold, *more, *windows.troubles]
        nics.append(_nic(source, f"{name}{again}", AskedGuest(facts, each.adapter), notes))
    if not nics and windows.global_rsc is not None:
        every = Adapter("")
        facts, _ = _facts(every, windows)
        nics.append(_nic(source, _EVERY, AskedGuest(facts, every), [_NO_ADAPTER]))
    return nics


def _answered(source: str, text: str) -> list[NicEvidence]:
    """The adapters of a guest in which somebody ran our script by hand."""
    try:
        facts = parse_linux_guest(text) if '"linux/1"' in text else parse_windows_guest(text)
    except UnreadableError:
        return []
    return [_nic(source, each.name or _UNNAMED, AskedGuest(facts, each), ()) for each in facts.adapters]


def untold(text: str) -> tuple[str, ...]:
    """What a text says of a Windows that cannot be told, each in a line."""
    return parse_windows(text).troubles


def joined(nics: Sequence[NicEvidence]) -> list[NicEvidence]:
    """The NICs, and a guest's adapter with the machine's NIC whose it is, where a MAC address of both, and of no others, proves it."""
    macs: dict[str, tuple[list[NicEvidence], list[NicEvidence]]] = {}
    for nic in nics:
        if nic.mac:
            macs.setdefault(nic.mac.lower(), ([], []))[nic.guest is not None].append(nic)
    pairs = [(of_host[0], guest[0]) for of_host, guest in macs.values() if len(of_host) == len(guest) == 1]
    told = {id(nic): guest for nic, guest in pairs}
    taken = {id(guest) for _, guest in pairs}
    beside = any(nic.guest is None for nic in nics)
    return [_told(nic, told.get(id(nic)), beside=beside) for nic in nics if id(nic) not in taken]


def _told(nic: NicEvidence, guest: NicEvidence | None, *, beside: bool) -> NicEvidence:
    """A NIC with what its guest says of it; an adapter whose NIC is not known with what that leaves open."""
    if guest is not None:
        return replace(nic, guest=guest.guest, notes=(*nic.notes, *guest.notes))
    if not isinstance(nic.guest, AskedGuest) or nic.guest.adapter is None:
        return nic
    return replace(nic, notes=(*nic.notes, _JOINS)) if beside and not nic.mac else nic


def _nic(source: str, name: str, guest: AskedGuest, notes: Iterable[str]) -> NicEvidence:
    mac = (guest.adapter.mac or guest.adapter.mac_now) if guest.adapter else ""
    return replace(pasted_nic(source, name, notes), mac=mac, guest=guest)


def _facts(adapter: Adapter, windows: PastedWindows) -> tuple[GuestFacts, list[str]]:
    """What the guest says of an adapter and of itself, as far as the two go together, and that they do not."""
    facts = GuestFacts("windows", adapters=(adapter,), global_rsc=windows.global_rsc)
    if facts.global_rsc is False and any(rsc.operational for rsc in adapter.rsc.values()):
        return replace(facts, global_rsc=None), [
            "RSC is off for the whole guest, and operational on this adapter: the two are not of one moment"
        ]
    return facts, []
