"""Strict host keys: what known_hosts files say of a host, as OpenSSH reads them."""

from __future__ import annotations

import base64
import fnmatch
import hashlib
import hmac
import re
import shlex
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from provision.edges.ssh.certificates import fault, read_certificate
from provision.edges.ssh.revoked import revoked_by
from provision.edges.ssh.route import SshError
from provision.runtime.safe_text import quoted, short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.edges.ssh.certificates import Certificate
    from provision.edges.ssh.route import Route

_HASHED = "|1|"


class HostKeyError(SshError):
    """A host's key is not known, or another one than is known; we go no further."""


@dataclass(frozen=True, slots=True)
class KnownKey:
    """One line of a file of known hosts that is about the host."""

    kind: str
    blob: bytes
    file: str
    line: int


def known_keys(name: str, files: Sequence[str], *, marker: str = "") -> list[KnownKey]:
    """What the files know of a host; a file that is not there knows nothing, nor does a line that cannot be read.

    With a marker (@revoked, @cert-authority) what stands behind that instead.
    """
    found: list[KnownKey] = []
    for file in files:
        try:
            lines = Path(file).read_bytes().decode("utf-8", "replace").split("\n")
        except OSError:
            continue
        for number, line in enumerate(lines, 1):
            words = re.findall(r"[^ \t]+", line)
            mark = words.pop(0) if words and words[0].startswith("@") else ""
            if len(words) < 3 or words[0].startswith("#") or mark != marker:
                continue
            with suppress(ValueError):
                if _names(words[0], name):
                    blob = base64.b64decode(words[2], validate=True)
                    found.append(KnownKey(words[1], blob, file, number))
    return found


def _names(patterns: str, name: str) -> bool:
    """Whether the first field of a line means the host; it may be hashed, or patterns, of which `!` takes back."""
    if patterns.startswith(_HASHED):
        salt, _, digest = patterns.removeprefix(_HASHED).partition("|")
        made = hmac.new(base64.b64decode(salt), name.encode(), hashlib.sha1).digest()
        return hmac.compare_digest(made, base64.b64decode(digest))
    said = [pattern.lower().replace("[", "[[]") for pattern in patterns.split(",")]
    if any(fnmatch.fnmatchcase(name.lower(), pattern[1:]) for pattern in said if pattern.startswith("!")):
        return False
    return any(fnmatch.fnmatchcase(name.lower(), pattern) for pattern in said)


@dataclass(frozen=True, slots=True)
class Shown:
    """The key that a host has shown, and has proven to have."""

    kind: str
    blob: bytes
    bits: int
    certificate: bytes = b""
    """The certificate for it, if it came by one."""
    address: str = ""
    """Where it was shown, if the host was reached directly."""

    @property
    def words(self) -> str:
        """Its type and fingerprint."""
        return f"{_kind(self.kind)} {fingerprint(self.blob)}"


def trust(host: str, route: Route, shown: Shown) -> None:
    """Let a host's key pass that is known, or that a known authority has certified.

    :raise HostKeyError: when it is unknown, revoked, too short, or not the one that is known.
    """
    if shown.kind == "ssh-rsa" and shown.bits < route.allowed.rsa_bits:
        raise HostKeyError(
            f"host {host} shows an RSA key of {shown.bits} bits: {shown.words};"
            f" RequiredRSASize of ssh's configuration is {route.allowed.rsa_bits}"
        )
    certificate, why = _certificate(shown)
    _refuse_revoked(host, route, shown, certificate)
    if certificate is not None:
        why = _uncertified(route, certificate)
        if not why:
            return
    known = known_keys(route.known_as, route.known_hosts)
    if not any(key.blob == shown.blob for key in known) and not (
        not known
        and route.bare
        and any(key.blob == shown.blob for key in known_keys(route.bare, route.known_hosts))
    ):
        raise _unknown(host, route, shown, known, why)
    if shown.address:
        elsewhere = known_keys(_at(route, shown.address), route.known_hosts)
        if elsewhere and not any(key.blob == shown.blob for key in elsewhere):
            raise HostKeyError(
                f"host {host}: {route.known_as} shows {shown.words}, and {elsewhere[0].file}:{elsewhere[0].line} has"
                f" another key for its address {shown.address}, which CheckHostIP of ssh's configuration forbids"
            )


def _at(route: Route, address: str) -> str:
    """An address as it stands in files of known hosts."""
    return address if route.port == 22 else f"[{address}]:{route.port}"


