"""The real edges, brought together under the names of a lab file's hosts."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from provision.edges.local import local_host
from provision.edges.qmp import QmpSocket
from provision.errors import NotYetError

if TYPE_CHECKING:
    from provision.command import Runner, Say
    from provision.edges.libvirt import Libvirt
    from provision.edges.shell import ShellHost


class RealEdges:
    """Reaches this machine, its libvirt and its QEMUs; a context manager, so that connections end."""

    def __init__(self, uris: dict[str, str], trace: Say | None = None) -> None:
        self._uris = uris
        self._trace = trace
        self._hosts: dict[str, ShellHost] = {}
        self._libvirts: dict[str, Libvirt] = {}
        self._open = ExitStack()

    def __enter__(self) -> RealEdges:  # noqa: PYI034 - never subclassed
        """Return itself; connections are made when first used."""
        return self

    def __exit__(self, *_: object) -> None:
        """End all connections."""
        self._open.close()

    def host(self, name: str) -> Runner:
        """The host that runs commands.

        :raise NotYetError: for any host but `local`.
        """
        if name != "local":
            raise NotYetError(f"host {name}: this version reaches `local` only")
        if name not in self._hosts:
            self._hosts[name] = local_host(self._trace)
            self._open.callback(self._hosts[name].close)
        return self._hosts[name]

    def hypervisor(self, host: str) -> Libvirt:
        """The host's libvirt, at the URI that the lab file gives it."""
        from provision.edges.libvirt import Libvirt  # noqa: PLC0415 - only where libvirt is used

        if host not in self._libvirts:
            connection = Libvirt(self._uris.get(host, "qemu:///system"))
            self._open.callback(connection.close)
            self._libvirts[host] = connection
        return self._libvirts[host]

    def monitor(self, host: str, socket: str) -> QmpSocket:
        """The QEMU that listens at a socket on the host."""
        self.host(host)
        return QmpSocket(socket)
