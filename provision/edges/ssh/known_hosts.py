"""Strict host keys: what known_hosts files say of a host, as OpenSSH reads them."""

from __future__ import annotations

import base64
import fnmatch
import hashlib
import hmac
import shlex
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from provision.edges.ssh.route import SshError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.edges.ssh.route import Route

_HASHED = "|1|"


class HostKeyError(SshError):
    """A host's key is not known, or another one than is known; we go no further."""


@dataclass(frozen=True, slots=True)
class KnownKey:
    """One line of a file of known hosts that is about the host."""

    kind: str
    blob: bytes
    revoked: bool
    file: str
    line: int


def known_keys(name: str, files: Sequence[str], *, authorities: bool = False) -> list[KnownKey]:
    """What the files know of a host; a file that is not there knows nothing, nor does a line that cannot be read.

    With `authorities` what may vouch for it instead.
    """
    found: list[KnownKey] = []
    taken = ("@cert-authority",) if authorities else ("", "@revoked")
    for file in files:
        try:
            lines = Path(file).read_bytes().decode("utf-8", "replace").splitlines()
        except OSError:
            continue
        for number, line in enumerate(lines, 1):
            marker, _, rest = line.strip().partition(" ") if line.strip().startswith("@") else ("", "", line)
            words = rest.split()
            if len(words) < 3 or words[0].startswith("#") or marker not in taken:
                continue
            with suppress(ValueError):
                if _names(words[0], name):
                    blob = base64.b64decode(words[2], validate=True)
                    found.append(KnownKey(words[1], blob, marker == "@revoked", file, number))
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


def trust(host: str, route: Route, kind: str, blob: bytes) -> None:
    """Let a host's key pass that is known.

    :raise HostKeyError: when it is unknown, revoked, or not the one that is known.
    """
    known = known_keys(route.known_as, route.known_hosts)
    shown = f"{_kind(kind)} {fingerprint(blob)}"
    same = [key for key in known if key.blob == blob]
    if any(key.revoked for key in same):
        raise HostKeyError(f"host {host} shows a key that {same[0].file} has revoked: {shown}")
    if same:
        return
    if (
        not known
        and route.bare
        and any(key.blob == blob and not key.revoked for key in known_keys(route.bare, route.known_hosts))
    ):
        return
    other = [key for key in known if key.kind == kind and not key.revoked]
    if other:
        old = f"{other[0].file}:{other[0].line} has {_kind(kind)} {fingerprint(other[0].blob)}"
        command = shlex.join(["ssh-keygen", "-f", other[0].file, "-R", route.known_as])
        raise HostKeyError(
            f"host {host}: its host key has CHANGED: {old}, {route.known_as} shows {shown};"
            " somebody may stand between us",
            hint=f"only if you know why it changed, forget the old key: {command}",
        )
    authority, line = _authority(route), f"{route.known_as} {kind} {base64.b64encode(blob).decode()}"
    raise HostKeyError(
        f"host {host}: the host key of {route.known_as} is not known: {shown}"
        + (f"; {authority} has a @cert-authority for it, which rscvm does not take" if authority else ""),
        hint=f"compare this with what `ssh-keygen -lf /etc/ssh/ssh_host_{_kind(kind).lower()}_key.pub` says there;"
        f" if they are the same, {_acceptance(host, route, line)}",
    )


def _authority(route: Route) -> str:
    """The file that lets a certificate authority vouch for the host; empty where none does."""
    keys = known_keys(route.known_as, route.known_hosts, authorities=True)
    return keys[0].file if keys else ""


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
