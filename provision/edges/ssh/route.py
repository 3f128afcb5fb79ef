"""Where OpenSSH would go to reach a host, and how: `ssh -G` is asked.

`ssh -G` is asked instead of reading ~/.ssh/config here: Include, Match, tokens and the system's files then mean what
they mean to `ssh`, and libvirt, which runs `ssh`, goes to the same place by the same key.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from provision.edges.ssh.configuration import (
    agent,
    all_jumps,
    ask,
    destination,
    files,
    jump,
    path,
    read,
    replaced,
    tokens,
)
from provision.edges.ssh.keywords import refusals
from provision.runtime.errors import HostError
from provision.runtime.safe_text import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from provision.runtime.places import Target

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
    "VerifyHostKeyDNS=no",
    "NoHostAuthenticationForLocalhost=no",
    "UpdateHostKeys=no",
    "ControlMaster=no",
    "ControlPath=none",  # whoever made such a connection may not have been as strict
)
"""On every host that ssh connects to for us, those on the way included."""
_OURS = (
    *_STRICT,
    "RemoteCommand=none",  # ~/.ssh/config may have them for people
    "PermitLocalCommand=no",
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "ForwardX11=no",
    "Tunnel=no",
    "AddKeysToAgent=no",
)
"""On the last one."""
_LONGEST = 60


class SshError(HostError):
    """A host cannot be reached by SSH, or does not let us in."""

    names_host = True


@dataclass(frozen=True, slots=True)
class Allowed:
    """The algorithms that ssh's configuration allows; none named is any."""

    ciphers: frozenset[str] = frozenset()
    macs: frozenset[str] = frozenset()
    kex: frozenset[str] = frozenset()
    host_keys: frozenset[str] = frozenset()
    our_keys: frozenset[str] = frozenset()
    ca_signatures: frozenset[str] = frozenset()
    rsa_bits: int = 1024
    """Of the shortest RSA key."""
    rekey_bytes: int = 0
    """After which keys are changed; 0 is as usual."""


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
    through: str = ""
    """What leads there, for a message; of a command the first word alone, as others may be passwords."""
    jumps: bool = False
    """Whether it is by a jump that the command leads there."""
    family: str = "any"
    """The only family of addresses to try: inet or inet6."""
    interface: str = ""
    """The interface of ours to come from; empty is any."""
    agent: str = ""
    """The socket of the agent; empty is none."""
    certificates: tuple[str, ...] = ()
    """Files of certificates for our keys; without any each key's own counts."""
    revoked: tuple[str, ...] = ()
    """Files of revoked host keys."""
    check_address: bool = False
    """Whether the host's address may not be known with another key."""
    allowed: Allowed = field(default_factory=Allowed)

    @property
    def certified_as(self) -> str:
        """The host's name in its certificate."""
        return self.bare or self.known_as


