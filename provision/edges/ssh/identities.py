"""The private keys that we log in with: the agent's, and those of files."""

from __future__ import annotations

import base64
import shlex
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from paramiko import PKey

    from provision.edges.ssh.route import Route


@dataclass(frozen=True, slots=True)
class Offer:
    """A key that we may show to a host."""

    words: str
    key: PKey


def our_keys(route: Route) -> Iterator[Offer | str]:
    """The keys as OpenSSH would offer them: those of files, from the agent where that has them, and then the agent's others.

    A string stands for a key that cannot be used, and says why.
    """
    from paramiko import Agent  # noqa: PLC0415 - slow to load

    agent = Agent()
    try:
        held = {key.asbytes(): key for key in agent.get_keys()}
        for path in route.identities:
            if not Path(path).is_file():
                continue
            public = _public(path)
            if public in held:
                yield Offer(f"{path} (agent)", held.pop(public))
            else:
                yield _from_file(path)
        for key in held.values() if not route.only else ():
            yield Offer(f"{key.comment or key.get_name()} (agent)", key)
    finally:
        agent.close()


def _public(path: str) -> bytes:
    """The public half of a private key's file, which is not encrypted; empty where there is none to be read."""
    from paramiko import Message  # noqa: PLC0415

    with suppress(OSError, ValueError, IndexError):
        return base64.b64decode(Path(f"{path}.pub").read_text().split()[1])
    with suppress(OSError, ValueError):
        lines = [line for line in Path(path).read_text().splitlines() if not line.startswith("-")]
        said = Message(base64.b64decode("".join(lines)))
        if said.get_bytes(15) == b"openssh-key-v1\0":
            for _ in ("cipher", "kdf", "its options"):
                said.get_string()
            said.get_int()
            return said.get_string()
    return b""


def _from_file(path: str) -> Offer | str:
    from paramiko import PasswordRequiredException, PKey, SSHException  # noqa: PLC0415
    from paramiko.pkey import UnknownKeyType  # noqa: PLC0415

    try:
        return Offer(path, PKey.from_path(path))
    except (PasswordRequiredException, TypeError):
        return f"{path} is encrypted, and no agent has it (ssh-add {shlex.quote(path)})"
    except UnknownKeyType:
        return f"{path} is of a type that is not supported"
    except (OSError, ValueError, SSHException) as error:
        return f"{path} cannot be read: {error}"
