"""The byte stream to an SSH server: a socket, or the ProxyCommand that leads there."""

from __future__ import annotations

import errno
import os
import re
import select
import signal
import socket
import subprocess
import threading
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any

from provision.edges.ssh.route import PATIENCE, PULSE, SshError
from provision.edges.ssh.source_address import source
from provision.runtime.deadline import own_limit, within_limit
from provision.runtime.masked import MARK, masked_text

if TYPE_CHECKING:
    from provision.edges.ssh.route import Route

_STUCK = 3 * PULSE
"""Seconds after which a host that acknowledges nothing is lost."""
_PATIENCE = 2 * PATIENCE
"""Seconds after which a host that takes nothing is lost."""
_MOST = 1 << 16
_MOST_GREETING = 1 << 18
"""Bytes that come before we know whose they are; a greeting with its keys is 5,000."""
_MOST_WORDS = 1 << 12
"""Bytes that are kept of what a program complains, the last ones."""
_LAST = 2
"""Seconds that a program has for its end."""
_FAMILIES = {"any": socket.AF_UNSPEC, "inet": socket.AF_INET, "inet6": socket.AF_INET6}


class PatientSocket(socket.socket):
    """A socket whose other end has to take what is sent; paramiko by itself would offer it for ever.

    What it receives it acknowledges at once: sshd writes in small pieces while it lets us in, and its kernel keeps
    each until the one before is acknowledged, which ours would put off for 40 ms (Nagle's rule and delayed ACKs).
    It receives what there is: paramiko asks twice for each packet, and its threads wait for one another each time.
    """

    _rest = b""
    _most: int | None = _MOST_GREETING
    _come = 0
    _when = "before we know who it is"

    def allow(self, most: int | None) -> None:
        """Let so many bytes come from now on, or any number."""
        self._most, self._come, self._when = most, 0, "at once"

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """Receive some; the kernel forgets the promptness, hence each time.

        :raise ConnectionError: when the other end says too much.
        """
        if not self._rest:
            self._rest = super().recv(_MOST, flags)
            self._come += len(self._rest)
            if self._most is not None and self._come > self._most:  # with a number, as paramiko looks for one
                said = f"it says more than {self._most} bytes {self._when}"
                raise ConnectionAbortedError(errno.ECONNABORTED, said)
            # A ProxyCommand's pipe has no such option, and a connection that is lost is found out by reading on.
            with suppress(OSError):
                self.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        data, self._rest = self._rest[:bufsize], self._rest[bufsize:]
        return data

    def send(self, data: Any, flags: int = 0, /) -> int:
        """Send some of it.

        :raise ConnectionError: when the other end takes nothing for too long, or until this thread's work has to end.
        """
        room = select.poll()
        room.register(self, select.POLLOUT)
        limit = own_limit()
        patience = min(_PATIENCE, limit.remaining) if limit else _PATIENCE
        if not room.poll(patience * 1000):
            with suppress(OSError):
                self.shutdown(socket.SHUT_RDWR)  # nobody else needs to find that out
            raise ConnectionError(f"it has taken nothing for {patience:.3g} s")
        return super().send(data, flags)


class _Complaint:
    """The last of what a program complains."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._last = bytearray()
        self._thread = threading.Thread(target=self._listen, args=(stream,), daemon=True)
        self._thread.start()

    def _listen(self, stream: IO[bytes]) -> None:
        with stream, suppress(OSError, ValueError):
            while data := os.read(stream.fileno(), _MOST):
                self._last += data
                del self._last[:-_MOST_WORDS]

    def __str__(self) -> str:
        self._thread.join(_LAST / 4)  # its last words may still be on the way
        return bytes(self._last).decode("utf-8", "replace").strip()


class Line:
    """A connected socket, and the program behind it if there is one."""

    def __init__(self, host: str, route: Route, most: int | None = None) -> None:
        """`most`: bytes that whoever is known to be meant may say at once; a host may say as much as it likes."""
        self._most = most
        self._program: subprocess.Popen[bytes] | None = None
        self._said: _Complaint | None = None
        self._arguments = set() if route.jumps else _arguments(route)
        made = self._through(route.proxy) if route.proxy else _direct(host, route)
        self.address = "" if route.proxy else str(made.getpeername()[0])
        """Where it leads, if it leads there directly."""
        self.socket = PatientSocket(fileno=made.detach())

    def _through(self, command: str) -> socket.socket:
        near, far = socket.socketpair()
        with far:  # in a session of its own, where the terminal's Ctrl-C does not reach it
            both = far.fileno()
            self._program = subprocess.Popen(
                ["sh", "-c", f"exec {command}"],
                stdin=both,
                stdout=both,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
            )
        if self._program.stderr is not None:
            self._said = _Complaint(self._program.stderr)
        return near

    def words(self) -> str:
        """What the program complained last, without its own arguments: they may be passwords."""
        said = masked_text(str(self._said or ""))
        for word in sorted(self._arguments, key=len, reverse=True):
            said = said.replace(word, MARK)
        return said

    def trusted(self) -> None:
        """It is the one that was meant, and may say as much as such a one may, from now on."""
        self.socket.allow(self._most)

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


def _arguments(route: Route) -> set[str]:
    """What a ProxyCommand was handed beside options and where it is to lead; other words are too short to be secrets."""
    words = set(re.split(r"[\s='\"]+", route.proxy)[1:])
    harmless = {route.host, str(route.port), route.user, f"{route.host}:{route.port}"}
    return {word for word in words - harmless if len(word) > 3 and not word.startswith(("-", "/"))}


def _direct(name: str, route: Route) -> socket.socket:
    where = f"host {name}: {route.host} port {route.port}"
    try:
        made = _connected(route)
    except (socket.gaierror, UnicodeError) as error:
        raise SshError(
            f"host {name}: no address of {route.host} is known: {getattr(error, 'strerror', None) or 'that is no name'}",
            hint=f"is it a name that DNS or /etc/hosts has, or a Host of ~/.ssh/config? (in a lab file: hosts.{name}.address)",
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


def _connected(route: Route) -> socket.socket:
    """A connection to the first of the host's addresses that takes one.

    :raise OSError: when none does; what the last one said.
    """
    failed = OSError(errno.EADDRNOTAVAIL, "it has no address")
    family = _FAMILIES.get(route.family, socket.AF_UNSPEC)
    for kind, _, _, _, address in socket.getaddrinfo(route.host, route.port, family, socket.SOCK_STREAM):
        made = socket.socket(kind, socket.SOCK_STREAM)
        try:
            made.settimeout(within_limit(PATIENCE))
            if route.bind or route.interface:
                made.bind(source(kind, route.bind, route.interface))
            made.connect(address)
        except OSError as error:
            made.close()
            failed = error
        else:
            return made
    raise failed
