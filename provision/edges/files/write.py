"""Files that a command writes where its user asked for them; the one place that does."""

from __future__ import annotations

import os
import stat
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from provision.runtime.errors import HostError, RequestError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_ELSEWHERE = "write elsewhere, and merge what differs"


def write_text(path: str | Path, text: str, *, within: str = "", mode: int = 0o666) -> None:
    """Write a file, over one that is there; the directory `within` is made where it is missing, and those below it.

    The path `-` is standard output. `mode` is a new file's, as far as the umask lets it; one that is there keeps its own.

    :raise HostError: when it cannot be written.
    """

    def opener(at: str, flags: int) -> int:
        return os.open(at, flags, mode)

    if path == "-":
        sys.stdout.write(text)
        return
    if within:
        make_room(path)
    with _told(path), open(path, "w", encoding="utf-8", opener=opener) as file:
        file.write(text)


def make_room(path: str | Path) -> None:
    """Make the directory that a file or directory goes into, where it is missing.

    :raise HostError: when it cannot be made.
    """
    with _told(path):
        Path(path).parent.mkdir(parents=True, exist_ok=True)


def write_all(directory: str, texts: Mapping[str, str]) -> list[Path]:
    """Write files below a directory, by their paths there; those that are there with that very text stay.

    Nothing is written through a link that leads out of the directory, and over nothing that is there. Returned are the
    files that were written.

    :raise HostError: when one is there and says something else, or leads elsewhere, and none was written; or when one
        cannot be written.
    """
    root = Path(directory)
    missing = {root / name: text for name, text in texts.items() if not _is_there(root, root / name, text)}
    for path, text in missing.items():
        make_room(path)
        with _told(path), path.open("x", encoding="utf-8") as new:
            new.write(text)
    return list(missing)


def _is_there(root: Path, path: Path, text: str) -> bool:
    """Whether a file is there with this text; no more of it is read than that would take.

    :raise HostError: when something else is, or the file would be elsewhere.
    """
    wanted = text.encode()
    with _told(path):
        if not Path(os.path.realpath(path.parent)).is_relative_to(os.path.realpath(root)):
            raise HostError(f"{path} would be written outside of {root}: a link leads there", hint=_ELSEWHERE)
        try:
            kind = path.lstat().st_mode
        except FileNotFoundError:
            return False
        if not stat.S_ISREG(kind):  # a FIFO is not waited for, and a device not opened
            raise HostError(f"{path} is there and is no file", hint=_ELSEWHERE)
        with path.open("rb") as file:
            same = file.read(len(wanted) + 1) == wanted
    if not same:
        raise HostError(f"{path} is there and says something else", hint=_ELSEWHERE)
    return True


def write_new(path: str, text: str) -> None:
    """Write a file that must not be there yet.

    :raise RequestError: when it is, or when it cannot be written.
    """
    try:
        with Path(path).open("x", encoding="utf-8") as new:
            new.write(text)
    except FileExistsError as error:
        raise is_there(path) from error
    except OSError as error:
        raise RequestError(f"cannot write {path}: {error.strerror}") from error


def is_there(path: str) -> RequestError:
    """What is said of a file that must not be there and is."""
    return RequestError(f"{path} is there already", hint="choose another name, or remove it")


@contextmanager
def _told(path: str | Path) -> Iterator[None]:
    """Let what the system says of a file be told."""
    try:
        yield
    except OSError as error:
        raise HostError(f"cannot write {error.filename or path}: {error.strerror}") from error
