"""The byte stream to a guest's WinRM service: TCP, TLS that is verified, and no wait beyond a deadline."""

from __future__ import annotations

import io
import os
import socket
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provision.runtime.deadline import Deadline
from provision.runtime.errors import DeadlineError, HostError
from provision.runtime.interrupt import look

if TYPE_CHECKING:
    from collections.abc import Callable

    from provision.runtime.guest_channel import GuestWay

PORTS = {True: 5986, False: 5985}
"""By whether TLS is spoken: where WinRM listens by default, since its version 2.0."""
_PATIENCE = 10.0
"""Seconds for the connection, and for TLS."""
_PULSE = 0.2
"""Seconds between two looks whether we are to end."""
_PIECE = 1 << 14
MOST = 1 << 20
"""Bytes of an answer as they come, whatever they say of their number; we ask for 512,000 at most (MaxEnvelopeSize)."""
SET_UP = "in the guest, set up WinRM, and let its firewall pass it (docs/winrm.md)"

# OpenSSL's numbers (x509_vfy.h), as its words change.
_EXPIRED, _NOT_YET, _NAMES = (10,), (9,), (62, 64)
_TRUST = "have a certificate that the system's CAs certify, or name its CA's file (or its own) in REQUESTS_CA_BUNDLE"
_UNTRUSTED = {
    _EXPIRED: ("has expired", "give its listener a new certificate, and look at the guest's clock and this host's"),
    _NOT_YET: ("is not yet valid", "look at the guest's clock and this host's"),
    _NAMES: ("is for another name", "`address` has to be a name or an IP address that the certificate has as its subject's alternative"),
}  # fmt: skip


class NotHeardError(HostError):
    """Nothing is heard from the guest: it is not reached, hangs up, or is silent."""


class PatientStream:
    """A connection of which `http.client` makes its requests; each wait ends with its deadline.

    It is a socket of our own, and no proxy of the environment's leads elsewhere: guests are beside us, and the password is
    for them alone.
    """

    def __init__(self, way: GuestWay, whole: Deadline) -> None:
        """Connect.

        :raise HostError: when nobody listens there, or whoever does is not who was meant.
        """
        self.whole = whole
        """By when all has to have ended."""
        self._way = way
        self._answer = whole
        self._room = MOST
        self._line = _connected(way, whole)
        try:
            self.certificate = self._secured() if way.tls else b""
            """The other end's, as DER; empty without TLS."""
        except BaseException:
            self._line.close()
            raise

    def expect_within(self, seconds: float) -> None:
        """Let the other end have so long for what comes next, which is one answer."""
        self._answer = Deadline(seconds)
        self._room = MOST

    def makefile(self, _mode: str) -> io.BufferedReader:
        """What is received, as `http.client` reads it."""
        return io.BufferedReader(_Received(self))

    def sendall(self, data: bytes) -> None:
        """Send all of it."""
        rest = memoryview(data)
        while rest:
            sent = self._patiently(self._line.send, rest[:_PIECE])
            rest = rest[sent:]

    def receive_into(self, buffer: Any) -> int:
        """Receive some; 0 at the end.

        :raise HostError: when it is more than an answer may be.
        """
        count = self._patiently(self._line.recv_into, buffer)
        self._room -= count
        if self._room < 0:
            raise HostError(f"{self._way} answers with more than {MOST} bytes")
        return count

    def close(self) -> None:
        """Hang up."""
        self._line.close()

    def _patiently(self, act: Callable[[Any], int], data: Any) -> int:
        while True:
            look()
            if self.whole.expired:
                raise late(self._way, self.whole)
            if self._answer.expired:
                raise NotHeardError(f"{self._way} has said nothing for {self._answer.seconds:.3g} s")
            self._line.settimeout(min(_PULSE, self.whole.remaining or _PULSE))
            try:
                return act(data)
            except TimeoutError:
                continue

    def _secured(self) -> bytes:
        """Speak TLS from now on; the other end's certificate.

        :raise HostError: when it is not to be trusted.
        """
        context = _context()
        self._line.settimeout(min(_PATIENCE, self.whole.remaining or _PULSE))
        try:
            secure = context.wrap_socket(self._line, server_hostname=self._way.address)
        except ssl.SSLCertVerificationError as error:
            raise _untrusted(self._way, error) from error
        except (OSError, ValueError) as error:
            raise HostError(
                f"{self._way} does not speak TLS at port {PORTS[True]}: {said(error)}", hint=SET_UP
            ) from error
        self._line = secure
        return secure.getpeercert(binary_form=True) or b""


class _Received(io.RawIOBase):
    """A stream's incoming half; whoever has read enough closes this alone."""

    def __init__(self, stream: PatientStream) -> None:
        self._stream = stream

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Receive some."""
        return self._stream.receive_into(buffer)


def late(way: GuestWay, whole: Deadline) -> DeadlineError:
    """All has had its time."""
    return DeadlineError(f"{way} did not answer within {whole.seconds:.3g} s", whole=False)


def said(error: Exception) -> str:
    """What the system says of a failure."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__


def _connected(way: GuestWay, whole: Deadline) -> socket.socket:
    port = PORTS[way.tls]
    if whole.expired:
        raise late(way, whole)
    try:
        line = socket.create_connection((way.address, port), min(_PATIENCE, whole.remaining or _PULSE))
    except (socket.gaierror, UnicodeError) as error:  # a name that is none, too
        raise HostError(f"{way}: nobody knows its address: {said(error)}") from error
    except OSError as error:
        if whole.expired:
            raise late(way, whole) from error
        raise NotHeardError(f"{way} is not reached at port {port}: {said(error)}", hint=SET_UP) from error
    # A request goes in two pieces, of which the second would wait for the first's acknowledgement (Nagle's rule).
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return line


def _context() -> ssl.SSLContext:
    """Whom we trust: the system's CAs, or in their place those that REQUESTS_CA_BUNDLE names, a file or a folder.

    :raise HostError: when there are none.
    """
    named = os.environ.get("REQUESTS_CA_BUNDLE") or None
    file, folder = (None, named) if named and Path(named).is_dir() else (named, None)
    try:
        return ssl.create_default_context(cafile=file, capath=folder)
    except OSError as error:
        raise HostError(f"REQUESTS_CA_BUNDLE names {named}, of which no CA is read: {said(error)}") from error


def _untrusted(way: GuestWay, error: ssl.SSLCertVerificationError) -> HostError:
    code = error.verify_code
    what, hint = next(
        (words for codes, words in _UNTRUSTED.items() if code in codes), ("is not trusted", _TRUST)
    )
    return HostError(f"{way}: its certificate {what}: {error.verify_message}", hint=hint)
