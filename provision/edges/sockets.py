"""Connects to the socket of a monitor here, and tells who listens at it before a word is said."""

from __future__ import annotations

import math
import os
import re
import socket
import stat
import struct
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from provision.runtime.errors import HostError
from provision.runtime.places import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Iterator

_CREDENTIALS = struct.Struct("3i")
"""pid, uid and gid (unix(7), SO_PEERCRED)."""
_TIME = struct.Struct("ll")
"""Seconds and microseconds; a connection to a full queue waits no longer (unix(7) knows no other way)."""


class Line(NamedTuple):
    """A connection to a monitor."""

    socket: socket.socket
    peer: int | None
    """The process that listens there; None where its kernel does not tell."""


@contextmanager
def connected(place: str, uid: int | None, seconds: float) -> Iterator[Line]:
    """A connection to a path or to `tcp:127.0.0.1:PORT`.

    A path is connected to only where its socket's file is this user's, so that no link leads to anybody else's.

    :raise HostError: when nothing listens there, or the file is another's.
    """
    try:
        if tcp := re.fullmatch(LOOPBACK, place):
            end = socket.create_connection((tcp["host"].strip("[]"), int(tcp["port"])), seconds)
            peer = None
        else:
            end = _unix(place, uid, seconds)
            told = end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
            peer = _CREDENTIALS.unpack(told)[0]
    except OSError as error:
        raise HostError(f"nobody answers at {place}: {error.strerror or error}") from error
    with end:
        yield Line(end, peer or None)


def _unix(path: str, uid: int | None, seconds: float) -> socket.socket:
    """By a descriptor of its file: what was looked at is what is connected to, and no path is too long."""
    if uid is not None and not _is_guarded(path, uid):
        raise HostError(f"nobody answers at {path}: others than user {uid} may change what is there")
    file = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        found = os.fstat(file)
        if uid is not None and (found.st_uid != uid or not stat.S_ISSOCK(found.st_mode)):
            raise HostError(
                f"nobody answers at {path}: its file is not a socket of user {uid}, whose process the machine is"
            )
        end = socket.socket(socket.AF_UNIX)
        try:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _TIME.pack(math.ceil(seconds), 0))
            end.connect(f"/proc/self/fd/{file}")
        except BaseException:
            end.close()
            raise
        return end
    finally:
        os.close(file)


def _is_guarded(path: str, uid: int) -> bool:
    """Whether nobody but root and a user can put anything else in a file's place: by its path as it is said, and resolved."""
    # Links and `..` may lead by other folders than the path names.
    for way in (Path(path), Path(path).resolve()):
        for folder in way.parents:
            found = os.lstat(folder)
            open_to_others = (
                found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not found.st_mode & stat.S_ISVTX
            )
            if found.st_uid not in (0, uid) or (open_to_others and not stat.S_ISLNK(found.st_mode)):
                return False
    return True
