"""Finds properties that PowerShell prints one a line, Format-List and ConvertTo-Json, in pasted lines."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from provision.facts.printed_values import Printed
from provision.tables.powershell_properties import PROPERTIES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_NAMES = "|".join(sorted(PROPERTIES, key=len, reverse=True))
_PROPERTY = re.compile(
    rf"(?<![\w.$@-])(?P<open>[\"']?)(?P<name>{_NAMES})(?P<close>[\"'*]{{0,3}})[ \t]{{0,60}}[:=][*]{{0,2}}(?![=:\\/])[ \t]{{0,20}}"
)
_ANOTHER = re.compile(r"\s[A-Za-z]\w{1,50}[ \t]{0,60}:(?=\s|$)")
"""A property that is not read, on the same line."""
_OTHERS = re.compile(r"\S[ \t]{0,60}[:=](?:\s|$)|^\s+\S")
"""Begins a property that is not read, or goes on with a value."""
_PROMPT = re.compile(r"PS(?: [A-Z]:[^>]{0,100})?>")
_OPEN = re.compile(r"[\[{]\s{0,100}(?:\{\s{0,100})?\"")
_MOST = 60
_LARGEST = 1 << 20
"""Characters of what ConvertTo-Json made."""
_INNER = "RscHardwareCapabilities"


def lists_in(lines: Sequence[str]) -> Iterator[Printed]:
    """Every object whose properties stand one a line, or one after another, in order."""
    values: dict[str, str] = {}
    begun = 0
    for at, line in enumerate(lines):
        found = list(_PROPERTY.finditer(line)) if ":" in line or "=" in line else []
        ends = not line.strip() or _PROMPT.search(line) or not (found or _OTHERS.search(line))
        if ends and values:
            yield Printed(begun, values)
            values = {}
        for place, each in enumerate(found):
            end = found[place + 1].start() if place + 1 < len(found) else len(line)
            if each["name"] in values:
                yield Printed(begun, values)
                values = {}
            begun = begun if values else at
            values[each["name"]] = _value(each, line[each.end() : end])
    if values:
        yield Printed(begun, values)


def _value(found: re.Match[str], rest: str) -> str:
    """The value that begins a rest of a line; a name may have spaces, and what others have in it is not told apart."""
    kept = rest[: other.start()] if (other := _ANOTHER.search(rest)) else rest
    quote = found["open"] or found["close"].strip("*")
    if quote or "=" in found[0]:
        kept = kept.strip(f" \t,;}}]{quote}")
    kept = kept.strip(' \t*`|"<>').strip("{}")
    if PROPERTIES[found["name"]] == "text":
        return kept
    return kept.split(maxsplit=1)[0].strip(",;'\"`}") if kept else ""


def json_in(text: str) -> tuple[list[Printed], str]:
    """Every object that ConvertTo-Json made, and the text without them."""
    found: list[Printed] = []
    rest: list[str] = []
    at, line = 0, 0
    for _ in range(_MOST):
        begin = _OPEN.search(text, at)
        if begin is None:
            break
        line += text.count("\n", at, begin.start())
        rest.append(text[at : begin.start()])
        document, length = _document(text[begin.start() : begin.start() + _LARGEST])
        objects = [values for values in _objects(document) if values]
        found += [Printed(line, values) for values in objects]
        # Of other documents the text may tell: what a program printed is in their strings.
        at = begin.start() + (length if objects else 1)
        rest.append("\n" * text.count("\n", begin.start(), at) if objects else text[begin.start() : at])
        line += text.count("\n", begin.start(), at)
    return found, "".join((*rest, text[at:]))


def _document(text: str) -> tuple[object, int]:
    try:
        return json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return None, 0


def _objects(document: object) -> Iterator[Mapping[str, str]]:
    """Those of a list, of what Windows PowerShell makes of one (`value`), or the one that there is."""
    if isinstance(document, dict) and isinstance(document.get("value"), list):
        document = document["value"]
    for each in document if isinstance(document, list) else [document]:
        if isinstance(each, dict):
            inner = each.get(_INNER)
            whole = {**(inner if isinstance(inner, dict) else {}), **each}
            yield {
                name: word for name, value in whole.items() if name in PROPERTIES and (word := _scalar(value))
            }


def _scalar(value: object) -> str:
    """As PowerShell prints it; of a list of one, that one."""
    if isinstance(value, list) and len(value) == 1:
        return _scalar(value[0])
    return str(value) if isinstance(value, str | int | bool) else ""
