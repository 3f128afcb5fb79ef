"""Keeps the definitions that `fix` replaces, on the machine that rscvm runs on, for its user alone."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

from provision.runtime.errors import HostError

_LONGEST = 64


def directory() -> Path:
    """The user's own state directory, by the XDG rules: a relative XDG_STATE_HOME does not count."""
    said = os.environ.get("XDG_STATE_HOME", "")
    base = Path(said) if said.startswith("/") else Path.home() / ".local" / "state"
    return base / "rscvm" / "backups"


def keep(name: str, xml: str) -> str:
    """Keep a domain's definition, which may hold passwords, and tell its path.

    :raise HostError: when it cannot be written whole.
    """
    try:
        return _kept(directory(), name, xml)
    except OSError as error:
        raise HostError(
            f"{name}'s definition could not be kept, and was left alone: {error.filename or directory()}: {error.strerror}"
        ) from error


def _kept(folder: Path, name: str, xml: str) -> str:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", name)[:_LONGEST]
    stamp = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{time.time_ns() % 10**9:09}"
    path = folder / f"{plain}-{stamp}.xml"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
        file.write(xml)
        file.flush()
        os.fsync(file.fileno())
    return str(path)
