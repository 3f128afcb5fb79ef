"""Host keys that files revoke (RevokedHostKeys): lists of keys, and KRLs, which `ssh-keygen` reads."""

from __future__ import annotations

import base64
import re
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from provision.edges.ssh.certificates import read_certificate
from provision.edges.ssh.route import PATIENCE
from provision.runtime.safe_text import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

_KRL = b"SSHKRL\n"
_NO_KEY = re.compile(rb"^[ \t]*((?:serial|id|key|sha1|sha256|hash)[ \t]*:)", re.MULTILINE | re.IGNORECASE)
"""What ssh-keygen takes in the list that it makes a KRL of, and `ssh` does not."""


_CERTIFICATE = re.compile(rb"^[ \t]*[a-z0-9-]+-cert-v01@openssh\.com[ \t]+([A-Za-z0-9+/=]+)", re.MULTILINE)


def _certified_key(line: re.Match[bytes]) -> bytes:
    """The key that a listed certificate is for: `ssh` compares keys, and `ssh-keygen` would note the serial number alone."""
    try:
        key = read_certificate(base64.b64decode(line[1])).key
    except ValueError:
        return line[0]  # ssh-keygen says what is wrong
    return public_line(key)


def public_line(blob: bytes) -> bytes:
    """A public key as it stands in a file."""
    kind = blob[4 : 4 + int.from_bytes(blob[:4], "big")]
    return b"%b %b" % (kind, base64.b64encode(blob))


def revoked_by(file: str, blob: bytes) -> bool:
    """Whether a file revokes a key, or a certificate by itself, its key or its authority.

    :raise ValueError: when the file cannot be read; `ssh` then takes no key at all.
    """
    with tempfile.TemporaryDirectory(prefix="rscvm-") as directory:
        key, made = Path(directory, "key.pub"), str(Path(directory, "krl"))
        key.write_bytes(public_line(blob) + b"\n")
        try:
            text = Path(file).read_bytes()
        except OSError as error:
            raise ValueError(error.strerror) from error
        listed = not text.startswith(_KRL)
        if listed:
            if found := _NO_KEY.search(text):
                raise ValueError(f"{found[1].decode()} stands for no key in a list of keys")
            keys = Path(directory, "keys")
            keys.write_bytes(_CERTIFICATE.sub(_certified_key, text))
            status, said = _ssh_keygen(("-k", "-f", made, str(keys)))
            if status != 0:
                raise ValueError(said)
        status, said = _ssh_keygen(("-Q", "-f", made if listed else file, str(key)))
    if status != 0 and "REVOKED" not in said:
        raise ValueError(said)
    return status != 0


def _ssh_keygen(words: Sequence[str]) -> tuple[int, str]:
    try:
        done = subprocess.run(
            ("ssh-keygen", *words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PATIENCE,
            check=False,
            start_new_session=True,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ValueError(f"ssh-keygen: {error}") from error
    return done.returncode, quoted(done.stdout.decode("utf-8", "replace"))
