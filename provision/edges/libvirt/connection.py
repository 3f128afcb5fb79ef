"""The connection to a libvirt daemon: domains defined, started, stopped; errors told apart by code."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from provision.edges.libvirt import domains as reading
from provision.edges.libvirt.domain_agent import LibvirtAgent
from provision.edges.libvirt.monitor import Hanging, LibvirtMonitor, binding, within
from provision.edges.libvirt.refusals import refused
from provision.runtime.errors import DeadlineError, HostError, LostError
from provision.runtime.safe_text import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from provision.runtime.protocols import Domain, Network

_T = TypeVar("_T")

_STARTING = 300.0
"""Seconds for what libvirtd does with a domain."""


class Libvirt:
    """Connections to one libvirt daemon, one a thread, opened when first used.

    What it is told and refuses is a HostError with libvirt's own words.
    """

    def __init__(self, uri: str, bounds: reading.Bounds = reading.BOUNDS) -> None:
        self._address = uri
        self._bounds = bounds
        path, _, query = uri.partition("?")
        shown = "&".join(word for word in query.split("&") if not word.startswith("command="))
        self._uri = f"{path}?{shown}" if shown else path
        self._own = threading.local()
        self._open_ones: list[Any] = []
        self._hanging = Hanging()

    @property
    def _connection(self) -> Any:
        """This thread's: a call that hangs on it is nobody else's."""
        return getattr(self._own, "connection", None)

    def close(self) -> None:
        """Hang up, whichever thread it was that called."""
        for connection in self._open_ones:
            with suppress(binding().libvirtError):
                connection.close()
        self._open_ones = []
        self._own = threading.local()

    def domain(self, name: str) -> Domain | None:
        """The domain, or None where there is none of that name.

        :raise HostError: when libvirt does not answer.
        """
        libvirt = binding()
        found = self._find(name)
        if found is None:
            return None
        try:
            return self._call(lambda: reading.whole_domain(found, name), reading.READING)
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:  # gone between list and read
                return None
            raise self._failed(f"read {name}", error) from error

    def domains(self, names: Sequence[str]) -> list[Domain]:
        """The domains of these names, or all, as they are now; definitions come with those that run.

        One that goes while they are read is left out. What libvirt tells beyond our bounds is told as trouble.

        :raise HostError: when libvirt does not answer.
        """
        try:
            connection = self._open()
            listed = self._call(lambda: reading.listed_domains(connection))
            chosen = [row for row in listed if not names or row.name in names]
            most = self._bounds.domains
            return [*self._living(chosen[:most]), *reading.beyond(chosen, most)]
        except binding().libvirtError as error:
            raise self._failed("list its domains", error) from error

    def _living(self, rows: Sequence[reading.Listed]) -> list[Domain]:
        """The domains as they run, each in its time; what hangs is looked for once the first has been found to."""
        careful, bounds = False, self._bounds
        told, end = reading.Told(bounds.memory), time.monotonic() + bounds.seconds
        hung = (
            f"libvirt did not tell its XML within {bounds.listing:g} s: its monitor has not answered somebody"
        )
        late = f"libvirt takes more than {bounds.seconds:g} s for all domains: name it to have it read alone"
        for row in rows:
            if row.trouble or time.monotonic() > end:
                told.add(row.untold(row.trouble or late))
                continue
            there = self._open()
            if careful and self._call(partial(reading.hangs, row, there, bounds.listing)):
                told.add(row.untold(hung))
                continue
            try:
                domain = self._call(partial(reading.living_domain, row, there), bounds.listing)
            except DeadlineError:
                self.version()  # raises where it is libvirtd itself that does not answer
                careful, domain = True, row.untold(hung)
            if domain is not None:
                told.add(domain)
        return told.domains

    def names(self) -> list[str]:
        """The names of all domains, whether they run or not."""
        return [*self._do("list its domains", partial(reading.runs, flag=0), self._bounds.patience)]

    def runs(self) -> Mapping[str, str]:
        """Which run each domain is in that runs, by libvirt's numbers, which it gives no other domain.

        :raise HostError: when libvirt does not answer.
        """
        flag = binding().VIR_CONNECT_LIST_DOMAINS_ACTIVE
        return dict(self._do("list its domains", partial(reading.runs, flag=flag), self._bounds.patience))

    def emulator(self, kind: str, machine: str) -> str:
        """Path of the QEMU that would run a domain of type `kvm` or `qemu`.

        :raise HostError: when libvirt has none.
        """
        return reading.emulator_path(self._able(kind, machine))

    def capabilities(self, kind: str, machine: str) -> tuple[str, str]:
        """The XML of what libvirt can do: with domains of type `kvm` or `qemu`, and of the host.

        :raise HostError: when it has nothing that would run such domains.
        """
        asked = self._do("tell of its host", lambda there: there.getCapabilities(), self._bounds.patience)
        return self._able(kind, machine), str(asked)

    def _able(self, kind: str, machine: str) -> str:
        asked = partial(reading.domain_capabilities, kind=kind, machine=machine)
        return str(self._do(f"run {kind} domains of machine {machine}", asked, self._bounds.patience))

    def network(self, name: str) -> Network | None:
        """The virtual network, or None where there is none of that name.

        :raise HostError: when libvirt does not answer.
        """
        look = partial(reading.found_network, name=name)
        found: Network | None = self._do(f"look for network {name}", look, self._bounds.patience)
        return found

    def version(self) -> str:
        """The daemon's version, as `9.0.0`.

        :raise HostError: when it does not answer.
        """
        number = self._do("tell its version", lambda there: there.getLibVersion(), self._bounds.patience)
        return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"

    def define(self, xml: str) -> None:
        """Define a domain, held against libvirt's schema.

        :raise HostError: with libvirt's own words when it refuses.
        """
        flags = binding().VIR_DOMAIN_DEFINE_VALIDATE
        self._do("define the domain", lambda connection: connection.defineXMLFlags(xml, flags))

    def undefine(self, name: str) -> None:
        """Remove a definition, with its NVRAM and TPM state; where there is none, nothing.

        :raise HostError: with libvirt's own words when it refuses.
        """
        found = self._find(name)
        if found is not None:
            self._do(f"undefine {name}", partial(reading.undefine, found=found))

    def start(self, name: str, *, paused: bool = False) -> None:
        """Start a defined domain."""
        flags = binding().VIR_DOMAIN_START_PAUSED if paused else 0
        self._do(f"start {name}", lambda connection: connection.lookupByName(name).createWithFlags(flags))

    def definition(self, name: str) -> str:
        """What starts next time, as `virsh edit` reads it: with the passwords that other readings leave out.

        :raise HostError: when libvirt does not answer.
        """
        libvirt = binding()
        flags, found = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE, self._find(name)
        try:
            return (
                str(self._call(lambda: found.XMLDesc(flags) if found.isPersistent() else "")) if found else ""
            )
        except libvirt.libvirtError as error:
            raise self._failed(f"read {name}'s definition", error) from error

    def shutdown(self, name: str) -> None:
        """Ask a running domain's guest to shut down, by its agent or its power button as libvirt sees fit."""
        self._do(f"shut {name} down", lambda connection: connection.lookupByName(name).shutdown())

    def destroy(self, name: str) -> None:
        """Pull a running domain's plug; one that does not run is left as it is."""
        found = self._find(name)
        if found is not None:
            self._do(f"stop {name}", lambda _: found.isActive() and found.destroy())

    def autostart(self, name: str, *, on: bool) -> None:
        """Let a domain start with the host, or not."""
        self._do(f"set {name}'s autostart", lambda connection: connection.lookupByName(name).setAutostart(on))

    def monitor(self, name: str) -> LibvirtMonitor:
        """The domain's QMP.

        :raise HostError: when there is no such domain.
        """
        found = self._asked(name, "monitor")
        return LibvirtMonitor(name, found, self._left_hanging, self._bounds.asking)

    def agent(self, name: str) -> LibvirtAgent:
        """The domain's guest agent; libvirt marks the domain as tainted by its use (custom-ga-command).

        :raise HostError: when there is no such domain.
        """
        return LibvirtAgent(name, self._asked(name, "guest agent"), self._left_hanging)

    def _asked(self, name: str, what: str) -> Any:
        """The domain of which somebody else is asked, who may never answer."""
        with self._hanging.counted(f"{name}'s {what}"):
            found = self._find(name)
        if found is None:
            raise HostError(f"no domain {name} at {self._uri}")
        return found

    def _left_hanging(self) -> None:
        """Leave the connection to the call that hangs on it."""
        self._hanging.calls += 1
        self._drop()

    def _drop(self) -> None:
        if self._connection in self._open_ones:
            self._open_ones.remove(self._connection)  # to close it would be to wait for what hangs
        self._own.connection = None

    def _call(self, call: Callable[[], _T], seconds: float | None = None) -> _T:
        """The call's result.

        :raise DeadlineError: when libvirt does not answer in time; nobody knows whether it will yet do it.
        """
        limit = self._bounds.patience if seconds is None else seconds
        try:
            return within(limit, call)
        except TimeoutError as error:
            self._drop()  # it is still busy with that call
            raise DeadlineError(
                f"libvirt does not answer at {self._uri}: nothing within {limit:g} s",
                hint="is libvirtd stopped or stuck? (systemctl restart libvirtd)",
                whole=False,
            ) from error

    def _do(self, what: str, action: Callable[[Any], Any], seconds: float = _STARTING) -> Any:
        libvirt = binding()
        try:
            connection = self._open()
            return self._call(lambda: action(connection), seconds)
        except libvirt.libvirtError as error:
            raise self._failed(what, error) from error

    def _find(self, name: str) -> Any:
        libvirt = binding()
        try:
            connection = self._open()
            return self._call(lambda: connection.lookupByName(name))
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                return None
            raise self._failed(f"look for {name}", error) from error

    def _open(self) -> Any:
        libvirt = binding()
        if self._connection is not None and not self._connection.isAlive():
            self._drop()  # the daemon was restarted; this call shall not pay for it
        if self._connection is None:
            try:
                self._own.connection = self._call(lambda: libvirt.open(self._address))
            except libvirt.libvirtError as error:
                raise refused(self._address, self._uri, error) from error
            self._open_ones.append(self._connection)
        return self._connection

    def _failed(self, what: str, error: Exception) -> HostError:
        if self._connection is not None and not self._connection.isAlive():
            return LostError(
                f"libvirt at {self._uri} hung up when asked to {what}: {quoted(str(error))}",
                hint="was libvirtd restarted? `rscvm status` tells what is there",
                whole=False,
            )
        return HostError(f"libvirt at {self._uri} could not {what}: {quoted(str(error))}")
