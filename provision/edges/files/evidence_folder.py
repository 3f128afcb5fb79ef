"""The folder of `check --save` on the disk: written for its owner alone, read as if anybody had written it."""

from __future__ import annotations

import os
import re
import stat
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from provision.runtime.errors import HostError, RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_INDEX = "index.json"
_STDOUT = "-"
_TOP = "rscvm-evidence"
"""The directory that an archive unpacks into."""
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes that evidence may have, so that it can be read anywhere, in seconds and in little memory."""

    file: int = 32 * _MIB
    """What `ethtool` says of 3,000 devices has 20 MiB."""
    total: int = 64 * _MIB
    """As Python keeps text, it may take four times that."""
    index: int = 16 * _MIB
    """About 500 bytes a machine, and the lab file within it."""

    def __str__(self) -> str:
        """As people count."""
        return f"a file may have {self.file / _MIB:g} MiB, all together {self.total / _MIB:g} MiB"


LIMITS = Limits()


def claim(directory: str) -> None:
    """See that evidence can be written to a directory, or as an archive to standard output (`-`), before any is asked for.

    :raise RequestError: when it is a link, not ours, not ours alone to write to, not empty, cannot be made, or a terminal.
    """
    if directory == _STDOUT:
        if sys.stdout.isatty():
            raise RequestError(
                "--save -: a tar archive is not for a terminal", hint="rscvm check --save - >FILE.tar"
            )
        return
    path = _plain_path(directory)
    if os.path.lexists(path):
        with _claimed(path):
            return
    parent = Path(path).absolute().parent
    if not os.access(parent, os.W_OK | os.X_OK):
        raise RequestError(f"{directory} cannot be made: {parent} is not there for us")


def _plain_path(directory: str) -> str:
    """The path without what would have the system follow a link at its end."""
    return re.sub(r"(?<=[^/])(?:/\.?)+$", "", directory)


@contextmanager
def _claimed(path: str) -> Iterator[int]:
    """A directory that is there, open: what is made in it is made there, whatever the path becomes.

    :raise RequestError: when it will not do.
    """
    other = "name one that is not there yet"
    if Path(path).is_symlink():
        raise RequestError(f"{path} is a link, which is not followed", hint=other)
    try:
        root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except NotADirectoryError as error:
        raise RequestError(f"{path} is no directory") from error
    except OSError as error:
        raise RequestError(f"{path} cannot be used: {error.strerror}") from error
    with ExitStack() as stack:
        stack.callback(os.close, root)
        there = os.fstat(root)
        if there.st_uid != os.geteuid():
            raise RequestError(f"{path} belongs to somebody else", hint=other)
        if there.st_mode & 0o022:
            mode = stat.S_IMODE(there.st_mode)
            raise RequestError(f"{path}: others may write to it (its mode is {mode:04o})", hint=other)
        with os.scandir(root) as inside:
            full = any(inside)
        if full:
            raise RequestError(f"{path} is not empty", hint=f"nothing is overwritten; {other}")
        yield root


def write_evidence(directory: str, files: Mapping[str, bytes], limits: Limits = LIMITS) -> None:
    """Write files by their relative paths, in order; whatever stops that, nothing of it stays.

    A directory that was there keeps its mode; one that is made is its owner's alone, as is all in it.

    :raise RequestError: as `claim`.
    :raise HostError: when they cannot be written, or are more than `read_evidence` would read.
    """
    sizes = [len(data) for data in files.values()]
    if (
        sum(sizes) > limits.total
        or max(sizes, default=0) > limits.file
        or len(files.get(_INDEX, b"")) > limits.index
    ):
        raise HostError(
            f"the evidence is too large to be read again: {limits}", hint="check fewer machines at a time"
        )
    if directory == _STDOUT:
        _archive(files)
        return
    path = _plain_path(directory)
    claim(path)
    try:
        with ExitStack() as made:
            if not os.path.lexists(path):
                Path(path).mkdir(0o700)
                made.callback(_remove, os.rmdir, path)
            with _claimed(path) as root, ExitStack() as undo:
                for name, data in files.items():
                    _write(root, name, data, undo)
                undo.pop_all()
            made.pop_all()
    except OSError as error:
        raise HostError(f"the evidence cannot be written: {error.strerror}: {error.filename}") from error


def _archive(files: Mapping[str, bytes]) -> None:
    """Write files to standard output as a tar archive, theirs alone who unpack it."""
    import tarfile  # noqa: PLC0415 - only for who wants one

    sys.stdout.flush()
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(f"{_TOP}/{name}")
            member.size, member.mode, member.mtime = len(data), 0o600, int(time.time())
            archive.addfile(member, BytesIO(data))


def _write(root: int, name: str, data: bytes, undo: ExitStack) -> None:
    """Write a file in a directory that nobody else can write to, and its folders."""
    for folder in reversed(PurePath(name).parents[:-1]):
        with suppress(FileExistsError):
            os.mkdir(folder, 0o700, dir_fd=root)
            undo.callback(_remove, os.rmdir, folder, dir_fd=root)
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=root)
    undo.callback(_remove, os.unlink, name, dir_fd=root)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


def _remove(how: Callable[..., None], path: str | PurePath, **at: int) -> None:
    with suppress(OSError):
        how(path, **at)


class EvidenceDirectory:
    """A directory that somebody else may have made: no path leads out of it, and nothing in it is too large."""

    def __init__(self, directory: str, limits: Limits = LIMITS) -> None:
        self._root = directory
        self._limits = limits
        self._left = limits.total

    def index(self) -> bytes:
        """The index.

        :raise RequestError: when there is none.
        """
        return self.read(_INDEX, self._limits.index)

    def read(self, name: str, most: int | None = None) -> bytes:
        """One file by its relative path.

        :raise RequestError: when it is not a plain file inside, or too large.
        """
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        *folders, last = name.split("/")
        if any(part in ("", ".", "..") for part in (*folders, last)):
            raise RequestError(f"no path inside the evidence: {name[:100]!r}")
        try:
            at = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                for folder in folders:
                    deeper = os.open(folder, flags | os.O_DIRECTORY, dir_fd=at)
                    os.close(at)
                    at = deeper
                data = _plain(os.open(last, flags, dir_fd=at), min(most or self._limits.file, self._left))
            finally:
                os.close(at)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise RequestError(f"the evidence in {self._root} cannot be read: {name}: {why}") from error
        self._left -= len(data)
        return data


def _plain(descriptor: int, limit: int) -> bytes:
    """What is in a plain file of at most so many bytes.

    :raise ValueError: when it is anything else.
    """
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("it is no plain file")
        data = file.read(limit + 1)
    if len(data) > limit:
        raise ValueError(f"it is larger than the {limit} bytes that it may have")
    return data


def is_evidence(path: str) -> bool:
    """Whether the path is a directory with an index, as `check --save` writes it."""
    return path != "-" and Path(path, _INDEX).is_file()
