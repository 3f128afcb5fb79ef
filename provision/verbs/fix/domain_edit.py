"""Edits a domain's XML by the byte: nothing but the edit changes. Pure.

lxml understands the text and tells no positions; a scan for tags tells positions and understands nothing. Both see
the same elements in the same order, and are held against each other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from provision.facts.domain_tree import read_domain
from provision.facts.overrides import overriding
from provision.runtime.errors import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lxml.etree import _Element

# In a well-formed text without DTD a `<` that opens none of the first three opens a tag.
_TAG = re.compile(
    r"""<(?:!--.*?-->|!\[CDATA\[.*?\]\]>|\?.*?\?>|(?P<dtd>!DOCTYPE)|(?P<closing>/)[^>]*>"""
    r"""|(?P<name>[^\s/>]+)(?:[^>"']|"[^"]*"|'[^']*')*>)""",
    re.DOTALL,
)
_ATTRIBUTE = re.compile(r"""\s([^\s=]+)\s*=\s*("[^"]*"|'[^']*')""")
_AFTER = {"driver": ("model", "target", "source", "mac"), "model": ("target", "source", "mac")}
"""Behind which of its siblings libvirt writes a child of `<interface>`, the last one first."""


@dataclass(frozen=True, slots=True)
class SetValue:
    """Give an attribute a value, in an interface or an element of it; the element is made where it is missing."""

    nic: int
    """Which `<interface>` of `<devices>`, from 0."""
    path: tuple[str, ...]
    attribute: str
    value: str


@dataclass(frozen=True, slots=True)
class DropOverride:
    """Take properties out of the `<qemu:override>` of one alias, with what holds nothing else."""

    alias: str
    properties: tuple[str, ...]


Edit = SetValue | DropOverride


@dataclass(frozen=True, slots=True)
class _Span:
    """Where an element stands."""

    start: int
    opened: int
    """Behind its start tag."""
    closing: int
    """Before its end tag; an empty-element tag's own end."""
    end: int
    name: str
    """As it is written, with its prefix."""

    @property
    def empty(self) -> bool:
        """Whether it is an empty-element tag."""
        return self.opened == self.end


@dataclass(frozen=True, slots=True)
class _Document:
    """A text, its elements, and where they stand."""

    text: str
    root: _Element
    spans: dict[_Element, _Span]

    def indent(self, element: _Element) -> str:
        """The line break and blanks before an element; nothing where it shares its line."""
        start = self.spans[element].start
        blank = start - len(self.text[:start].rstrip(" \t"))
        line = self.text[: start - blank]
        if not line.endswith("\n"):
            return ""
        return ("\r\n" if line.endswith("\r\n") else "\n") + self.text[start - blank : start]


def _spans(text: str) -> list[_Span]:
    """Every element's place, in the order of their start tags; none of a text with a DTD, whose tags mean anything."""
    found: dict[int, _Span] = {}
    order: list[int] = []
    opened: list[tuple[int, re.Match[str]]] = []
    for tag in _TAG.finditer(text):
        if tag["dtd"]:
            return []
        if tag["closing"]:
            number, start = opened.pop()
            found[number] = _Span(start.start(), start.end(), tag.start(), tag.end(), start["name"])
        elif tag["name"]:
            order.append(len(order))
            if tag[0].endswith("/>"):
                found[order[-1]] = _Span(tag.start(), tag.end(), tag.end(), tag.end(), tag["name"])
            else:
                opened.append((order[-1], tag))
    return [found[number] for number in order]


def _read(text: str) -> _Document:
    """The document.

    :raise UnreadableError: when the text is no domain XML, or has a DTD, which libvirt never writes.
    """
    root = read_domain(text)
    elements = list(root.iter("*"))
    spans = _spans(text)
    local = [span.name.rpartition(":")[2] for span in spans]
    if local != [str(element.tag).rpartition("}")[2] for element in elements]:
        raise UnreadableError("the domain's XML", text)
    return _Document(text, root, dict(zip(elements, spans, strict=True)))


def edited(text: str, edits: Sequence[Edit]) -> str:
    """The domain's XML with these edits made; one that is made already changes nothing.

    :raise UnreadableError: when the text is no domain XML.
    """
    for edit in edits:
        document = _read(text)
        text = _set(document, edit) if isinstance(edit, SetValue) else _dropped(document, edit)
    return text


def _set(document: _Document, edit: SetValue) -> str:
    element = document.root.findall("devices/interface")[edit.nic]
    for at, tag in enumerate(edit.path):
        child = element.find(tag)
        if child is None:
            return _with_child(document, element, edit.path[at:], f"{edit.attribute}='{edit.value}'")
        element = child
    span, text = document.spans[element], document.text
    for found in _ATTRIBUTE.finditer(text, span.start, span.opened):
        if found[1] == edit.attribute:
            return text[: found.start(2) + 1] + edit.value + text[found.end(2) - 1 :]
    end = len(text[: span.opened].rstrip("/>" if span.empty else ">").rstrip())
    return f"{text[:end]} {edit.attribute}='{edit.value}'{text[end:]}"


def _with_child(document: _Document, parent: _Element, path: tuple[str, ...], attribute: str) -> str:
    """The text with the first of these tags in `parent`, the next in that, and the attribute at the last."""
    span, text = document.spans[parent], document.text
    outer, children = document.indent(parent), list(parent.iterchildren("*"))
    inner = document.indent(children[0]) if children else _deeper(document, parent)
    step = inner.removeprefix(outer) if inner.startswith(outer) else "  "
    new = _element(path, attribute, inner, step if inner else "")
    anchor = _anchor(path[0], children)
    if anchor is not None:
        at = document.spans[anchor].end
        return f"{text[:at]}{inner}{new}{text[at:]}"
    if span.empty:
        head = text[: span.opened].removesuffix("/>").rstrip()
        return f"{head}>{inner}{new}{outer if inner else ''}</{span.name}>{text[span.end :]}"
    rest = outer if inner and not text[span.opened : span.closing].strip() else ""
    kept = text[span.opened :] if not rest else text[span.closing :]
    return f"{text[: span.opened]}{inner}{new}{rest}{kept}"


def _anchor(tag: str, children: Sequence[_Element]) -> _Element | None:
    """The child behind which a new one goes."""
    for before in _AFTER.get(tag, ()):
        for child in reversed(children):
            if child.tag == before:
                return child
    return children[-1] if children and tag not in _AFTER else None


def _deeper(document: _Document, element: _Element) -> str:
    """How the first child of an element is indented."""
    own, parent = document.indent(element), element.getparent()
    outer = document.indent(parent) if parent is not None else ""
    if not own:
        return ""
    step = own.removeprefix(outer) if outer and own.startswith(outer) else "  "
    return own + (step if step.strip("\r\n") else "  ")


def _element(path: tuple[str, ...], attribute: str, indent: str, step: str) -> str:
    if len(path) == 1:
        return f"<{path[0]} {attribute}/>"
    inner = _element(path[1:], attribute, indent + step, step)
    return f"<{path[0]}>{indent}{step}{inner}{indent}</{path[0]}>"


def _dropped(document: _Document, edit: DropOverride) -> str:
    going: set[_Element] = {
        element for element in overriding(document.root, edit.alias) if element.get("name") in edit.properties
    }
    for element in list(going):
        parent = element.getparent()
        while parent is not None and parent is not document.root and _holds_only(document, parent, going):
            going.add(parent)
            parent = parent.getparent()
    text = document.text
    topmost = [element for element in going if element.getparent() not in going]
    for element in sorted(topmost, key=lambda element: document.spans[element].start, reverse=True):
        span, indent = document.spans[element], document.indent(element)
        text = text[: span.start - len(indent)] + text[span.end :]
    return text


def _holds_only(document: _Document, element: _Element, going: set[_Element]) -> bool:
    """Whether nothing but these elements is in it: no other one, no comment, no text."""
    span = document.spans[element]
    rest, at = "", span.opened
    for child in element.iterchildren("*"):
        if child not in going:
            return False
        rest += document.text[at : document.spans[child].start]
        at = document.spans[child].end
    return not (rest + document.text[at : span.closing]).strip()
