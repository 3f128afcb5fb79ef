"""Reads libvirt's domains by calls that it answers even when all of its ordinary workers hang.

libvirt 11 waits 30 s for a domain's monitor that hangs before it tells that domain's XML; 9 does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from provision.edges.libvirt.monitor import binding
from provision.runtime.masked import masked_text
from provision.runtime.protocols import Domain

if TYPE_CHECKING:
    from collections.abc import Iterator

READING = 75.0
"""Seconds for both XMLs of a domain."""
LISTING = 10.0
"""Seconds for the XML of one domain of many."""


def whole_domain(found: Any) -> Domain:
    """One domain, with its definition.

    :raise libvirtError: as libvirt does.
    """
    inactive, kept = binding().VIR_DOMAIN_XML_INACTIVE, bool(found.isPersistent())
    starts = kept and bool(found.autostart())
    state, live = _state(found.state()[0]), found.XMLDesc(0)
    saved = state == "off" and bool(found.hasManagedSaveImage())
    definition = found.XMLDesc(inactive) if kept else ""
    return Domain(found.name(), state, live, definition, autostart=starts, saved=saved)


@dataclass(frozen=True, slots=True)
class Listed:
    """A domain of a list."""

    domain: Any
    state: str
    """Empty where its own call has to tell."""
    kept: bool
    """Whether libvirt keeps a definition of it."""
    saved: bool
    """Whether it has a managed save image."""


def listed_domains(connection: Any) -> list[Listed]:
    """Every domain with its state: the states that most have come in one call each, as does who is transient or saved.

    :raise libvirtError: as libvirt does.
    """
    libvirt = binding()
    states = dict(_states(connection))

    def those(flag: int) -> set[str]:
        return {found.UUIDString() for found in connection.listAllDomains(flag)}

    off = any(state == "off" for _, state in states.values())
    passing = those(libvirt.VIR_CONNECT_LIST_DOMAINS_TRANSIENT) if states else set()
    saved = those(libvirt.VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE) if off else set()
    return [Listed(*row, uuid not in passing, uuid in saved) for uuid, row in states.items()]


def _states(connection: Any) -> Iterator[tuple[str, tuple[Any, str]]]:
    """Each domain with its state by its UUID, once: one that changes its state meanwhile is in two lists, or in none."""
    libvirt = binding()
    words = (
        ("running", libvirt.VIR_CONNECT_LIST_DOMAINS_RUNNING),
        ("paused", libvirt.VIR_CONNECT_LIST_DOMAINS_PAUSED),
        ("off", libvirt.VIR_CONNECT_LIST_DOMAINS_SHUTOFF),
        ("", 0),
    )
    seen: set[str] = set()
    for state, flag in words:
        for found in connection.listAllDomains(flag):
            uuid = found.UUIDString()
            if uuid not in seen:
                seen.add(uuid)
                yield uuid, (found, state)


def living_domain(listed: Listed) -> Domain | None:
    """One domain as it runs, with what starts next time; None where it has gone meanwhile.

    Of one that is off they are the same, and asked for once.

    :raise libvirtError: when libvirt is gone.
    """
    libvirt, found = binding(), listed.domain
    try:
        state = listed.state or _state(found.state()[0])
        run = "" if state == "off" else str(found.ID())
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return None
        raise
    try:
        live = found.XMLDesc(0)
        defined = listed.kept and state != "off"
        kept = found.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE) if defined else ""
        return Domain(found.name(), state, live, kept, run, saved=listed.saved and state == "off")
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return None
        if not found.connect().isAlive():
            raise
        trouble = (
            f"libvirt did not tell its XML: {masked_text(str(error))}"  # too long for a message, for one
        )
        return Domain(found.name(), state, "", "", run, trouble=trouble)


def hangs(found: Any) -> bool:
    """Whether a domain's monitor has not answered somebody for long.

    :raise libvirtError: as libvirt does.
    """
    state, _, since = found.controlInfo()
    return bool(state == binding().VIR_DOMAIN_CONTROL_OCCUPIED and since >= LISTING * 1000)


def untold_domain(found: Any, state: str) -> Domain:
    """A domain whose XML libvirt did not tell in time."""
    trouble = f"libvirt did not tell its XML within {LISTING:g} s: its monitor has not answered somebody"
    return Domain(found.name(), state or "running", "", "", str(found.ID()), trouble=trouble)


def _state(number: int) -> str:
    """A domain's state in our three words."""
    libvirt = binding()
    if number in {libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_CRASHED, libvirt.VIR_DOMAIN_NOSTATE}:
        return "off"
    paused = number in {libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PMSUSPENDED}
    return "paused" if paused else "running"
