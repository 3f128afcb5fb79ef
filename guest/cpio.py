"""Writes the initramfs: a cpio archive of the kind the kernel reads ("newc"), the same bytes for the same content."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, folder or device node; it belongs to root whoever builds it."""

    mode: int
    content: bytes = b""
    device: tuple[int, int] = (0, 0)


def program(content: bytes) -> Entry:
    """A file that may be run."""
    return Entry(stat.S_IFREG | 0o755, content)


def plain(content: bytes) -> Entry:
    """A file that is only read."""
    return Entry(stat.S_IFREG | 0o644, content)


def private(content: bytes) -> Entry:
    """A file that root alone may read."""
    return Entry(stat.S_IFREG | 0o600, content)


def node(major: int, minor: int) -> Entry:
    """A character device."""
    return Entry(stat.S_IFCHR | 0o600, device=(major, minor))


def _record(number: int, name: str, entry: Entry) -> bytes:
    # ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor, namesize, check
    fields = (number, entry.mode, 0, 0, 1, 0, len(entry.content), 0, 0, *entry.device, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
    return head + b"\0" * (-len(head) % 4) + entry.content + b"\0" * (-len(entry.content) % 4)


def _with_folders(entries: Mapping[str, Entry]) -> Iterator[tuple[str, Entry]]:
    """The entries, sorted, each folder before what is in it."""
    folders = {str(folder) for name in entries for folder in PurePosixPath(name).parents} - {"."}
    every = dict.fromkeys(folders, Entry(stat.S_IFDIR | 0o755)) | dict(entries)
    return iter(sorted(every.items()))


def archive(entries: Mapping[str, Entry]) -> bytes:
    """The archive of entries by path (relative, without a leading slash); their folders are made."""
    records = [
        _record(number, name, entry) for number, (name, entry) in enumerate(_with_folders(entries), start=1)
    ]
    return b"".join([*records, _record(0, "TRAILER!!!", Entry(0))])
