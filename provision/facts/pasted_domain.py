"""Finds libvirt's domain XML in text that a person pasted, whole or but its interfaces."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from provision.facts.domain_tree import read_domain
from provision.facts.pasted_lines import plain_lines
from provision.runtime.errors import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_BEGIN = re.compile(r"<(?P<tag>domain|interface)\s[^<>]{0,1000}>")
_MOST = 200
_LARGEST = 1 << 18
"""Characters of one domain; those of libvirt's have a tenth of it."""
_LISTED = re.compile(
    r"(?P<tap>\S{1,15})\s+(?:bridge|network|ethernet)\s+\S{1,60}\s+virtio\s+(?:[0-9a-f]{2}:){5}[0-9a-f]{2}"
)


@dataclass(frozen=True, slots=True)
class PastedDomain:
    """A domain's XML, and how much of it there was."""

    xml: str
    whole: bool
    running: bool
    """Whether libvirt told it of a running machine."""
    name: str = ""


def pasted_domains(text: str) -> list[PastedDomain]:
    """Every domain in a text; of what is cut off, its interfaces that are there make one."""
    if "interface" not in text and "commandline" not in text:
        return []
    text = "\n".join(plain_lines(text))
    parts = list(_parts(text))
    pieces = "\n".join(part for tag, part in parts if tag == "interface")
    whole = [_whole(part) for tag, part in parts if tag == "domain"]
    piece = f"<domain type='kvm'><devices>{pieces}</devices></domain>"
    return [*whole, *([PastedDomain(piece, whole=False, running=False)] if pieces and _reads(piece) else [])]


def listed_taps(lines: Iterable[str]) -> frozenset[str]:
    """The TAPs of virtio NICs in `virsh domiflist`."""
    listed = (_LISTED.fullmatch(line) for line in lines if " virtio " in line)
    return frozenset(found["tap"] for found in listed if found)


def _parts(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    for _ in range(_MOST):
        begin = _BEGIN.search(text, at)
        if begin is None:
            return
        close = f"</{begin['tag']}>"
        end = text.find(close, begin.end(), begin.end() + _LARGEST)
        part = text[begin.start() : end + len(close)]
        alone = f"<domain><devices>{part}</devices></domain>" if begin["tag"] == "interface" else part
        if end >= 0 and _reads(alone):
            yield begin["tag"], part
            at = end + len(close)
        else:
            at = begin.end()


def _reads(xml: str) -> bool:
    try:
        read_domain(xml)
    except UnreadableError:
        return False
    return True


def _whole(xml: str) -> PastedDomain:
    root = read_domain(xml)
    running = root.get("id") is not None  # libvirt gives one to what runs
    return PastedDomain(xml, whole=True, running=running, name=root.findtext("name", "").strip())