def ssh_options(target: Target) -> tuple[str, ...]:
    """The options of `ssh` that what the lab file says of a host comes to; nothing is ever asked on the terminal."""
    values = list(_OURS)
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

    :raise HostError: when its configuration cannot be read, has a protection that rscvm cannot honour, or the identity
        is not there.
    """
    if target.identity and not os.access(target.identity, os.R_OK):
        raise SshError(
            f"host {target.name}: cannot read the identity {target.identity}",
            hint=f"{target.place}.identity is the path of a private key",
        )
    argv = ["ssh", "-G", *ssh_options(target), *_place(target), "--", target.address]
    try:
        status, out, complaint = ask(argv, _LONGEST)
    except FileNotFoundError as error:
        raise HostError(
            "ssh not found: it reads the SSH configuration", hint="install it (Debian: openssh-client)"
        ) from error
    except TimeoutError as error:
        raise SshError(f"host {target.name}: ssh took too long to read its configuration") from error
    except ValueError as error:
        raise SshError(f"host {target.name}: ssh cannot read its configuration: {error}") from error
    if status != 0:
        raise SshError(f"host {target.name}: ssh cannot read its configuration: {quoted(complaint)}")
    said = read(out)
    if refused := "; ".join(refusals(said)):
        raise SshError(
            f"host {target.name}: ssh's configuration has what rscvm cannot honour: {refused}",
            hint=f"`ssh -G {target.address}` prints it; a Host block of ~/.ssh/config can have it otherwise for this host",
        )
    try:
        return _read_route(target, {**said, "proxyjump": [_jumps(said)]})
    except ValueError as error:
        raise SshError(f"host {target.name}: {error}") from error


def _jumps(said: Mapping[str, Sequence[str]]) -> str:
    """Every jump on the way, that of the first one's own configuration, too; none where there is a ProxyCommand.

    :raise ValueError: when there is no end of them.
    """
    command, jumps = ((said.get(key) or ["none"])[0] for key in ("proxycommand", "proxyjump"))
    if command != "none" or jumps == "none":
        return jumps

    def asked(host: str) -> dict[str, list[str]]:
        options = [word for value in _STRICT for word in ("-o", value)]
        return read(ask(["ssh", "-G", *options, "--", destination(host)], _LONGEST)[1])

    return all_jumps(jumps, asked)


def _place(target: Target) -> list[str]:
    port = ["-p", str(target.port)] if target.port is not None else []
    return [*port, "-l", target.user] if target.user else port


def _read_route(target: Target, said: Mapping[str, Sequence[str]]) -> Route:
    def one(key: str) -> str:
        value = said.get(key, [""])[0]
        return "" if value == "none" else value

    host, port, alias = one("hostname"), int(one("port") or 22), one("hostkeyalias")
    replacing = tokens(said, target.address)
    own = (target.known_hosts,) if target.known_hosts else files([one("userknownhostsfile")])
    command, jumps = one("proxycommand"), one("proxyjump")
    certificates = said.get("certificatefile", ())
    identities = (target.identity,) if target.identity else _paths(said.get("identityfile", ()), replacing)
    return Route(
        host=host,
        port=port,
        user=one("user"),
        known_as=alias or (host if port == 22 else f"[{host}]:{port}"),
        bare=host if port != 22 and not alias else "",
        identities=identities,
        only=one("identitiesonly") == "yes",
        known_hosts=(*own, *files([one("globalknownhostsfile")])),
        own=bool(own),
        bind=one("bindaddress"),
        proxy=replaced(command, replacing) or jump(jumps, _STRICT, host, port),
        through=f"`{command.split()[0]}`" if command else f"ProxyJump {jumps}" if jumps else "",
        jumps=bool(jumps and not command),
        family=one("addressfamily") or "any",
        interface=one("bindinterface"),
        agent=agent(said.get("identityagent", ())),
        certificates=_paths(certificates, replacing),
        revoked=_paths(files(said.get("revokedhostkeys", ())), replacing),
        check_address=one("checkhostip") == "yes" and not command and not jumps,
        allowed=_allowed(said),
    )


def _paths(words: Sequence[str], replacing: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(path(word, replacing) for word in words if word.lower() != "none")


def _allowed(said: Mapping[str, Sequence[str]]) -> Allowed:
    def names(key: str) -> frozenset[str]:
        return frozenset(name for value in said.get(key, ()) for name in value.split(",") if name)

    return Allowed(
        ciphers=names("ciphers"),
        macs=names("macs"),
        kex=names("kexalgorithms"),
        host_keys=names("hostkeyalgorithms"),
        our_keys=names("pubkeyacceptedalgorithms") or names("pubkeyacceptedkeytypes"),
        ca_signatures=names("casignaturealgorithms"),
        rsa_bits=int((said.get("requiredrsasize") or said.get("rsaminsize") or ["1024"])[0]),
        rekey_bytes=int(said.get("rekeylimit", ["0"])[0].split()[0]),
    )
