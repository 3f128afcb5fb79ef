"""What somebody has changed in a libvirt domain by hand, against what it was defined with. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from provision.facts.domain_tree import flat_domain
from provision.host.plan.diff import changed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from provision.host.plan.diff import Diff


def _same(key: str, wanted: str, there: str) -> bool:
    """Whether libvirt has kept a value.

    It writes a machine type's alias out in full, and names the firmware that it was left to choose: when the domain
    starts, and since some version when it is defined.
    """
    if key == "os/loader":
        return wanted in ("", there)
    return wanted == there or (key == "os/type@machine" and there.startswith(f"pc-{wanted}-"))


_CARRIERS = ("disk", "filesystem", "hostdev", "interface", "shmem", "vsock")
"""Devices that libvirt never adds by itself, and that take something in or out."""


_LIBVIRTS = re.compile(r"/(address|alias|backend|source|target)\b")
"""What libvirt adds to an interface."""


def _is_foreign(path: str) -> bool:
    """Whether something that a domain has and we did not ask for is somebody's doing, and not libvirt's own."""
    if path.startswith("qemu:"):
        return True
    inside = re.match(r"devices/([a-z]+)(\[[^]]*\])?(.*)", path)
    if inside is None:
        return False
    tag, more = inside[1], inside[3]
    return (tag == "interface" and not _LIBVIRTS.match(more)) or (tag in _CARRIERS and more in ("", "@type"))


def _topmost(paths: Iterable[str]) -> Iterator[str]:
    """Paths without those that lie within another of them."""
    within = ""
    for path in sorted(paths):
        if not within or not path.startswith((f"{within}/", f"{within}@")):
            within = path
            yield path


def _line(sign: str, path: str, values: Mapping[str, str]) -> str:
    return f"{sign} {path}: {values[path]}" if values[path] else f"{sign} {path}"


def edits(wanted_xml: str, there_xml: str) -> Diff:
    """What a domain has otherwise than it was defined with; what libvirt has added to it does not count."""
    wanted, there = flat_domain(wanted_xml), flat_domain(there_xml)
    lines = [_line("+", path, wanted) for path in _topmost(wanted.keys() - there.keys())]
    for path, value in wanted.items():
        if path in there and not _same(path, value, there[path]):
            lines += changed(f"{path}: {there[path]}", f"{path}: {value}")
    foreign = filter(_is_foreign, there.keys() - wanted.keys())
    return (*lines, *(_line("-", path, there) for path in _topmost(foreign)))
