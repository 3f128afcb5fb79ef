"""Reads libvirt's domains by calls that it answers even when all of its workers hang, and undefines them.

libvirt 11 waits 30 s for a domain's monitor that hangs before it tells that domain's XML; 9 does not.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

from provision.edges.libvirt.monitor import UNDECODED, binding
from provision.runtime.errors import UnreadableError
from provision.runtime.masked import masked_text
from provision.runtime.protocols import Domain, Network
from provision.runtime.safe_text import short
from provision.runtime.untrusted import read_xml

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

READING = 75.0
"""Seconds for both XMLs of a domain."""
_LONGEST_NAME = 255
"""Bytes; libvirt keeps a domain's files by its name."""
_LONGEST_PATH = 4096
_TPM_STATE_SINCE = 8_009_000
"""libvirt 8.9 and later are told what becomes of a domain's TPM state."""
_LONGEST_XML = 4 << 20
"""Characters of the XML of one domain, as many as libvirt's own protocol carries (REMOTE_STRING_MAX)."""
_WORDS = 300
"""Characters of libvirt's words that are handed on of one domain."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is taken of a list; 2,000 domains of 30 KB each, twice, are 115 MB."""

    domains: int = 5_000
    seconds: float = 90.0
    """For all."""
    patience: float = 30.0
    """Seconds for what libvirtd answers at once when it is well."""
    listing: float = 10.0
    """Seconds for the XML of one domain of many."""
    asking: float = 60.0
    """Seconds for which a monitor is asked anything: whoever answers each question late would keep us for ever."""
    memory: int = 160 << 20
    """Bytes that the XML of all domains takes here."""


BOUNDS = Bounds()


def whole_domain(found: Any, name: str) -> Domain:
    """One domain, with its definition.

    :raise UnreadableError: when its XML is longer than any domain's.
    :raise libvirtError: as libvirt does.
    """
    inactive, kept = binding().VIR_DOMAIN_XML_INACTIVE, bool(found.isPersistent())
    starts = kept and bool(found.autostart())
    state, live = _state(found.state()[0]), found.XMLDesc(0)
    saved = state == "off" and bool(found.hasManagedSaveImage())
    definition = found.XMLDesc(inactive) if kept else ""
    if max(len(live), len(definition)) > _LONGEST_XML:
        raise UnreadableError(f"{name}'s XML, of more than {_LONGEST_XML} characters", live, hint="")
    return Domain(name, state, live, definition, autostart=starts, saved=saved)


@dataclass(frozen=True, slots=True)
class Listed:
    """A domain of a list."""

    domain: Any
    state: str
    """Empty where its own call has to tell."""
    name: str
    trouble: str
    """Why it cannot be a domain of QEMU's; then the name is made up."""
    kept: bool
    """Whether libvirt keeps a definition of it."""
    saved: bool
    """Whether it has a managed save image."""

    def untold(self, trouble: str) -> Domain:
        """The domain as the list alone tells it."""
        run = "" if self.state == "off" else str(self.domain.ID())
        return Domain(self.name, self.state or "running", "", "", run, trouble=trouble)


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
    return [Listed(*row, *_named(row[0]), uuid not in passing, uuid in saved) for uuid, row in states.items()]


def _named(found: Any) -> tuple[str, str]:
    """A domain's name; where libvirt's driver for QEMU refuses such a name, one to tell it by, and why."""
    try:
        name = str(found.name())
    except UNDECODED:
        return found.UUIDString(), "libvirt tells a name that is not UTF-8"
    if name and len(name.encode()) <= _LONGEST_NAME and not {"/", "\n"}.intersection(name):
        return name, ""
    return short(name, 40) or found.UUIDString(), "libvirt tells a name that no domain can have"


def runs(connection: Any, flag: int) -> dict[str, str]:
    """Which run each domain is in of a list of libvirt's.

    :raise libvirtError: as libvirt does.
    """
    return {_named(found)[0]: str(found.ID()) for found in connection.listAllDomains(flag)}


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


def _at(connection: Any, listed: Listed) -> Any:
    """The domain at this connection: libvirt's client tells not every answer beside a call that hangs on the same one."""
    found = listed.domain
    return found if found.connect() is connection else connection.lookupByUUID(found.UUID())


