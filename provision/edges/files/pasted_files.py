"""Texts that somebody saved, read from wherever they are: a file, a directory, standard input, a sosreport."""

from __future__ import annotations

import os
import select
import stat
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from provision.runtime.errors import RequestError

if TYPE_CHECKING:
    import io
    from collections.abc import Iterable, Iterator

_MIB = 1 << 20
_LARGEST_PASTE = 4 * _MIB
_LARGEST_TOGETHER = 16 * _MIB
_MOST_PASTES = 100
_SOS = ("sos_commands", "networking")
_SOS_FILES = ("ethtool_-k_", "ethtool_-c_")
_PATIENCE = 60.0
"""Seconds for a pipe's other end, such as bash's `<(ssh …)`."""


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
            return _bounded(path, ((name, _sos_text(name, folder)) for name, folder in reports.items()))
        files = _plain_files(root) if root.is_dir() else [root]
        return _bounded(path, ((each.name, _decoded(_bytes(each))) for each in files))
    except OSError as error:
        raise RequestError(f"cannot read {path}: {error.strerror}") from error


def _plain_files(root: Path) -> list[Path]:
    found = sorted(islice((each for each in root.iterdir() if each.is_file()), _MOST_PASTES + 1))
    if len(found) > _MOST_PASTES:
        raise RequestError(f"{root} has more than {_MOST_PASTES} files")
    return found


def _bounded(path: str, texts: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The texts by their names, which all together are no more than somebody pasted."""
    found: dict[str, str] = {}
    for name, text in texts:
        found[name] = text
        if sum(map(len, found.values())) > _LARGEST_TOGETHER:
            raise RequestError(
                f"{path} has more than {_LARGEST_TOGETHER // _MIB} MiB in all, which is no pasted output"
            )
    return found


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
    """What is in a file, or comes through a pipe; nobody waits for long for who never says anything."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        mode = os.fstat(descriptor).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            raise RequestError(f"cannot read {path}: it is no file")
        return b"".join(_pieces(file, str(path)))


def _pieces(file: io.FileIO, what: str) -> Iterator[bytes]:
    """What is read without waiting, until there is no more.

    :raise RequestError: when that is too much, or nothing comes.
    """
    deadline, left = time.monotonic() + _PATIENCE, _LARGEST_PASTE
    while (data := file.read(1 << 16)) != b"":
        if data is None:
            if not select.select([file], [], [], max(0, deadline - time.monotonic()))[0]:
                raise RequestError(f"cannot read {what}: nothing came within {_PATIENCE:g} s")
            continue
        left -= len(data)
        if left < 0:
            raise _too_large(what)
        yield data


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
