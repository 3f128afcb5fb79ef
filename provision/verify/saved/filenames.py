"""Safe names for files and folders, made of names from outside."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_LONGEST = 60
_UNSAFE = re.compile(r"[^A-Za-z0-9._+@=-]+")


def safe_name(name: str) -> str:
    """The name in ordinary characters, neither hidden nor an option nor a way up; different names may come out alike."""
    return _UNSAFE.sub("_", name)[:_LONGEST].strip("._-") or "_"


def command_name(argv: Sequence[str]) -> tuple[str, str]:
    """A command as a file's name, with its ending: `ethtool --json -k *` is ethtool--json-k and .json."""
    words = [_UNSAFE.sub("_", word).strip("_") for part in argv for word in part.split()]
    name = "".join(word if word.startswith("-") else f"-{word}" for word in words if word)
    is_json = any(word in ("-json", "--json", "-j") for word in argv)
    return name.strip("-"), ".json" if is_json else ".txt"


class Files:
    """Files by their paths, each name taken once, also where case is not told apart."""

    def __init__(self, *reserved: str) -> None:
        """Leave these names alone."""
        self.bytes: dict[str, bytes] = {}
        self._taken = {name.casefold() for name in reserved}
        self._folders: dict[tuple[str, str], str] = {}
        self._there: dict[tuple[str, str, str, bytes], str] = {}

    def folder(self, parent: str, name: str) -> str:
        """The folder of this name, whatever characters it has."""
        if (parent, name) not in self._folders:
            self._folders[parent, name] = self._free(parent, name, "")
        return self._folders[parent, name]

    def keep(self, folder: str, name: str, ending: str, text: str) -> str:
        """The path of a file with this text: where it has been kept under this name already, or a new one."""
        data = text.encode("utf-8", "surrogatepass")
        key = (folder, name, ending, data)
        if key not in self._there:
            path = self._there[key] = self._free(folder, name, ending)
            self.bytes[path] = data
        return self._there[key]

    def _free(self, parent: str, name: str, ending: str) -> str:
        stem = f"{parent}/{safe_name(name)}" if parent else safe_name(name)
        count, path = 1, f"{stem}{ending}"
        while path.casefold() in self._taken:
            count += 1
            path = f"{stem}-{count}{ending}"
        self._taken.add(path.casefold())
        return path
