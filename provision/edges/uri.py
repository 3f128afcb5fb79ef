"""libvirt's URIs and ssh://USER@HOST to what must be known to reach a host."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from provision.runtime.errors import RequestError
from provision.runtime.masked import masked_word
from provision.runtime.places import Target
from provision.runtime.safe_text import short

LOCAL = "local"
_OURS = {"keyfile": "identity", "known_hosts": "known_hosts"}
"""libvirt's parameters that we hold ssh to ourselves; libvirt's own ssh would ignore the second."""


@dataclass(frozen=True, slots=True)
class Reach:
    """A host and the libvirt that runs its machines."""

    host: Target
    daemon: Target

    @property
    def name(self) -> str:
        """The host's, for a reader: `local`, or the URI's host."""
        return self.daemon.name


_URI = re.compile(r"[A-Za-z0-9][A-Za-z0-9+.-]*://\S*|[A-Za-z0-9_][A-Za-z0-9_.-]*")
"""A URI, or one of libvirt.conf's aliases."""
_TWO_SLASHES = re.compile(r"(qemu(?:\+unix)?)://(system|session)/?")
"""A host's name where the path should be; no libvirt has a URI of QEMU's without one."""


def reach(uri: str, host: str = "") -> Reach:
    """Where a libvirt's machines are: at the URI's host, or at the host that was named beside it; without URI, at that.

    :raise RequestError: when one of them is none.
    """
    if not uri:
        target = ssh_target(host) if host else Target(LOCAL)
        return Reach(target, target)
    if not (_URI.fullmatch(uri) and uri.isprintable()):
        raise RequestError(
            f"no libvirt {short(uri, 200)!r}", hint="such as qemu:///system, or qemu+ssh://USER@HOST/system"
        )
    if masked_word(uri) != uri:
        raise RequestError("a libvirt's URI takes no password", hint="libvirt reads it from auth.conf")
    if slashes := _TWO_SLASHES.fullmatch(uri):
        raise RequestError(
            f"{uri} is a libvirt on a host called {slashes[2]}",
            hint=f"did you mean {slashes[1]}:///{slashes[2]}?",
        )
    daemon = _daemon(uri)
    return Reach(replace(ssh_target(host), name=daemon.name) if host else daemon, daemon)


def system_uri(uri: str) -> str:
    """The system's libvirt beside a user's own (`qemu:///session`); empty where the URI is of no user's own."""
    found = re.fullmatch(r"(qemu(?:\+[a-z0-9]+)?://[^/?#]*)/session(\?[^#]*)?", uri)
    if not found:
        return ""
    query = found[2] or ""
    return f"{found[1]}/system{'' if 'socket=' in query else query}"  # a socket is the user's, too


def ssh_target(uri: str) -> Target:
    """The host of `ssh://user@host:port`.

    :raise RequestError: when it is not that.
    """
    try:
        parts = urlsplit(uri)
        port, name = parts.port, _host(parts.netloc)
    except ValueError as error:
        raise RequestError(f"cannot read the URI {short(uri, 200)}: {short(str(error), 200)}") from error
    if (
        parts.scheme != "ssh"
        or not (name and uri.isprintable())
        or parts.path.strip("/")
        or parts.query
        or parts.password
    ):
        raise RequestError(
            f"{short(uri, 200)} is no host's URI", hint="a host is ssh://USER@HOST:PORT, or ssh://HOST"
        )
    return Target(name, name, port, unquote(parts.username or ""))


def _host(netloc: str) -> str:
    """The host as it is said: an alias of ~/.ssh/config may have capitals, and urllib has none."""
    return re.sub(r":[0-9]*$", "", netloc.rpartition("@")[2]).strip("[]")


def _daemon(uri: str) -> Target:
    try:
        parts = urlsplit(uri)
        port, name = parts.port, _host(parts.netloc)
    except ValueError as error:
        raise RequestError(f"cannot read the URI {short(uri, 200)}: {short(str(error), 200)}") from error
    if not name:
        return Target(LOCAL, libvirt=uri)
    user = unquote(parts.username or "")
    driver, _, transport = parts.scheme.partition("+")
    if transport != "ssh":
        return Target(name, name, user=user, uri=uri)
    if driver != "qemu" or parts.path not in ("/system", "/session"):
        raise RequestError(
            f"{short(uri, 200)}: no libvirt to be reached over SSH",
            hint="qemu+ssh://USER@HOST/system, or /session",
        )
    query = parse_qsl(parts.query, keep_blank_values=True)
    ours = {_OURS[key]: value for key, value in query if key in _OURS}
    rest = urlencode([(key, value) for key, value in query if key not in _OURS])
    there = f"{driver}://{parts.path}" + (f"?{rest}" if rest else "")
    return Target(
        name,
        name,
        port,
        user,
        identity=ours.get("identity", ""),
        known_hosts=ours.get("known_hosts", ""),
        libvirt=there,
    )