def living_domain(listed: Listed, connection: Any) -> Domain | None:
    """One domain as it runs, with what starts next time; None where it has gone meanwhile.

    Of one that is off they are the same, and asked for once.

    :raise libvirtError: when libvirt is gone.
    """
    libvirt = binding()
    try:
        found = _at(connection, listed)
        state = listed.state or _state(found.state()[0])
        run = "" if state == "off" else str(found.ID())
        live = found.XMLDesc(0)
        defined = listed.kept and state != "off"
        kept = found.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE) if defined else ""
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return None
        if not connection.isAlive():
            raise
        # Too long for a message, for one.
        return listed.untold(f"libvirt did not tell its XML: {short(masked_text(str(error)), _WORDS)}")
    except UNDECODED:
        return listed.untold("libvirt told its XML in what is not UTF-8")
    if max(len(live), len(kept)) > _LONGEST_XML:
        return listed.untold(f"its XML has more than {_LONGEST_XML} characters")
    return Domain(listed.name, state, live, kept, run, saved=listed.saved and state == "off")


def hangs(listed: Listed, connection: Any, seconds: float) -> bool:
    """Whether a domain's monitor has not answered somebody for so long.

    :raise libvirtError: when libvirt is gone.
    """
    try:
        state, _, since = _at(connection, listed).controlInfo()
    except UNDECODED:
        return False
    except binding().libvirtError:
        if not connection.isAlive():
            raise
        return False  # it may have gone; its XML tells
    return bool(state == binding().VIR_DOMAIN_CONTROL_OCCUPIED and since >= seconds * 1000)


class Told:
    """Domains as they are told, in little memory: where they are too much, the largest are let go first."""

    def __init__(self, most: int) -> None:
        self.domains: list[Domain] = []
        self._most = most
        self._names: set[str] = set()
        self._taken = 0
        self._by_weight: list[tuple[int, int]] = []

    def add(self, domain: Domain) -> None:
        """Keep one more; what bears the name of another is told apart, and not believed."""
        if domain.name in self._names:
            twice, name = "libvirt tells of two domains of this name", f"{domain.name} (again)"
            domain = replace(domain, name=name, live_xml="", persistent_xml="", trouble=twice)
        self._names.add(domain.name)
        self.domains.append(domain)
        self._taken += _weight(domain)
        heappush(self._by_weight, (-_weight(domain), len(self.domains) - 1))
        while self._taken > self._most:
            weight, largest = heappop(self._by_weight)
            let_go = self.domains[largest]
            self._taken += weight
            size = len(let_go.live_xml) + len(let_go.persistent_xml)
            trouble = f"its XML has {size} characters, too many beside the other domains': name it to have it read alone"
            self.domains[largest] = replace(let_go, live_xml="", persistent_xml="", trouble=trouble)


def _weight(domain: Domain) -> int:
    """Bytes; nothing where there is no XML."""
    return sum(sys.getsizeof(text) for text in (domain.live_xml, domain.persistent_xml) if text)


def beyond(rows: Sequence[Listed], most: int) -> Iterator[Domain]:
    """What stands for the domains that are not looked at, where there are any."""
    if len(rows) > most:
        trouble = f"libvirt tells of {len(rows)} domains, and {most} are read: name those that you want"
        yield Domain(f"{len(rows) - most} more", "running", "", "", trouble=trouble)


def found_network(connection: Any, name: str) -> Network | None:
    """The virtual network of a name; None where there is none."""
    libvirt = binding()
    try:
        network = connection.networkLookupByName(name)
        return Network(bool(network.isActive()), str(network.XMLDesc(0)))
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_NETWORK:
            return None
        raise


def domain_capabilities(connection: Any, kind: str, machine: str) -> str:
    """The XML of what libvirt can do with domains of type `kvm` or `qemu`."""
    return str(connection.getDomainCapabilities(None, "x86_64", machine, kind, 0))


def emulator_path(text: str) -> str:
    """The path of QEMU that domain capabilities tell; it will be run.

    :raise UnreadableError: when they tell none.
    """
    try:
        path = str(read_xml(text).findtext("path", ""))
    except ValueError as error:
        raise UnreadableError("libvirt's domain capabilities", text) from error
    if not path.startswith("/") or not path.isprintable() or len(path) > _LONGEST_PATH:
        raise UnreadableError("the path of QEMU in libvirt's domain capabilities", path)
    return path


def undefine(connection: Any, found: Any) -> None:
    """Remove a definition, with what it has kept."""
    libvirt = binding()
    flags = libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
    if connection.getLibVersion() >= _TPM_STATE_SINCE:
        flags |= libvirt.VIR_DOMAIN_UNDEFINE_TPM
    found.undefineFlags(flags)


def _state(number: int) -> str:
    """A domain's state in our three words."""
    libvirt = binding()
    if number in {libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_CRASHED, libvirt.VIR_DOMAIN_NOSTATE}:
        return "off"
    paused = number in {libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PMSUSPENDED}
    return "paused" if paused else "running"
