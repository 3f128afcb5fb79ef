"""A stand-in for a Windows guest's WinRM service, on loopback: HTTP(S), NTLM and its encryption. No Windows was seen.

NTLM is pyspnego's, its accepting half; what is said within is winrm_soap's. A test may spoil any answer.
"""

from __future__ import annotations

import base64
import re
import secrets
import socketserver
import ssl
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Self

import spnego
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from psrpcore import ServerPipeline
from pypsrp.encryption import WinRMEncryption
from spnego.channel_bindings import GssChannelBindings
from spnego.exceptions import SpnegoError

from tests.winrm_soap import Answer, FaultError, Service, WrongError, fault

PLAIN = "application/soap+xml;charset=UTF-8"
_SEALED = (
    'multipart/encrypted;protocol="application/HTTP-SPNEGO-session-encrypted";boundary="Encrypted Boundary"'
)
_BOUNDARY = re.compile(r'boundary="([^"]+)"')

Spoil = Callable[["Handler", str], bool]
"""Deals with a request itself, or leaves it: `login`, or the action's name."""


def says(*words: str) -> Answer:
    """Every script puts these out."""

    def answer(pipeline: ServerPipeline, _script: str) -> None:
        for each in words:
            pipeline.write_output(each)
        pipeline.complete()

    return answer


def never(_pipeline: ServerPipeline, _script: str) -> None:
    """No script ends."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: WinrmServer
    _context: Any = None
    _logged_in = False

    def log_message(self, *_words: object) -> None:
        """Quiet."""

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        if len(body) < length:  # who asked was interrupted, and hung up
            self.close_connection = True
        elif self.path != "/wsman":
            self.reply(404)
        elif "Authorization" in self.headers:
            if not self.server.spoil(self, "login"):
                self._log_in(body)
        elif not self._logged_in:
            self.reply(401, headers={"WWW-Authenticate": "Negotiate"})
        else:
            self._respond(body)

    def _log_in(self, body: bytes) -> None:
        scheme, _, token = self.headers["Authorization"].partition(" ")
        if scheme != "Negotiate" or body:
            raise WrongError("it is no login, or more than that")
        if self._context is None:
            self._context = self.server.acceptor()
        try:
            challenge = self._context.step(base64.b64decode(token, validate=True))
        except SpnegoError:
            self._context = None
            self.reply(401, headers={"WWW-Authenticate": "Negotiate"})
            return
        if challenge:
            words = base64.b64encode(challenge).decode()
            self.reply(401, headers={"WWW-Authenticate": f"Negotiate {words}"})
            return
        self._logged_in = True
        self.reply(200)

    def _respond(self, body: bytes) -> None:
        text = self._opened(body)
        action = text.partition(b":Action")[2].partition(b"<")[0].rpartition(b"/")[2].decode()
        self.message = text.partition(b"MessageID>")[2].partition(b"<")[0].decode()
        if self.server.spoil(self, action):
            self.server.service.asked.append(action)
            return
        try:
            answer, status = self.server.service.respond(text, self.server.endpoint), 200
        except FaultError as error:
            answer, status = fault(error.code, str(error)), 500
        self.say(answer, status)

    def _opened(self, body: bytes) -> bytes:
        kind = self.headers["Content-Type"]
        if self.server.certificate:
            if kind != PLAIN:
                raise WrongError(f"it is {kind}")
            return body
        if not kind.startswith("multipart/encrypted;") or b"Envelope" in body:
            raise WrongError("it is not encrypted")
        found = _BOUNDARY.search(kind)
        assert found
        return self._seal().unwrap_message(body, found[1])

    def _seal(self) -> WinRMEncryption:
        return WinRMEncryption(self._context, WinRMEncryption.SPNEGO)

    def say(self, document: bytes, status: int = 200) -> None:
        """Answer with a document, encrypted where that is due."""
        if self.server.certificate:
            self.reply(status, document, {"Content-Type": PLAIN})
        else:
            self.reply(status, self._seal().wrap_message(document)[1], {"Content-Type": _SEALED})

    def reply(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        """Answer as it is."""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def hang(self) -> None:
        """Say nothing, until all is over."""
        self.server.over.wait(60)
        self.close_connection = True


class WinrmServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Listens at an address of its own, at the port that WinRM has; `certificate` for TLS."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 16

    def __init__(self, address: str, certificate: Path | None = None, answer: Answer = never) -> None:
        port = 5986 if certificate else 5985
        super().__init__((address, port), Handler)
        self.address = address
        self.certificate = certificate
        self.endpoint = f"{'https' if certificate else 'http'}://{address}:{port}/wsman"
        self.service = Service(answer)
        self.over = threading.Event()
        self.complaints: list[BaseException] = []
        self.connections = 0
        self.spoil: Spoil = lambda _handler, _action: False

    def acceptor(self) -> Any:
        """NTLM's accepting half, which wants a login that is bound to our certificate."""
        if not self.certificate:
            return spnego.server(protocol="ntlm", options=spnego.NegotiateOptions.wrapping_winrm)
        shown = x509.load_pem_x509_certificates(self.certificate.read_bytes())[0]
        digest = hashes.Hash(hashes.SHA256())
        digest.update(shown.public_bytes(Encoding.DER))
        bound = GssChannelBindings(application_data=b"tls-server-end-point:" + digest.finalize())
        return spnego.server(protocol="ntlm", channel_bindings=bound)

    def get_request(self) -> tuple[Any, Any]:
        line, peer = self.socket.accept()
        self.connections += 1
        line.settimeout(60)
        if not self.certificate:
            return line, peer
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate)
        return context.wrap_socket(line, server_side=True, do_handshake_on_connect=False), peer

    def handle_error(self, _request: object, _address: object) -> None:
        error = sys.exception()
        if error is not None and not isinstance(error, OSError):
            self.complaints.append(error)

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        with self.service.changed:
            self.service.is_over = True
            self.service.changed.notify_all()
        self.shutdown()
        self.server_close()


def loopback() -> str:
    """An address of this machine's own, of 15 million, that no other test has."""
    return f"127.{secrets.randbelow(250) + 1}.{secrets.randbelow(250)}.{secrets.randbelow(250) + 1}"
