"""OpenSSH certificates: the key that one is for, and whether one of a host's counts."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

SUFFIX = "-cert-v01@openssh.com"
_FIELDS = {"ssh-rsa": 2, "ssh-ed25519": 1, "sk-ssh-ed25519": 2, "ecdsa-sha2": 2, "sk-ecdsa-sha2": 3}
"""How many fields a public key of each type has, after its type."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What of a certificate is not told by cryptography, and the whole."""

    blob: bytes
    key: bytes
    """The public key that it is for."""
    authority: bytes
    """The public key that has signed it."""
    signature: str
    """The algorithm by which it has."""

    @property
    def line(self) -> bytes:
        """As it stands in a file."""
        kind = self.blob[4 : 4 + int.from_bytes(self.blob[:4], "big")]
        return b"%b %b\n" % (kind, base64.b64encode(self.blob))


def read_certificate(blob: bytes) -> Certificate:
    """The parts of a certificate (PROTOCOL.certkeys).

    :raise ValueError: when it is none.
    """
    from paramiko import Message  # noqa: PLC0415 - slow to load

    said = Message(blob)
    kind = said.get_binary().decode("ascii", "replace")
    plain = kind.removesuffix(SUFFIX)
    count = next((n for start, n in _FIELDS.items() if plain.startswith(start)), 0)
    if kind == plain or not count:
        raise ValueError(f"{kind[:60]!r} is no certificate")
    said.get_binary()  # the nonce
    key = Message()
    key.add_string(f"{plain}@openssh.com" if plain.startswith("sk-") else plain)
    for _ in range(count):
        key.add_string(said.get_binary())
    said.get_int64()  # its serial number
    said.get_int()  # whether it is a host's
    for _ in range(2):
        said.get_binary()  # its name, and the names that it is for
    said.get_int64(), said.get_int64()
    for _ in range(3):
        said.get_binary()  # options, extensions, reserved
    authority, signature = said.get_binary(), said.get_binary()
    return Certificate(
        blob, key.asbytes(), authority, Message(signature).get_binary().decode("ascii", "replace")
    )


def fault(certificate: Certificate, name: str, signatures: Collection[str], now: float) -> str:
    """Why a host's certificate does not count for a name; empty where it does, which its authority says of course.

    One without names is for nobody, as `ssh` of 2026 has it (sshkey.c, sshkey_cert_check_host), and a name is no pattern,
    as before OpenSSH 10.3: where they differ we are as strict as either.
    """
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm  # noqa: PLC0415 - slow to load
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        SSHCertificate,
        SSHCertificateType,
        load_ssh_public_identity,
    )

    try:
        read = load_ssh_public_identity(certificate.line)
        if not isinstance(read, SSHCertificate):
            return "it is none"
        read.verify_cert_signature()
    except InvalidSignature:
        return "its signature is not its authority's"
    except (ValueError, TypeError, NotImplementedError, UnsupportedAlgorithm) as error:
        return f"it cannot be read: {error}"
    names = [principal.decode("utf-8", "replace") for principal in read.valid_principals]
    for why, true in (
        ("it is no host's", read.type is not SSHCertificateType.HOST),
        ("it is not yet valid", now < read.valid_after),
        ("it has expired", now >= read.valid_before),
        ("it names no host", not names),
        (f"it is for {', '.join(names[:5])}", name.lower() not in names),
        ("it has critical options", bool(read.critical_options)),
        (
            f"it is signed by {certificate.signature}, which CASignatureAlgorithms has not",
            bool(signatures) and certificate.signature not in signatures,
        ),
    ):
        if true:
            return why
    return ""
