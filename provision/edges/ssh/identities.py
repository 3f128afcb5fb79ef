"""The private keys that we log in with, the agent's and those of files, and the certificates for them."""

from __future__ import annotations

import base64
import os
import shlex
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from provision.edges.ssh.certificates import read_certificate
from provision.runtime.safe_text import short

if TYPE_CHECKING:
    from collections.abc import Iterator

    from paramiko import PKey

    from provision.edges.ssh.agent import HeldKey
    from provision.edges.ssh.route import Allowed, Route


@dataclass(frozen=True, slots=True)
class Offer:
    """A key that we may show to a host."""

    words: str
    key: PKey


def our_keys(route: Route) -> Iterator[Offer | str]:
    """The keys as OpenSSH would offer them: those of files, from the agent where that has them, and then the agent's others.

    Each stands behind the certificate for it. A string stands for a key that cannot be used, and says why.
    """
    from provision.edges.ssh.agent import Agent  # noqa: PLC0415 - paramiko is slow to load

    agent = Agent(route.agent)
    try:
        for offer in _offers(route, {key.asbytes(): key for key in agent.held()}):
            yield _unwanted(offer, route.allowed) or offer if isinstance(offer, Offer) else offer
        if agent.trouble:
            yield agent.trouble
    finally:
        agent.close()


def _offers(route: Route, held: dict[bytes, HeldKey]) -> Iterator[Offer | str]:
    listed = [(file, blob) for file in route.certificates if (blob := _certificate(file))]
    for path in route.identities:
        beside = f"{path}-cert.pub"
        certificates = (
            listed if route.certificates else [(beside, blob) for blob in [_certificate(beside)] if blob]
        )
        public = _public(path)
        for file, blob in _for(public, certificates):
            if blob in held and public not in held:
                yield Offer(f"{file} (agent)", held.pop(blob))
        if public in held:
            key = held.pop(public)
            yield from (Offer(f"{file} (agent)", key.certified(c)) for file, c in _for(public, certificates))
            yield Offer(f"{path} (agent)", key)
        elif Path(path).is_file():
            yield from _too_open(path) or _from_file(path, certificates)
    for public, key in held.items():
        words = f"{short(key.comment, 100) or key.get_name()} (agent)"
        if not route.only:
            yield from (Offer(f"{file} (agent)", key.certified(c)) for file, c in _for(public, listed))
            yield Offer(words, key)


def _for(public: bytes, certificates: list[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    """Those certificates that are for a key."""
    return ((file, blob) for file, blob in certificates if read_certificate(blob).key == public)


def _certificate(file: str) -> bytes:
    """The certificate in a file; empty where there is none."""
    with suppress(OSError, ValueError, IndexError):
        blob = base64.b64decode(Path(file).read_text().split()[1])
        return read_certificate(blob).blob
    return b""


def _unwanted(offer: Offer, allowed: Allowed) -> str:
    """Why ssh's configuration lets a key not be offered; empty where it does."""
    kind = offer.key.public_blob.key_type if offer.key.public_blob else offer.key.get_name()
    names = {kind}
    if kind.startswith("ssh-rsa"):
        names = {f"rsa-sha2-{bits}{kind.removeprefix('ssh-rsa')}" for bits in (256, 512)}
        if (bits := rsa_bits(offer.key.asbytes())) < allowed.rsa_bits:
            return f"{offer.words} has {bits} bits, and RequiredRSASize is {allowed.rsa_bits}"
    if allowed.our_keys and not allowed.our_keys & names:
        return f"{offer.words} is of a kind ({short(kind, 100)}) that PubkeyAcceptedAlgorithms has not"
    return ""


def rsa_bits(blob: bytes) -> int:
    """The length of an RSA key, or of the one that a certificate is for."""
    from paramiko import Message  # noqa: PLC0415

    with suppress(ValueError):
        blob = read_certificate(blob).key
    said = Message(blob)
    said.get_binary(), said.get_binary()
    return int.from_bytes(said.get_binary(), "big").bit_length()


def _public(path: str) -> bytes:
    """The public half of a private key's file, which is not encrypted; empty where there is none to be read."""
    from paramiko import Message  # noqa: PLC0415

    for file in (path, f"{path}.pub"):  # the private half may be the agent's alone
        with suppress(OSError, ValueError, IndexError):
            kind, encoded = Path(file).read_text().split()[:2]
            if kind.startswith(("ssh-", "ecdsa-", "sk-")):
                return base64.b64decode(encoded)
    with suppress(OSError, ValueError):
        lines = [line for line in Path(path).read_text().splitlines() if not line.startswith("-")]
        said = Message(base64.b64decode("".join(lines)))
        if said.get_bytes(15) == b"openssh-key-v1\0":
            for _ in ("cipher", "kdf", "its options"):
                said.get_string()
            said.get_int()
            return said.get_string()
    return b""


def _too_open(path: str) -> list[str]:
    """That others may read a key of ours, which `ssh` then ignores (authfile.c, sshkey_perm_ok)."""
    found = Path(path).stat()
    if found.st_uid != os.getuid() or not found.st_mode & 0o077:
        return []
    mode = f"{found.st_mode & 0o777:04o}"
    return [
        f"{path} may be read by others (mode {mode}), and `ssh` ignores it, too: chmod 600 {shlex.quote(path)}"
    ]


def _from_file(path: str, certificates: list[tuple[str, bytes]]) -> Iterator[Offer | str]:
    """A key of a file, behind the certificates for it."""
    from paramiko import Message, PasswordRequiredException, PKey, SSHException  # noqa: PLC0415
    from paramiko.pkey import UnknownKeyType  # noqa: PLC0415

    try:
        key = PKey.from_path(path)
        plain = key.asbytes()
        for file, blob in _for(plain, certificates):
            certified = PKey.from_path(path)
            certified.load_certificate(Message(blob))
            yield Offer(file, certified)
        key.public_blob = None  # the certificate beside it is among them if it counts
        yield Offer(path, key)
    except (PasswordRequiredException, TypeError):
        yield f"{path} is encrypted, and no agent has it (ssh-add {shlex.quote(path)})"
    except UnknownKeyType:
        yield f"{path} is of a type that is not supported"
    except (OSError, ValueError, SSHException) as error:
        yield f"{path} cannot be read: {error}"
