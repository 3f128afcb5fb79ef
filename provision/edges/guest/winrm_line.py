"""A guest's WinRM service, logged in by NTLM: what pypsrp has its messages carried by, within our bounds.

pypsrp's own carrier (requests) follows redirects and the environment's proxies, takes answers of any size, and waits
for each piece of them anew.
"""

from __future__ import annotations

import base64
import binascii
import re
from http.client import HTTPConnection, HTTPException, IncompleteRead
from typing import TYPE_CHECKING, NamedTuple

import spnego
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from pypsrp.encryption import WinRMEncryption
from pypsrp.exceptions import WinRMTransportError
from spnego.channel_bindings import GssChannelBindings

from provision.edges.guest.winrm_stream import PORTS, SET_UP, NotHeardError, PatientStream, late, said
from provision.runtime.deadline import pause
from provision.runtime.errors import HostError
from provision.runtime.safe_text import short
from provision.runtime.untrusted import read_xml

if TYPE_CHECKING:
    from typing import Any

    from provision.runtime.deadline import Deadline
    from provision.runtime.guest_channel import GuestWay

_PATH = "/wsman"
_SCHEME = "negotiate"
_SEALED = (
    'multipart/encrypted;protocol="application/HTTP-SPNEGO-session-encrypted";boundary="Encrypted Boundary"'
)
_PLAIN = "application/soap+xml;charset=UTF-8"
_BOUNDARY = re.compile(r'boundary="([^"\r\n]{1,70})"')
_MOST = 1 << 20
"""Bytes of an answer; we ask for 512,000 at most (MaxEnvelopeSize)."""
_ANSWER = 60.0
"""Seconds for an answer of which its request does not say how long it may take."""
_UNKNOWN = 401
_MISSING = 404
_ELSEWHERE = range(300, 400)
_FAULT = 400
"""The first of the statuses by which a service says no."""


class _Answer(NamedTuple):
    status: int
    kind: str
    """Its Content-Type."""
    offers: tuple[str, ...]
    """By what we may log in."""
    body: bytes


