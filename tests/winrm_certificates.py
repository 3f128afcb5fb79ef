"""A certificate authority and what it certifies, for servers of tests."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

DAY = timedelta(days=1)
_CERTIFIES = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


class Authority:
    """Its own certificate is in `file`; without an authority above it."""

    def __init__(self, folder: Path, name: str = "A test's authority") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        own = self._builder(self._name, self._key, -DAY, DAY)
        own = own.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        own = own.add_extension(_CERTIFIES, critical=True)
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(self._signed(own))

    def certified(self, address: str, *, since: timedelta = -DAY, until: timedelta = DAY) -> Path:
        """A file with a key and a certificate for an IP address or a name, valid from then to then."""
        key = ec.generate_private_key(ec.SECP256R1())
        file = self._folder / f"{address}-{since.days}-{until.days}.pem"
        builder = self._builder(_name(address), key, since, until).add_extension(
            _for(address), critical=False
        )
        file.write_bytes(_pem(key) + self._signed(builder))
        return file

    def _builder(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        since: timedelta,
        until: timedelta,
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(self._name, subject, key.public_key(), x509.random_serial_number())
        # As RFC 5280 has it, and Python 3.13 and later want it.
        subject_key = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return (
            builder.not_valid_before(now + since)
            .not_valid_after(now + until)
            .add_extension(subject_key, critical=False)
            .add_extension(issuer_key, critical=False)
        )

    def _signed(self, builder: x509.CertificateBuilder) -> bytes:
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def alone(folder: Path, address: str) -> tuple[Path, Path]:
    """A file with a key and a certificate that certifies itself, as Windows makes them; and the certificate alone."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder(_name(address), _name(address), key.public_key(), x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
        .add_extension(_for(address), critical=False)
    )
    own = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    both, shown = folder / "alone.pem", folder / "alone-shown.pem"
    both.write_bytes(_pem(key) + own)
    shown.write_bytes(own)
    return both, shown


def _for(address: str) -> x509.SubjectAlternativeName:
    try:
        return x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
    except ValueError:
        return x509.SubjectAlternativeName([x509.DNSName(address)])
