"""The byte stream to an SSH server: a socket, or the ProxyCommand that leads there."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import tempfile
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any

from provision.edges.ssh.route import PATIENCE, PULSE, SshError

if TYPE_CHECKING:
    from provision.edges.ssh.route import Route

_STUCK = 3 * PULSE
"""Seconds after which a host that acknowledges nothing is lost."""
_PATIENCE = 2 * PATIENCE
"""Seconds after which a host that takes nothing is lost."""
_MOST = 1 << 16
_LAST = 2
"""Seconds that a program has for its end."""


class PatientSocket(socket.socket):
    """A socket whose other end has to take what is sent; paramiko by itself would offer it for ever.

    What it receives it acknowledges at once: sshd writes in small pieces while it lets us in, and its kernel keeps
    each until the one before is acknowledged, which ours would put off for 40 ms (Nagle's rule and delayed ACKs).
    It receives what there is: paramiko asks twice for each packet, and its threads wait for one another each time.
    """

    _rest = b""

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """Receive some; the kernel forgets the promptness, hence each time."""
        if not self._rest:
            self._rest = super().recv(_MOST, flags)
            # A ProxyCommand's pipe has no such option, and a connection that is lost is found out by reading on.
            with suppress(OSError):
                self.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        data, self._rest = self._rest[:bufsize], self._rest[bufsize:]
        return data

    def send(self, data: Any, flags: int = 0, /) -> int:
        """Send some of it.

        :raise ConnectionError: when the other end takes nothing for too long.
        """
        room = select.poll()
        room.register(self, select.POLLOUT)
        if not room.poll(_PATIENCE * 1000):
            with suppress(OSError):
                self.shutdown(socket.SHUT_RDWR)  # nobody else needs to find that out
            raise ConnectionError(f"it has taken nothing for {_PATIENCE} s")
        return super().send(data, flags)


class Line:
    """A connected socket, and the program behind it if there is one."""

    def __init__(self, host: str, route: Route) -> None:
        self._program: subprocess.Popen[bytes] | None = None
        self._said: IO[bytes] | None = None
        made = self._through(route.proxy) if route.proxy else _direct(host, route)
        self.socket = PatientSocket(fileno=made.detach())

    def _through(self, command: str) -> socket.socket:
        near, far = socket.socketpair()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the line
        with far:  # in a session of its own, where the terminal's Ctrl-C does not reach it
            both = far.fileno()
            self._program = subprocess.Popen(
                ["sh", "-c", f"exec {command}"],
                stdin=both,
                stdout=both,
                stderr=self._said,
                start_new_session=True,
            )
        return near

    def words(self) -> str:
        """What the program complained."""
        if self._said is None:
            return ""
        self._said.seek(0)
        return self._said.read(1000).decode("utf-8", "replace").strip()

    def close(self) -> None:
        """Hang up, and end the program."""
        self.socket.close()
        if self._program is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._program.pid, signal.SIGTERM)
            try:
                self._program.wait(_LAST)
            except subprocess.TimeoutExpired:
                os.killpg(self._program.pid, signal.SIGKILL)
                self._program.wait()
        if self._said is not None:
            self._said.close()


def _direct(name: str, route: Route) -> socket.socket:
    where = f"host {name}: {route.host} port {route.port}"
    try:
        made = socket.create_connection(
            (route.host, route.port), PATIENCE, (route.bind, 0) if route.bind else None
        )
    except socket.gaierror as error:
        raise SshError(
            f"host {name}: no address of {route.host} is known: {error.strerror}",
            hint=f"hosts.{name}.address is a name, an address, or a Host of ~/.ssh/config",
        ) from error
    except ConnectionRefusedError as error:
        raise SshError(f"{where} refuses connections", hint="does sshd run there, at this port?") from error
    except TimeoutError as error:
        raise SshError(
            f"{where} does not answer within {PATIENCE} s",
            hint="is it on, and does a firewall let us through?",
        ) from error
    except OSError as error:
        raise SshError(
            f"{where} cannot be reached: {error.strerror}", hint="is there a way to it?"
        ) from error
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _STUCK * 1000)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made
