"""Parses a libvirt network's XML: whether machines on it have a TAP, and on which bridge."""

from __future__ import annotations

from dataclasses import dataclass

from provision.facts.domain_tree import attribute
from provision.runtime.errors import reading
from provision.runtime.untrusted import read_xml


@dataclass(frozen=True, slots=True)
class NetworkFacts:
    """A network of libvirt's."""

    mode: str
    """`nat`, `route`, `open`, `bridge`, `hostdev`, …; empty of one that leads nowhere."""
    bridge: str
    """The bridge that its machines' TAPs are on; empty where they have none: macvtap, or a passed-through device."""


def parse_network(text: str) -> NetworkFacts:
    """A network's facts.

    :raise UnreadableError: when the text is no XML.
    """
    with reading("a libvirt network's XML", text):
        root = read_xml(text)
    return NetworkFacts(attribute(root, "forward", "mode"), attribute(root, "bridge", "name"))
