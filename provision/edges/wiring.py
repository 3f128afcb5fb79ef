"""Builds the real edges, under the names that a lab file gives its hosts."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from provision.edges.followed import followed
from provision.edges.local import LocalStream, local_host
from provision.edges.shell import ShellHost
from provision.edges.sockets import connected
from provision.runtime.errors import HostError
from provision.runtime.places import ANYBODY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

    from provision.edges.followed import FollowedProgram
    from provision.edges.libvirt.connection import Libvirt
    from provision.edges.qmp import QmpSocket
    from provision.edges.sockets import Line
    from provision.edges.ssh.host import SshHost
    from provision.runtime.command import Argv, Say
    from provision.runtime.guest_channel import Channel, GuestWay
    from provision.runtime.places import Listener, Target
    from provision.runtime.protocols import Runner

_PATIENCE = 10.0
"""Seconds for the connection to a guest agent's socket."""


class RealEdges:
    """Reaches hosts, their libvirts and their QEMUs; a context manager, so that connections end."""

    def __init__(
        self,
        targets: Mapping[str, Target],
        trace: Say | None = None,
        *,
        daemons: Mapping[str, Target] | None = None,
    ) -> None:
        """`daemons` are the libvirts that are reached otherwise than their hosts."""
        self._targets = targets
        self._daemons = {**targets, **(daemons or {})}
        self._trace = trace
        self._hosts: dict[str, ShellHost] = {}
        self._connections: dict[str, SshHost] = {}
        self._libvirts: dict[str, Libvirt] = {}
        self._open = ExitStack()

    def __enter__(self) -> RealEdges:  # noqa: PYI034 - never subclassed
        """Return itself; connections are made when first used."""
        return self

    def __exit__(self, *_: object) -> None:
        """End all connections."""
        self._open.close()

    def host(self, name: str) -> Runner:
        """The host that runs commands; one without an address is this machine."""
        if name not in self._hosts:
            if self._targets[name].address:
                self._hosts[name] = ShellHost(name, self._connection(name).start, self._trace)
            else:
                self._hosts[name] = local_host(self._trace)
            self._open.callback(self._hosts[name].close)
        return self._hosts[name]

    def follow(self, name: str, argv: Argv) -> AbstractContextManager[FollowedProgram]:
        """A program on a host that is talked with while it runs."""
        start = self._connection(name).start if self._targets[name].address else LocalStream
        return followed(name, start, argv, self._trace)

    def reach(self, name: str) -> None:
        """Be connected to a host, if it is another one than this.

        :raise HostError: when it cannot be reached, or does not let us in.
        """
        if self._targets[name].address:
            self._connection(name).connect()

    def _connection(self, name: str) -> SshHost:
        from provision.edges.ssh.host import SshHost  # noqa: PLC0415 - only where a host is remote

        if name not in self._connections:
            self._connections[name] = SshHost(self._targets[name])
            self._open.callback(self._connections[name].close)
        return self._connections[name]

    def libvirt(self, host: str) -> Libvirt:
        """The host's libvirt, at the URI that the lab file gives it."""
        from provision.edges.libvirt.connection import Libvirt  # noqa: PLC0415 - only where libvirt is used

        if host not in self._libvirts:
            connection = Libvirt(self._uri(host))
            self._open.callback(connection.close)
            self._libvirts[host] = connection
        return self._libvirts[host]

    def connect_uri(self, host: str) -> str:
        """The host's libvirt as its user gives it to `--connect`."""
        target = self._daemons[host]
        if target.uri or not target.address:
            return target.uri or target.libvirt
        user, port = f"{target.user}@" if target.user else "", f":{target.port}" if target.port else ""
        address = f"[{target.address}]" if ":" in target.address else target.address
        return target.libvirt.replace("qemu://", f"qemu+ssh://{user}{address}{port}", 1)

    def _uri(self, host: str) -> str:
        """The host's libvirt as seen from here; whether SSH leads there at all is found out first, and said better."""
        target = self._daemons[host]
        if target.uri or not target.address:
            return target.uri or target.libvirt
        from provision.edges.ssh.libvirt_uri import LibvirtRoad  # noqa: PLC0415 - only where a host is remote

        road = LibvirtRoad(target)
        self._open.callback(road.close)
        uri = road.uri
        if target == self._targets[host]:
            self._connection(host).connect()
        return uri

    def monitor(self, host: str, socket: str, listener: Listener = ANYBODY) -> QmpSocket:
        """Who listens at a path on the host, or at a port of its loopback."""
        from provision.edges.qmp import QmpSocket  # noqa: PLC0415 - brings asyncio

        if not self._targets[host].address:
            return QmpSocket(socket, listener)
        from provision.edges.ssh.relay import relayed  # noqa: PLC0415 - only where a host is remote

        connection = self._connection(host)
        return QmpSocket(f"{host}:{socket}", listener, relayed(host, connection.start, socket, listener.uid))

    def guest(self, host: str, way: GuestWay) -> AbstractContextManager[Channel]:
        """A guest of the host's, by one way into it.

        :raise HostError: when what that takes is not installed.
        """
        match way.kind:
            case "agent":
                return self._by_agent(host, way)
            case "ssh":
                from provision.edges.guest.ssh import SshGuest  # noqa: PLC0415 - only where guests are asked

                return SshGuest(way)
            case "winrm":
                try:
                    from provision.edges.guest.winrm import WinrmGuest  # noqa: PLC0415 - an extra
                except ImportError as error:
                    hint = "pip install 'rscvm[winrm]'"
                    raise HostError(f"{way} cannot be asked: {error}", hint=hint) from error
                return WinrmGuest(way)

    @contextmanager
    def _by_agent(self, host: str, way: GuestWay) -> Iterator[Channel]:
        from provision.edges.guest.agent_channel import AgentGuest  # noqa: PLC0415 - only where guests are asked

        if way.domain:
            yield AgentGuest(way.domain, self.libvirt(host).agent(way.domain), way.system)
            return
        from provision.edges.guest.agent_socket import AgentSocket  # noqa: PLC0415

        place = f"{host}:{way.socket}" if self._targets[host].address else way.socket
        listener = way.listener or ANYBODY
        with AgentSocket(place, listener, self._road(host, way.socket, listener)) as agent:
            yield AgentGuest(f"the guest at {place}", agent, way.system)

    def _road(self, host: str, socket: str, listener: Listener) -> AbstractContextManager[Line]:
        """What connects to a path on the host."""
        if not self._targets[host].address:
            return connected(socket, listener.uid, _PATIENCE)
        from provision.edges.ssh.relay import relayed  # noqa: PLC0415 - only where a host is remote

        return relayed(host, self._connection(host).start, socket, listener.uid)
