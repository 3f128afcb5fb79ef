"""Edits a domain's XML: one value set, or one override taken out, and nothing else. Pure.

libvirt lays a definition out anew when it is defined, so only what the text means has to stay.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from provision.facts.domain_tree import read_domain
from provision.facts.overrides import override_elements

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lxml.etree import _Element

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


def edited(text: str, edits: Sequence[Edit]) -> str:
    """The domain's XML with these edits made; the text itself where all of them are made already.

    :raise UnreadableError: when the text is no domain XML.
    """
    root = read_domain(text)
    made = [_set(root, edit) if isinstance(edit, SetValue) else _dropped(root, edit) for edit in edits]
    return _text(root) if any(made) else text


def laid_out(text: str) -> str:
    """The same domain for a person to read: an element a line and in single quotes, as virsh shows it.

    :raise UnreadableError: when the text is no domain XML.
    """
    return re.sub(r"""="([^"'<>]*)\"""", r"='\1'", _text(read_domain(text)))


def _text(root: _Element) -> str:
    from lxml import etree  # noqa: PLC0415 - only where XML is written

    etree.indent(root)
    return etree.tostring(root, encoding="unicode") + "\n"


def _set(root: _Element, edit: SetValue) -> bool:
    """Make the edit; return whether there was anything to do."""
    element = root.findall("devices/interface")[edit.nic]
    for tag in edit.path:
        child = element.find(tag)
        element = child if child is not None else _made(element, tag)
    before = element.get(edit.attribute)
    element.set(edit.attribute, edit.value)
    return before != edit.value


def _made(parent: _Element, tag: str) -> _Element:
    """A new child, where libvirt would write it."""
    child = parent.makeelement(tag, {}, None)
    before = next((found for name in _AFTER.get(tag, ()) for found in parent.iterfind(name)), None)
    if before is not None:
        before.addnext(child)
    elif tag in _AFTER:
        parent.insert(0, child)
    else:
        parent.append(child)
    return child


def _dropped(root: _Element, edit: DropOverride) -> bool:
    """Make the edit; return whether there was anything to do."""
    going = [
        element
        for alias, element in override_elements(root)
        if alias == edit.alias and element.get("name") in edit.properties
    ]
    for element in going:
        _remove(element, root)
    return bool(going)


def _remove(element: _Element, root: _Element) -> None:
    """Remove an element, and what then holds nothing, not even a comment."""
    parent = element.getparent()
    if parent is None:
        return
    parent.remove(element)
    if parent is not root and not len(parent) and not (parent.text or "").strip():
        _remove(parent, root)
