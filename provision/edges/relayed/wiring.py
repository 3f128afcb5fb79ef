"""Builds the edges of hosts to which somebody else has a connection."""

from __future__ import annotations

import select
import threading
from contextlib import ExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING

from provision.edges.relayed.batch import BatchStream
from provision.edges.relayed.pump import Pump
from provision.edges.relayed.virsh import VirshLibvirt
from provision.edges.shell import ShellHost
from provision.runtime.errors import HostError
from provision.runtime.places import ANYBODY

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from provision.edges.qmp import QmpSocket
    from provision.edges.relayed.pump import Connection
    from provision.edges.shell import Stream
    from provision.runtime.command import Argv
    from provision.runtime.guest_channel import Channel, GuestWay
    from provision.runtime.places import Listener
    from provision.runtime.protocols import Libvirt, Runner

_TURN = 0.1
"""Seconds within which who was answered asks again."""
_HELD = 20
"""Seconds for which a lock is held at least that nobody uses, and twice as many at most."""
_PATIENCE = 0.5
_END = 5.0


class RelayedEdges:
    """Reaches hosts, their libvirts (read only) and their QEMUs; a context manager, so that nothing is left running there."""

    def __init__(self, connections: Mapping[str, Connection], libvirts: Mapping[str, str]) -> None:
        """`libvirts` are the URIs as seen there, by the hosts' names."""
        self._connections, self._uris = connections, libvirts
        self._hosts: dict[tuple[str, str], ShellHost] = {}
        self._libvirts: dict[str, VirshLibvirt] = {}
        self._carried: list[threading.Event] = []
        self._open = ExitStack()

    def __enter__(self) -> RelayedEdges:  # noqa: PYI034 - never subclassed
        """Return itself; programs are started when first used."""
        return self

    def __exit__(self, *_: object) -> None:
        """End all programs."""
        for ended in self._carried:
            ended.wait(2 * _END)
        self._open.close()

    def host(self, name: str) -> Runner:
        """The host that runs commands."""
        return self._shell(name, "commands")

    def _shell(self, name: str, what: str) -> ShellHost:
        """A shell of its own for each use: one that waits keeps no other waiting."""
        if (name, what) not in self._hosts:
            shell = ShellHost(name, partial(self._shell_or_pump, name))
            self._open.callback(shell.close)
            self._hosts[name, what] = shell
        return self._hosts[name, what]

    def _shell_or_pump(self, name: str, argv: Argv) -> Stream:
        """What holds a lock has to stay; a shell alone need not."""
        if argv == ("sh",):
            return BatchStream(name, self._connections[name])
        return Pump(self._connections[name], argv, kept=_HELD)

    def _start(self, name: str, argv: Argv) -> Pump:
        return Pump(self._connections[name], argv)

    def libvirt(self, host: str) -> Libvirt:
        """The host's libvirt, read by its virsh."""
        if host not in self._libvirts:
            self._libvirts[host] = VirshLibvirt(self._shell(host, "libvirt"), self._uris[host])
        return self._libvirts[host]

    def monitor(self, host: str, socket: str, listener: Listener = ANYBODY) -> QmpSocket:
        """Who listens at a path on the host, or at a port of its loopback."""
        from provision.edges.qmp import QmpSocket  # noqa: PLC0415 - brings asyncio
        from provision.edges.ssh.relay import relayed_by  # noqa: PLC0415

        way = relayed_by(host, partial(self._start, host), socket, listener.uid, self._carry)
        return QmpSocket(f"{host}:{socket}", listener, way)

    def guest(self, host: str, way: GuestWay) -> AbstractContextManager[Channel]:
        """Nobody: over somebody else's connection guests are not asked."""
        raise HostError(f"{way} of {host}: guests are not asked over this connection")

    def _carry(self, stream: Pump, far: socket.socket) -> None:
        ended = threading.Event()
        self._carried.append(ended)
        try:
            _carry(stream, far)
        finally:
            ended.set()


def _carry(stream: Pump, far: socket.socket) -> None:
    """Hand on both ways by turns until one end is closed: a question, and what is said to it."""
    with far, suppress(OSError, EOFError):
        while (more := stream.receive(_PATIENCE)) is not None:
            far.sendall(more[0])
            if select.select([far], [], [], _TURN)[0]:
                data = far.recv(1 << 16)
                if not data:
                    break
                stream.send(data)
    stream.end(_END)
