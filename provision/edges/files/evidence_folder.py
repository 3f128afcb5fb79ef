"""The folder of `check --save` on the disk: written for its owner alone, read as if anybody had written it."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from provision.runtime.errors import HostError, RequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

_INDEX = "index.json"
_MIB = 1 << 20
_LARGEST_PASTE = 4 * _MIB
_MOST_PASTES = 100
_SOS = ("sos_commands", "networking")
_SOS_FILES = ("ethtool_-k_", "ethtool_-c_")


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes that evidence may have, so that it can be read anywhere."""

    file: int = 64 * _MIB
    total: int = 1024 * _MIB

    def __str__(self) -> str:
        """As people count."""
        return f"a file may have {self.file / _MIB:g} MiB, all together {self.total / _MIB:g} MiB"


LIMITS = Limits()


def claim(directory: str) -> None:
    """See that evidence can be written to a directory, before anything is asked for it.

    :raise RequestError: when it is not ours, not empty, or cannot be made.
    """
    path = Path(directory)
    try:
        if not path.is_dir():
            if path.exists() or path.is_symlink():
                raise RequestError(f"{directory} is no directory")
            if not os.access(path.absolute().parent, os.W_OK | os.X_OK):
                raise RequestError(
                    f"{directory} cannot be made: {path.absolute().parent} is not there for us"
                )
            return
        if path.stat().st_uid != os.geteuid():
            raise RequestError(f"{directory} belongs to somebody else", hint="name one that is not there yet")
        if any(path.iterdir()):
            raise RequestError(
                f"{directory} is not empty", hint="nothing is overwritten; name one that is not there yet"
            )
    except OSError as error:
        raise RequestError(f"{directory} cannot be used: {error.strerror}") from error


def write_evidence(directory: str, files: Mapping[str, bytes], limits: Limits = LIMITS) -> None:
    """Write files by their relative paths, in order; whatever stops that, nothing of it stays.

    :raise RequestError: as `claim`.
    :raise HostError: when they cannot be written, or are more than `read_evidence` would read.
    """
    sizes = [len(data) for data in files.values()]
    if sum(sizes) > limits.total or max(sizes, default=0) > limits.file:
        raise HostError(
            f"the evidence is too large to be read again: {limits}", hint="check fewer machines at a time"
        )
    claim(directory)
    root, made = Path(directory), list[Path]()
    try:
        if not root.exists():
            root.mkdir(mode=0o700)
            made.append(root)
        root.chmod(0o700)
        for name, data in files.items():
            _write(root, name, data, made)
    except BaseException as error:
        _remove(made)
        if isinstance(error, OSError):
            raise HostError(f"the evidence cannot be written: {error.strerror}: {error.filename}") from error
        raise


def _write(root: Path, name: str, data: bytes, made: list[Path]) -> None:
    path = root / name
    for folder in reversed(path.relative_to(root).parents[:-1]):
        if not (root / folder).is_dir():
            (root / folder).mkdir(mode=0o700)
            made.append(root / folder)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    made.append(path)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


def _remove(made: list[Path]) -> None:
    for path in reversed(made):
        with suppress(OSError):
            path.rmdir() if path.is_dir() else path.unlink()


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
        return self.read(_INDEX)

    def read(self, name: str) -> bytes:
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
                data = _plain(os.open(last, flags, dir_fd=at), min(self._limits.file, self._left))
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


def read_pasted(path: str, stdin: BinaryIO) -> dict[str, str]:
    """Texts that somebody saved: of a file, of standard input for `-`, or of every plain file in a directory.

    Of a sosreport, or of several in a directory, each is one text, of what bears on RSC.

    :raise RequestError: when there is nothing to read, or too much.
    """
    try:
        if path == "-":
            return {"stdin": _decoded(_limited(stdin.read(_LARGEST_PASTE + 1), "standard input"))}
        root = Path(path)
        if reports := _sos_reports(root) if root.is_dir() else {}:
            return {name: _sos_text(name, folder) for name, folder in reports.items()}
        names = sorted(each for each in root.iterdir() if each.is_file()) if root.is_dir() else [root]
        if len(names) > _MOST_PASTES:
            raise RequestError(f"{path} has more than {_MOST_PASTES} files")
        return {each.name: _decoded(_bytes(each)) for each in names}
    except OSError as error:
        raise RequestError(f"cannot read {path}: {error.strerror}") from error


def _sos_reports(root: Path) -> dict[str, Path]:
    """The folders in which sosreports keep what they asked of networks, by the names of the reports.

    Nothing is followed out of the directory that was named.
    """
    here = root.resolve()
    inside = {"sos_commands": here.parent, "networking": here.parent.parent}.get(here.name)
    within = sorted(islice((each for each in here.iterdir() if each.is_dir()), _MOST_PASTES))
    places = {base.name: base.joinpath(*_SOS) for base in (inside or here, *within)}
    return {
        name: folder
        for name, folder in places.items()
        if folder.is_dir() and not (folder.is_symlink() or folder.parent.is_symlink())
    }


def _sos_text(name: str, folder: Path) -> str:
    """What was said of each device, each under the name of its file, as `head` and `tail` put several together."""
    files = sorted(each for each in folder.iterdir() if each.name.startswith(_SOS_FILES))
    parts: list[bytes] = []
    left = _LARGEST_PASTE
    for each in files:
        if each.is_file() and not each.is_symlink():
            parts.append(b"==> %s <==\n%s\n" % (os.fsencode(each.name), _bytes(each)))
            left -= len(parts[-1])
            if left < 0:
                raise _too_large(name)
    return _decoded(b"".join(parts))


def _bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return _limited(file.read(_LARGEST_PASTE + 1), str(path))


def _limited(data: bytes, what: str) -> bytes:
    if len(data) > _LARGEST_PASTE:
        raise _too_large(what)
    return data


def _too_large(what: str) -> RequestError:
    return RequestError(f"{what} has more than {_LARGEST_PASTE // _MIB} MiB, which is no pasted output")


def _decoded(data: bytes) -> str:
    """The text; Windows' tools write UTF-16 with a mark."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    return data.decode("utf-8-sig", "replace")