def _certificate(shown: Shown) -> tuple[Certificate | None, str]:
    """The certificate, if there is one that can be read, or why not."""
    if not shown.certificate:
        return None, ""
    try:
        certificate = read_certificate(shown.certificate)
    except ValueError as error:
        return None, f"its certificate cannot be read: {error}"
    if certificate.key != shown.blob:
        return None, "its certificate is for another key"
    return certificate, ""


def _refuse_revoked(host: str, route: Route, shown: Shown, certificate: Certificate | None) -> None:
    """Let only keys pass that no file has revoked, for the host's name, with its port or without, or its address."""
    names = [route.known_as, route.bare, _at(route, shown.address) if shown.address else ""]
    blobs = {shown.blob, certificate.authority if certificate else shown.blob}
    for name in filter(None, names):
        for key in known_keys(name, route.known_hosts, marker="@revoked"):
            if key.blob in blobs:
                whose = "a key" if key.blob == shown.blob else "a certificate by an authority"
                raise HostKeyError(f"host {host} shows {whose} that {key.file} has revoked: {shown.words}")
    for file in route.revoked:
        try:
            found = revoked_by(file, shown.certificate if certificate else shown.blob)
        except ValueError as error:
            raise HostKeyError(
                f"host {host}: whether its key is revoked cannot be told: {file}: {quoted(str(error))}",
                hint="RevokedHostKeys of ssh's configuration names the file",
            ) from error
        if found:
            raise HostKeyError(f"host {host} shows a key that {file} has revoked: {shown.words}")


def _uncertified(route: Route, certificate: Certificate) -> str:
    """Why a certificate does not vouch for the host; empty where it does."""
    authorities = known_authorities(route)
    if not any(key.blob == certificate.authority for key in authorities):
        return "no @cert-authority that is known for it has signed its certificate"
    allowed = route.allowed.ca_signatures
    if why := fault(certificate, route.certified_as, allowed, time.time()):
        return f"its certificate does not count: {short(why, 300)}"
    return ""


def known_authorities(route: Route) -> list[KnownKey]:
    """The authorities that may vouch for the host."""
    found = known_keys(route.known_as, route.known_hosts, marker="@cert-authority")
    return found or (
        known_keys(route.bare, route.known_hosts, marker="@cert-authority") if route.bare else []
    )


def _unknown(host: str, route: Route, shown: Shown, known: list[KnownKey], why: str) -> HostKeyError:
    """What is wrong with a key that is not known, and what to do."""
    other = [key for key in known if key.kind == shown.kind]
    if other:
        old = f"{other[0].file}:{other[0].line} has {_kind(shown.kind)} {fingerprint(other[0].blob)}"
        command = shlex.join(["ssh-keygen", "-f", other[0].file, "-R", route.known_as])
        return HostKeyError(
            f"host {host}: its host key has CHANGED: {old}, {route.known_as} shows {shown.words};"
            " somebody may stand between us",
            hint=f"only if you know why it changed, forget the old key: {command}",
        )
    if not why and (authorities := known_authorities(route)):
        why = f"{authorities[0].file} has a @cert-authority for it, and it shows no certificate"
    line = f"{route.known_as} {shown.kind} {base64.b64encode(shown.blob).decode()}"
    return HostKeyError(
        f"host {host}: the host key of {route.known_as} is not known: {shown.words}"
        + (f"; {why}" if why else ""),
        hint=f"compare this with what `ssh-keygen -lf /etc/ssh/ssh_host_{_kind(shown.kind).lower()}_key.pub` says"
        f" there; if they are the same, {_acceptance(host, route, line)}",
    )


def _acceptance(host: str, route: Route, line: str) -> str:
    """What accepts a host's key: a line of its own, in a file that keeps lines and is read."""
    file, before = Path(route.known_hosts[0]).expanduser() if route.own else None, ""
    if file is None or (file.exists() and not file.is_file()):
        file = Path("~/.ssh/known_hosts").expanduser()
        before = f"let hosts.{host}.known_hosts be {file}, as ~/.ssh/config has no file that keeps keys, and "
    path = shlex.quote(str(file))
    accept = f"echo {shlex.quote(line)} >>{path}"
    with suppress(OSError):
        if (text := file.read_bytes()) and not text.endswith(b"\n"):
            accept = f"echo >>{path} && {accept}"
    if not file.parent.is_dir():
        accept = f"mkdir -p -m 700 {shlex.quote(str(file.parent))} && {accept}"
    return f"{before}accept it: {accept}"


def fingerprint(blob: bytes) -> str:
    """A public key's fingerprint as OpenSSH prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def _kind(kind: str) -> str:
    """A key's type as OpenSSH prints it beside the fingerprint."""
    return kind.removeprefix("ssh-").split("-", maxsplit=1)[0].upper()
