"""Files that a command writes where its user asked for them; the one place that does."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from provision.runtime.errors import HostError, RequestError

if TYPE_CHECKING:
    from collections.abc import Iterator


def write_text(path: str | Path, text: str, *, within: str = "", mode: int = 0o666) -> None:
    """Write a file, over one that is there; the directory `within` is made where it is missing, and those below it.

    `mode` is a new file's, as far as the umask lets it; one that is there keeps its own.

    :raise HostError: when it cannot be written.
    """

    def opener(at: str, flags: int) -> int:
        return os.open(at, flags, mode)

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


def write_unless_other(path: Path, text: str, *, within: str) -> None:
    """Write a file as `write_text`; one that is there and says something else is somebody's.

    :raise HostError: when it is, or when it cannot be written.
    """
    with _told(path):
        other = path.exists() and path.read_text("utf-8") != text
    if other:
        raise HostError(
            f"{path} is there and says something else", hint="write elsewhere, and merge what differs"
        )
    write_text(path, text, within=within)


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
