"""Where OpenSSH would go to reach a host, and how: `ssh -G` is asked.

`ssh -G` is asked instead of reading ~/.ssh/config here: Include, Match, tokens and the system's files then mean what
they mean to `ssh`, and libvirt, which runs `ssh`, goes to the same place by the same key.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from provision.runtime.errors import HostError

if TYPE_CHECKING:
    from provision.runtime.protocols import Target

PATIENCE = 10
"""Seconds within which a host is reached, and answers as an SSH server."""
PULSE = 15
"""Seconds between signs of life; a host that gave none to three is lost."""

_STRICT = (
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    f"ConnectTimeout={PATIENCE}",
    f"ServerAliveInterval={PULSE}",
    "ServerAliveCountMax=3",
    "RemoteCommand=none",  # ~/.ssh/config may have them for people
    "PermitLocalCommand=no",
)
_LONGEST = 60


class SshError(HostError):
    """A host cannot be reached by SSH, or does not let us in."""

    names_host = True


@dataclass(frozen=True, slots=True)
class Route:
    """What `ssh` would do."""

    host: str
    port: int
    user: str
    known_as: str
    """The host's name in files of known hosts."""
    bare: str
    """Its name there without a port, by which a line passes for every port; empty where that is not so."""
    identities: tuple[str, ...]
    only: bool
    """Whether keys that only the agent has are not to be offered."""
    known_hosts: tuple[str, ...]
    """The files of known hosts; the user's own stand first."""
    own: bool
    """Whether there are any of the user's own among them."""
    bind: str
    """The address of ours to come from; empty is any."""
    proxy: str
    """The shell command whose standard streams lead to the host; empty where it is reached directly."""


def ssh_options(target: Target) -> tuple[str, ...]:
    """The options of `ssh` that what the lab file says of a host comes to; nothing is ever asked on the terminal."""
    values = list(_STRICT)
    if target.known_hosts:
        values.append(f"UserKnownHostsFile={_quoted(target.known_hosts)}")
    if target.identity:
        values += [f"IdentityFile={_quoted(target.identity)}", "IdentitiesOnly=yes"]
    return tuple(word for value in values for word in ("-o", value))


def _quoted(path: str) -> str:
    """A path as ssh_config takes it, where `%` begins a token."""
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def route_to(target: Target) -> Route:
    """What `ssh` would do to reach the host.

    :raise HostError: when its configuration cannot be read, or the identity is not there.
    """
    if target.identity and not os.access(target.identity, os.R_OK):
        raise SshError(
            f"host {target.name}: cannot read the identity {target.identity}",
            hint=f"hosts.{target.name}.identity is the path of a private key",
        )
    argv = ["ssh", "-G", *ssh_options(target), *_place(target), "--", target.address]
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LONGEST,
            check=False,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise HostError(
            "ssh not found: it reads the SSH configuration", hint="install it (Debian: openssh-client)"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise SshError(f"host {target.name}: ssh took too long to read its configuration") from error
    if done.returncode != 0:
        words = done.stderr.decode("utf-8", "replace").strip()
        raise SshError(f"host {target.name}: ssh cannot read its configuration: {words}")
    return _read_route(target, done.stdout.decode("utf-8", "surrogateescape"))


def _place(target: Target) -> list[str]:
    port = ["-p", str(target.port)] if target.port is not None else []
    return [*port, "-l", target.user] if target.user else port


def _read_route(target: Target, text: str) -> Route:
    said: dict[str, list[str]] = {}
    for line in text.splitlines():
        key, _, value = line.partition(" ")
        said.setdefault(key, []).append(value)

    def one(key: str) -> str:
        value = said.get(key, [""])[0]
        return "" if value == "none" else value

    host, port, user = one("hostname"), int(one("port") or 22), one("user")
    tokens = {"%%": "%", "%h": host, "%p": str(port), "%r": user, "%n": target.address}
    own = (target.known_hosts,) if target.known_hosts else _files(one("userknownhostsfile"))
    identities = (target.identity,) if target.identity else tuple(said.get("identityfile", ()))
    bracketed = host if port == 22 else f"[{host}]:{port}"
    return Route(
        host=host,
        port=port,
        user=user,
        known_as=one("hostkeyalias") or bracketed,
        bare=host if port != 22 and not one("hostkeyalias") else "",
        identities=identities if target.identity else tuple(_path(path, tokens) for path in identities),
        only=one("identitiesonly") == "yes",
        known_hosts=(*own, *_files(one("globalknownhostsfile"))),
        own=bool(own),
        bind=one("bindaddress"),
        proxy=_replaced(one("proxycommand"), tokens) or _jump(one("proxyjump"), host, port),
    )


def _files(words: str) -> tuple[str, ...]:
    """Paths that ssh prints with blanks between and without quotes, so that one with a blank is only found by looking."""
    return (
        (words,) if words and Path(words).exists() else tuple(re.split(r" +(?=[/~])", words)) if words else ()
    )


def _path(path: str, tokens: dict[str, str]) -> str:
    home = str(Path("~").expanduser())
    return str(Path(_replaced(path, {**tokens, "%d": home})).expanduser())


def _replaced(text: str, tokens: dict[str, str]) -> str:
    """The text with its tokens replaced, each once."""
    parts: list[str] = []
    while text:
        found = text[:2]
        parts.append(tokens.get(found, text[0]))
        text = text[2 if found in tokens else 1 :]
    return "".join(parts)


def _jump(jumps: str, host: str, port: int) -> str:
    """A jump as the command that `ssh` would run for it: the last host hands the connection on."""
    if not jumps:
        return ""
    *before, last = jumps.split(",")
    words = [word for value in _STRICT for word in ("-o", value)]
    words += ["-J", ",".join(before)] if before else []
    return shlex.join(["ssh", *words, "-W", f"[{host}]:{port}", last if "://" in last else f"ssh://{last}"])
