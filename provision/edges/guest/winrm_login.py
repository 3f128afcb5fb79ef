"""The login at a guest's WinRM service: NTLM, by which the password is proven and not told."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

import spnego
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from spnego.channel_bindings import GssChannelBindings

from provision.edges.guest.unspoken import cause, unspoken, without
from provision.edges.guest.winrm_exchange import ELSEWHERE, MISSING, PATH, UNKNOWN
from provision.edges.guest.winrm_stream import SET_UP
from provision.runtime.errors import HostError
from provision.runtime.safe_text import short

if TYPE_CHECKING:
    from typing import Any

    from provision.edges.guest.winrm_exchange import Answer, Exchange
    from provision.runtime.guest_channel import GuestWay

_SCHEME = "negotiate"


def log_in(way: GuestWay, password: str, exchange: Exchange) -> Any:
    """Log a connection in; NTLM's context, which encrypts where TLS does not.

    :raise HostError: when the guest does not let us in.
    """
    context = _context(way, password, exchange.certificate)
    challenge: bytes | None = None
    while True:
        words = base64.b64encode(_stepped(way, password, context, challenge)).decode("ascii")
        answer = exchange.ask(b"", {"Authorization": f"Negotiate {words}"})
        challenge = _challenge(answer) if answer.status == UNKNOWN and not context.complete else None
        if challenge is None:
            break
    if not context.complete or answer.status >= ELSEWHERE.start:
        raise refused(way, password, answer)
    return context


def _stepped(way: GuestWay, password: str, context: Any, challenge: bytes | None) -> bytes:
    """What NTLM says next.

    :raise HostError: when it can make nothing of what the guest said.
    """
    try:
        token: bytes | None = context.step(challenge)
    except Exception as error:  # noqa: BLE001 - whatever pyspnego stumbles over
        words = unspoken(str(error), password)
        raise HostError(f"{way}: no login by NTLM: {words}") from cause(error, password)
    return token or b""


def _context(way: GuestWay, password: str, certificate: bytes) -> Any:
    """NTLM by itself: Kerberos would ask name servers and others, for as long as they like.

    With TLS it is bound to the certificate (RFC 5929), so that nobody hands it on to somebody else's service.
    """
    options = spnego.NegotiateOptions.use_ntlm
    if not way.tls:
        options |= spnego.NegotiateOptions.wrapping_winrm
    bindings = GssChannelBindings(application_data=_end_point(certificate)) if certificate else None
    return spnego.client(
        way.user,
        password,
        hostname=way.address,
        service="host",
        channel_bindings=bindings,
        protocol="ntlm",
        options=options,
    )


def refused(way: GuestWay, password: str, answer: Answer) -> HostError:
    """Why a service does not let us in, by its status alone."""
    if answer.status in ELSEWHERE:
        return HostError(f"{way} sends us elsewhere (HTTP {answer.status}), where we do not go")
    if answer.status == MISSING:
        return HostError(f"{way}: no WinRM service is at {PATH} (HTTP {MISSING})", hint=SET_UP)
    if answer.status != UNKNOWN:
        return HostError(f"{way} does not log us in by NTLM (HTTP {answer.status})", hint=SET_UP)
    if not any(_scheme(offer) == _SCHEME for offer in answer.offers):
        offered = (
            ", ".join(short(_scheme(without(offer, password)), 20) for offer in answer.offers[:5])
            or "nothing"
        )
        return HostError(
            f"{way} does not take a login by Negotiate; it offers {offered}",
            hint="in the guest: winrm set winrm/config/service/auth '@{Negotiate=\"true\"}'; Basic would tell it the password, and is not used",
        )
    return HostError(
        f"{way}: login refused",
        hint=f"is ${way.password_env} the password of {way.user} (a domain's as DOMAIN\\NAME), and may that account log in over the network?",
    )


def _scheme(offer: str) -> str:
    return offer.strip().partition(" ")[0].lower()


def _challenge(answer: Answer) -> bytes | None:
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
