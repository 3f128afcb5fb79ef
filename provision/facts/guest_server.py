"""Parses what the scripts for `bench` say in a guest: its server and addresses, and what it has done so far."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from provision.facts.guest_answer import answer_of, number_of, text_of
from provision.facts.threads import OWN_IDLE, all_processors
from provision.runtime.errors import reading

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVE = "serve/1"
WORK = "work/1"
_UNFIT = (
    "is_link_local",
    "is_loopback",
    "is_multicast",
    "is_unspecified",
    "is_reserved",
    "ipv4_mapped",
    "scope_id",
)
"""What no other host's address is; a guest may tell any."""
_THIS = ipaddress.ip_network("0.0.0.0/8")
_MOST = 64
"""Addresses of an adapter that are looked at."""


@dataclass(frozen=True, slots=True)
class GuestServer:
    """An iperf3 server in a guest."""

    started: bool
    """Else the guest has no iperf3."""
    addresses: tuple[str, ...]
    """Of the adapter, those that others reach it by; IPv4 before IPv6."""


def parse_server(text: str) -> GuestServer:
    """What the script that starts one says.

    :raise UnreadableError: when the text is no answer of the script's.
    """
    with reading("what a script said in the guest", text):
        said = answer_of(text, SERVE)
        rows = said["addresses"]
        if not isinstance(rows, list):
            raise TypeError("no list")
        found = sorted(_addresses(rows[:_MOST]), key=lambda address: address.version)
        return GuestServer(said["server"] == "yes", tuple(map(str, found)))


def _addresses(rows: list[object]) -> Iterator[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    for row in rows:
        address = ipaddress.ip_address(text_of(row, 64))
        if not any(getattr(address, name, None) for name in _UNFIT) and address not in _THIS:
            yield address


@dataclass(frozen=True, slots=True)
class GuestWork:
    """What a guest has done so far, as far as it tells."""

    busy: float | None = None
    """Seconds of all its processors."""
    coalesced: int | None = None
    """Large frames that its driver was handed (NetKVM's CoalescedHost)."""


def parse_work(text: str) -> GuestWork:
    """What the scripts that ask for it say.

    :raise UnreadableError: when the text is no answer of theirs.
    """
    with reading("what a script said in the guest", text):
        said = answer_of(text, WORK)
        ticks = text_of(said.get("ticks"), 400)
        return GuestWork(
            all_processors(ticks, OWN_IDLE)[0] if ticks else None, number_of(said.get("coalesced_host"))
        )
