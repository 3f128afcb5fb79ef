"""Parses what QEMU's programs print: `--version`, `-device help`, `qemu-img info`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from provision.runtime.errors import UnreadableError, reading
from provision.runtime.untrusted import read_json

TRUE, FALSE = frozenset({"on", "yes", "true", "y"}), frozenset({"off", "no", "false", "n"})
"""QEMU's words for a switch (qapi/string-input-visitor.c, qapi_bool_parse)."""


def switches_on(name: str, word: str) -> bool:
    """Whether a word of QEMU's command line switches a property on: in `-device`, `-global` or JSON."""
    return re.search(rf'{re.escape(name)}"?\s*[=:]\s*"?(?:{"|".join(sorted(TRUE))})\b', word) is not None


def parse_version(text: str) -> str:
    """`7.2.22` out of `qemu-system-x86_64 --version`.

    :raise UnreadableError: when there is no version in it.
    """
    found = re.search(r"QEMU emulator version (\d+(?:\.\d+)+)", text)
    if not found:
        raise UnreadableError("qemu --version", text)
    return found[1]


def parse_device_help(text: str) -> frozenset[str]:
    """Property names out of `-device DRIVER,help`.

    :raise UnreadableError: when there is none in it.
    """
    names = re.findall(r"^\s+([A-Za-z0-9_-]+)=<", text, re.MULTILINE)
    if not names:
        raise UnreadableError("qemu -device help", text)
    return frozenset(names)


@dataclass(frozen=True, slots=True)
class Image:
    """A disk image as qemu-img sees it."""

    path: str
    format: str
    backing: str = ""
    """The image that it lies over."""


def parse_image_info(text: str) -> Image:
    """Out of `qemu-img info --output=json`.

    :raise UnreadableError: when it is not that.
    """
    with reading("qemu-img info", text):
        data = read_json(text)
        return Image(str(data["filename"]), str(data["format"]), str(data.get("backing-filename", "")))


@dataclass(frozen=True, slots=True)
class Emulator:
    """A QEMU that could run machines; without version where it is not there."""

    program: str
    version: str = ""
    properties: frozenset[str] = frozenset()
    """Of virtio-net-pci."""
