"""Reads JSON and XML that anybody may have written, and refuses what would take the memory or the stack.

Every document from outside is read by these.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from lxml.etree import _Element

MOST_VALUES = 2_000_000
"""Of a JSON document; the features of 3,000 devices are 750,000, and an empty value takes 72 bytes."""
_MOST_NODES = 200_000
"""Elements of an XML document, and attributes; a domain with 232 NICs has 5,000."""
_LONGEST_XML = 32 << 20
"""Characters; a description may have most of them."""


def read_json(text: str | bytes, most: int = MOST_VALUES, **options: Any) -> Any:
    """The document, of at most so many values.

    :raise ValueError: when it is no JSON, nests too deeply, or is too large.
    """
    comma, opening = (b",", (b"[", b"{")) if isinstance(text, bytes) else (",", ("[", "{"))
    if len(text) > most and sum(map(text.count, (comma, *opening))) > most:
        raise ValueError(f"it has more than {most} values")
    try:
        return json.loads(text, **options)
    except RecursionError as error:
        raise ValueError("it nests too deeply") from error


def with_strings(text: str, changed: Callable[[str, str], str], most: int = MOST_VALUES) -> str:
    """JSON to the letter, but for the strings that `changed` makes others of.

    It is told the key that a string is the value of, or nothing, and the string; keys are strings, too.

    :raise ValueError: as of `read_json`.
    """
    read_json(text, most)
    one = json.JSONDecoder()
    parts: list[str] = []
    at, before = 0, ""
    while (begins := text.find('"', at)) >= 0:
        said, ends = one.raw_decode(text, begins)
        between, token = text[at:begins], text[begins:ends]
        new = changed(before if between.strip() == ":" else "", said)
        parts += (between, token if new == said else json.dumps(new, ensure_ascii=token.isascii()))
        at, before = ends, said
    return "".join((*parts, text[at:]))


def read_xml(text: str) -> _Element:
    """The document's root.

    :raise ValueError: when it is no XML, has a DTD, or is too large.
    """
    from lxml import etree  # noqa: PLC0415 - only where XML is read

    if "<!DOCTYPE" in text:  # libvirt writes none; by some lxml its entities grow while they are parsed
        raise ValueError("it has a DTD")
    if (
        len(text) > _LONGEST_XML
        or text.count("<") > _MOST_NODES
        or text.count('="') + text.count("='") > _MOST_NODES
    ):
        raise ValueError("it is larger than any domain's")
    # In no encoding that it names itself: in another the DTD would be spelled otherwise.
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True, encoding="utf-8")
    try:
        return etree.fromstring(text.encode("utf-8", "surrogatepass"), parser)
    except etree.XMLSyntaxError as error:
        raise ValueError(f"it is no XML: {error}") from error