class WinrmLine:
    """Takes messages to a guest's WinRM service, and its answers back; it connects and logs in when it has to.

    In the place of pypsrp's `_TransportHTTP`, of which pypsrp uses these attributes and methods alone.
    """

    def __init__(self, way: GuestWay, password: str, whole: Deadline) -> None:
        """`whole`: by when all has to have ended."""
        scheme, host = (
            ("https" if way.tls else "http"),
            f"[{way.address}]" if ":" in way.address else way.address,
        )
        self.endpoint = f"{scheme}://{host}:{PORTS[way.tls]}{_PATH}"
        self.handed = 0
        """How many messages the guest may have seen."""
        self._way = way
        self._password = password
        self._whole = whole
        self._http: HTTPConnection | None = None
        self._stream: PatientStream | None = None
        self._seal: WinRMEncryption | None = None
        self._asking = False

    def send(self, message: bytes, *, retries_on_read_timeout: int = 0, timeout: float | None = None) -> str:
        """The answer to a message; one that may be asked again is, when nothing is heard: the guest keeps its answer.

        `timeout` is how long the answer may take.

        :raise WinRMTransportError: when the service says no; with its words where they can be read.
        :raise HostError: when nothing comes of it.
        """
        tries = retries_on_read_timeout
        while True:
            try:
                return self._sent(message, timeout or _ANSWER)
            except NotHeardError:
                self.close()
                if not tries:
                    raise
            tries -= 1
            pause(min(1.0, self._whole.remaining))
            if self._whole.expired:
                raise late(self._way, self._whole)

    def close(self) -> None:
        """Hang up; the next message connects anew."""
        if self._http is not None:
            self._http.close()
        if self._stream is not None:
            self._stream.close()
        self._http = self._stream = self._seal = None
        self._asking = False

    def begin_anew(self, whole: Deadline) -> None:
        """There is another time by when all has to have ended; an answer that is still to come is not waited for."""
        self._whole = whole
        if self._asking:
            self.close()
        elif self._stream is not None:
            self._stream.whole = whole

    def _sent(self, message: bytes, seconds: float) -> str:
        if self._http is None or self._http.sock is None:
            self.close()
            try:
                self._log_in()
            except BaseException:
                self.close()  # nothing is said where we are not logged in
                raise
        self.handed += 1
        kind = _PLAIN
        if self._seal is not None:
            _, message = self._seal.wrap_message(message)
            kind = _SEALED
        answer = self._answer(message, {"Content-Type": kind}, seconds)
        if answer.status == _UNKNOWN or answer.status in _ELSEWHERE or answer.status == _MISSING:
            raise self._refused(answer)
        text = self._read(answer)
        if answer.status >= _FAULT:
            raise WinRMTransportError("http", answer.status, text)
        return text

    def _read(self, answer: _Answer) -> str:
        """An answer's document, seen to be one that may be parsed; as text, so that nobody goes by an encoding that it names.

        :raise HostError: when it is not; a no is told all the same, without its words.
        """
        try:
            text = self._opened(answer).decode("utf-8-sig")
            read_xml(text)
        except Exception as error:
            if answer.status >= _FAULT:
                return ""
            # Whatever pypsrp and pyspnego stumble over in what was said.
            raise HostError(f"{self._way}: its answer cannot be read: {self.unspoken(str(error))}") from error
        return text

    def _opened(self, answer: _Answer) -> bytes:
        """What is in an answer. Where it has to be encrypted, anybody on the way may have said one that is not.

        :raise ValueError: then.
        """
        if self._seal is None:
            return answer.body
        found = _BOUNDARY.search(answer.kind)
        if not answer.kind.startswith("multipart/encrypted") or not found:
            raise ValueError("it is not encrypted")
        return self._seal.unwrap_message(answer.body, found[1])

    def _log_in(self) -> None:
        """Connect, and prove to have the password without telling it.

        :raise HostError: when the guest does not let us in.
        """
        self._stream = PatientStream(self._way, self._whole)
        self._http = HTTPConnection(self._way.address, PORTS[self._way.tls])
        self._http.auto_open = 0  # a connection is logged in, or none
        self._http.sock = self._stream  # all of a socket that it uses
        context = self._context(self._stream.certificate)
        token = self._stepped(context, None)
        while token:
            words = base64.b64encode(token).decode("ascii")
            answer = self._answer(b"", {"Authorization": f"Negotiate {words}"}, _ANSWER)
            if answer.status != _UNKNOWN:
                break
            challenge = _challenge(answer)
            if context.complete or challenge is None:
                raise self._refused(answer)
            token = self._stepped(context, challenge)
        if not context.complete or answer.status >= _ELSEWHERE.start:
            raise self._refused(answer)
        self._seal = None if self._way.tls else WinRMEncryption(context, WinRMEncryption.SPNEGO)

    def _stepped(self, context: Any, challenge: bytes | None) -> bytes | None:
        """What NTLM says next.

        :raise HostError: when it can make nothing of what the guest said.
        """
        try:
            token: bytes | None = context.step(challenge)
        except Exception as error:
            raise HostError(f"{self._way}: no login by NTLM: {self.unspoken(str(error))}") from error
        return token

    def _context(self, certificate: bytes) -> Any:
        """NTLM by itself: Kerberos would ask name servers and others, for as long as they like.

        With TLS it is bound to the certificate (RFC 5929), so that nobody hands it on to somebody else's service.
        """
        options = spnego.NegotiateOptions.use_ntlm
        if not self._way.tls:
            options |= spnego.NegotiateOptions.wrapping_winrm
        bindings = GssChannelBindings(application_data=_end_point(certificate)) if certificate else None
        return spnego.client(
            self._way.user,
            self._password,
            hostname=self._way.address,
            service="host",
            channel_bindings=bindings,
            protocol="ntlm",
            options=options,
        )

    def _answer(self, body: bytes, headers: dict[str, str], seconds: float) -> _Answer:
        """What comes of one request.

        :raise NotHeardError: when the guest hangs up, or says nothing in time.
        :raise HostError: when it says what is no HTTP, or too much.
        """
        http, stream = self._http, self._stream
        if http is None or stream is None:
            raise NotHeardError(f"{self._way} has hung up")
        stream.expect_within(seconds)
        self._asking = True
        try:
            http.request(
                "POST", _PATH, body, {"User-Agent": "rscvm", "Accept-Encoding": "identity", **headers}
            )
            response = http.getresponse()
            data = response.read(_MOST + 1)
            if len(data) > _MOST:
                raise HostError(f"{self._way} answers with more than {_MOST} bytes")
            if response.length:
                raise IncompleteRead(data, response.length)
        except (OSError, HTTPException) as error:
            raise NotHeardError(f"{self._way} hung up in the middle: {short(said(error), 200)}") from error
        self._asking = False
        offers = tuple(response.headers.get_all("WWW-Authenticate", ()))
        return _Answer(response.status, response.headers.get("Content-Type", ""), offers, data)

    def _refused(self, answer: _Answer) -> HostError:
        """Why a service does not let us in, by its status alone."""
        way = self._way
        if answer.status in _ELSEWHERE:
            return HostError(f"{way} sends us elsewhere (HTTP {answer.status}), where we do not go")
        if answer.status == _MISSING:
            return HostError(f"{way}: no WinRM service is at {_PATH} (HTTP {_MISSING})", hint=SET_UP)
        if answer.status != _UNKNOWN:
            return HostError(f"{way} does not log us in by NTLM (HTTP {answer.status})", hint=SET_UP)
        if not any(_scheme(offer) == _SCHEME for offer in answer.offers):
            offered = ", ".join(short(_scheme(offer), 20) for offer in answer.offers[:5]) or "nothing"
            return HostError(
                f"{way} does not take a login by Negotiate; it offers {offered}",
                hint="in the guest: winrm set winrm/config/service/auth '@{Negotiate=\"true\"}'; Basic would tell it the password, and is not used",
            )
        return HostError(
            f"{way}: login refused",
            hint=f"is ${way.password_env} the password of {way.user} (a domain's as DOMAIN\\NAME), and may that account log in over the network?",
        )

    def unspoken(self, words: str) -> str:
        """Somebody's words in short, without the password if they quote it."""
        return short(words.replace(self._password, "***"), 600)


def _scheme(offer: str) -> str:
    return offer.strip().partition(" ")[0].lower()


def _challenge(answer: _Answer) -> bytes | None:
    """NTLM's challenge; None where there is none."""
    for offer in answer.offers:
        scheme, _, token = offer.strip().partition(" ")
        if scheme.lower() == _SCHEME and token.strip():
            try:
                return base64.b64decode(token.strip(), validate=True)
            except binascii.Error:
                return None
    return None


def _end_point(certificate: bytes) -> bytes:
    """What a login is bound to: `tls-server-end-point` (RFC 5929, section 4.1)."""
    try:
        own = x509.load_der_x509_certificate(certificate).signature_hash_algorithm
    except (UnsupportedAlgorithm, ValueError):
        own = None
    digest = hashes.Hash(hashes.SHA256() if own is None or own.name in ("md5", "sha1") else own)
    digest.update(certificate)
    return b"tls-server-end-point:" + digest.finalize()
