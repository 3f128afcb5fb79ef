"""Reads a domain's XML safely, and flattens its elements to paths and values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from provision.runtime.errors import UnreadableError
from provision.runtime.safe_text import short
from provision.runtime.untrusted import read_xml

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lxml.etree import _Element

QEMU = "{http://libvirt.org/schemas/domain/qemu/1.0}"
NAMESPACE = "urn:rscvm:domain:1"
"""Of our metadata in a domain: by it we know what is ours."""

OURS = f"{{{NAMESPACE}}}"


def attribute(element: _Element, path: str, name: str) -> str:
    """An attribute of the first element at a path, or nothing."""
    found = element.find(path)
    return str(found.get(name, "")) if found is not None else ""


def text_of(element: _Element | None) -> str:
    """An element's text as it is, or nothing where it is only the space between other elements."""
    text = (element.text or "") if element is not None else ""
    return text if text.strip() else ""


def said(element: _Element | None, *names: str) -> dict[str, str]:
    """Those of an element's attributes that are there and not empty, in this order."""
    values = {name: str(element.get(name, "")) for name in names} if element is not None else {}
    return {name: value for name, value in values.items() if value}


def tag_of(element: _Element) -> str:
    """An element's tag with the prefix that it has in its XML; ours and QEMU's have theirs always."""
    tag = str(element.tag)
    if tag.startswith((QEMU, OURS)):
        return tag.replace(QEMU, "qemu:").replace(OURS, "rscvm:")
    local = tag.rpartition("}")[2]
    return f"{element.prefix}:{local}" if element.prefix else local


def flat(element: _Element, *, leave_out: Sequence[str] = ()) -> dict[str, str]:
    """Every attribute and text within an element by its path; what is bare has an empty text."""
    values: dict[str, str] = {}
    waiting: list[tuple[_Element, str]] = [(element, "")]
    while waiting:
        here, path = waiting.pop()
        text = text_of(here)
        children = [child for child in here.iterchildren("*") if child.tag not in leave_out]
        values |= {f"{path}@{str(name).rpartition('}')[2]}": str(value) for name, value in here.items()}
        if text or not (children or len(here) or here.keys()):
            values[path] = text
        seen: dict[str, int] = {}
        inner: list[tuple[_Element, str]] = []
        for child in children:
            name = str(child.get("name", "")) if child.tag in ("timer", "feature", "entry") else ""
            label = f"{tag_of(child)}[{name}]" if name else tag_of(child)
            seen[label] = seen.get(label, 0) + 1
            label += f"[{seen[label]}]" if seen[label] > 1 else ""
            inner.append((child, f"{path}/{label}" if path else label))
        waiting += reversed(inner)
    return values


def paths_in(text: str) -> frozenset[str]:
    """Every absolute path that a domain's XML names, whatever for.

    :raise UnreadableError: when the text is no domain XML.
    """
    words = (
        word for element in read_domain(text).iter("*") for word in (element.text or "", *element.values())
    )
    return frozenset(str(word).strip() for word in words if str(word).strip().startswith("/"))


def number(element: _Element, path: str, name: str) -> int | None:
    """An attribute that is a whole number."""
    words = attribute(element, path, name)
    return int(words) if re.fullmatch("[0-9]{1,9}", words) else None


def read_domain(text: str) -> _Element:
    """The `<domain>` of an XML text, whatever it holds.

    :raise UnreadableError: when the text is no domain XML.
    """
    try:
        root = read_xml(text)
    except ValueError as error:
        raise UnreadableError(f"the domain's XML ({short(str(error), 100)})", text) from error
    if root.tag != "domain":
        raise UnreadableError("the domain's XML", text)
    return root
