"""Writes a lab file's YAML as a person would, safe whatever is in it. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from provision.runtime.safe_text import short

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from provision.verbs.importer.keys import Keys

_PLAIN = re.compile(
    r"[A-Za-z/_][A-Za-z0-9/_.+=@-]*|[1-9][0-9]*[KMG]iB|[0-9a-f]{2}(:[0-9a-f]{2}){5}|[0-9a-f]{8}-[A-Za-z0-9_.-]+"
)
_NOT_TEXT = frozenset(["null", "true", "false", "on", "off", "yes", "no", "y", "n"])
_LONG = 300
_WIDEST = 90


def scalar(value: object) -> str:
    """A value as YAML: plain where that can be read as nothing else, else in double quotes with escapes."""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    if isinstance(value, int) or (_PLAIN.fullmatch(text) and text.lower() not in _NOT_TEXT):
        return text
    return '"' + "".join(map(_character, text)) + '"'


def _character(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    return char if char.isprintable() else f"\\U{ord(char):08x}"


def _flow(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{scalar(key)}: {_flow(inner)}" for key, inner in value.items()) + "}"
    return scalar(value)


def comment(text: str) -> str:
    """The end of a line that explains it; nothing where there is nothing to say."""
    return f" # {short(text, _LONG)}" if text else ""


def _mapping(said: Keys, indent: str) -> Iterator[str]:
    for key, value in said.keys.items():
        more = comment(said.comments.get(key, ""))
        line = f"{indent}{key}: {_flow(value)}"
        if isinstance(value, dict) and len(line) > _WIDEST:
            yield f"{indent}{key}:{more}"
            yield from (f"{indent}  {inner}: {_flow(word)}" for inner, word in value.items())
        else:
            yield line + more


def _items(items: Iterable[Keys], indent: str) -> Iterator[str]:
    """A list of mappings: on a line each where they are short and nothing is to be said of them."""
    for said in items:
        line = f"{indent}- {_flow(dict(said.keys))}"
        if said.comments or len(line) > _WIDEST or len(said.keys) > 3:
            first, *rest = _mapping(said, f"{indent}  ")
            yield f"{indent}- {first.lstrip(' ')}"
            yield from rest
        else:
            yield line


def lab_text(
    machine: str,
    said: Keys,
    lists: Mapping[str, Iterable[Keys | str]],
    *,
    host: Keys,
    hosts: Mapping[str, Keys],
) -> str:
    """A lab file with one machine; `hosts` are by name, and `host` is the machine's own key."""
    lines = ["version: 1", ""]
    if hosts:
        lines.append("hosts:")
        lines += [f"  {scalar(name)}: {_flow(dict(keys.keys))}" for name, keys in hosts.items()]
        lines.append("")
    lines += ["machines:", f"  {scalar(machine)}:", *_mapping(host, "    "), *_mapping(said, "    ")]
    for key, items in lists.items():
        known = list(items)
        if known:
            lines.append(f"    {key}:")
            lines += _items([item for item in known if not isinstance(item, str)], "      ")
            lines += [f"      - {scalar(item)}" for item in known if isinstance(item, str)]
    return "\n".join(lines) + "\n"
