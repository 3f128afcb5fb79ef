"""Compares two domains: what is otherwise, whoever wrote them, and what somebody has changed by hand. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from provision.facts.domain_normal import normal_form
from provision.facts.domain_tree import read_domain, text_of
from provision.runtime.masked import MARK, masked_xml
from provision.tables.machine_types import spells_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from lxml.etree import _Element

    from provision.facts.domain_normal import Part

_BOOTED = {"hd": "devices/disk disk", "cdrom": "devices/disk cdrom", "fd": "devices/disk floppy", "network": "devices/interface"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that two domains have otherwise; None is where one has nothing of it."""

    path: str
    """As a person reads it: `devices/disk[vda]/driver@cache`."""
    was: str | None
    now: str | None
    kind: str
    """As the tables have it: `devices/disk disk/driver@cache`."""


def _paired(
    was: Sequence[Part], now: Sequence[Part], left_out: frozenset[str]
) -> list[tuple[Part | None, Part | None]]:
    """Parts of one kind that stand for each other: by what tells them apart, then in their order."""
    left = list(now)
    pairs: dict[int, Part] = {}
    for sure in (True, False):
        for at, part in enumerate(was):
            match = next((other for other in left if not sure or (part.key and other.key == part.key)), None)
            if at not in pairs and match is not None and part.path not in left_out:
                pairs[at] = match
                left.remove(match)
    return [(part, pairs.get(at)) for at, part in enumerate(was)] + [(None, part) for part in left]


def summary(part: Part) -> str:
    """A device in a few words."""
    return _words(part.values) or "there"


def _between(was: Part, now: Part) -> Iterator[Difference]:
    """What two parts that stand for each other have otherwise; of what one lacks whole, its topmost."""
    elements = {id(part): _elements(part.values) for part in (was, now)}
    told = ""
    for path in sorted({*was.values, *now.values}):
        before, after = was.values.get(path), now.values.get(path)
        if before == after or (told and path.startswith((f"{told}/", f"{told}@"))):
            continue
        top, told = path, ""
        if None in (before, after):
            there = elements[id(now if after is None else was)]
            top = told = next((end for end in _ends(path) if end not in there), path)
            before, after = _whole(was, top), _whole(now, top)
        join = "" if not was.path or top[:1] == "@" else "/"
        yield Difference(f"{was.path}{join}{top}", before, after, f"{was.kind}{join}{top}")


def _ends(path: str) -> list[str]:
    """The elements on the way to a path, the outermost first."""
    return [path[: match.start()] for match in re.finditer(r"[/@]", path) if match.start()]


def _elements(values: Mapping[str, str]) -> set[str]:
    """Every element of which there is anything."""
    return {end for path in values for end in (*_ends(path), path)}


def _whole(part: Part, top: str) -> str | None:
    inner = {
        path[len(top) :]: value
        for path, value in part.values.items()
        if path == top or path.startswith((f"{top}/", f"{top}@"))
    }
    return _words(inner) if inner else None


def _words(values: Mapping[str, str]) -> str:
    """Values with the ends of their paths; what is named in a path is not named again."""
    named = ((path.rpartition("/")[2].lstrip("@"), value) for path, value in values.items())
    ends = [(end, value) for end, value in named if not end.endswith("]@name")]
    return " ".join(f"{end}={value}" if end and value else end or value for end, value in ends)


def _boot(parts: Sequence[Part], root: _Element) -> list[str]:
    """Paths in the order in which they are booted from; none where QEMU loads a kernel."""
    if text_of(root.find("os/kernel")):
        return []
    ordered = [part.path for part in sorted(parts, key=lambda part: part.order) if part.order]
    classes = [_BOOTED.get(str(row.get("dev")), "") for row in root.iterfind("os/boot")]
    first = [next((part.path for part in parts if part.kind == kind), "") for kind in classes]
    return ordered or [path for path in first if path]


def differences(
    original: str, rendered: str, left_out: frozenset[str] = frozenset()
) -> tuple[Difference, ...]:
    """What a rendered domain has otherwise than the original, but for what the table IGNORED gives a reason for.

    A boot order may go on where the original's ends, and TAPs may have names where the original's had none.
    Devices of the original at the paths `left_out` have none that stands for them.

    :raise UnreadableError: when one of them is no domain XML.
    """
    was, now = normal_form(original), normal_form(rendered)
    found: list[Difference] = []
    same: dict[str, str] = {}
    for kind in dict.fromkeys(part.kind for part in (*was, *now)):
        mine, other = ([part for part in side if part.kind == kind] for side in (was, now))
        for before, after in _paired(mine, other, left_out):
            if before and after:
                same[after.path] = before.path
                found += _between(before, after)
            elif before:
                found.append(Difference(before.path, summary(before), None, kind))
            elif after:
                found.append(Difference(after.path, None, summary(after), kind))
    first = _boot(was, read_domain(original))
    then = [same.get(path, path) for path in _boot(now, read_domain(rendered))]
    if then[: len(first)] != first:
        found.append(Difference("boot", ", ".join(first), ", ".join(then) or None, "boot"))
    return tuple(row for row in found if row.was is not None or not row.kind.endswith("interface/target"))


_CARRIERS = ("disk", "filesystem", "hostdev", "interface", "shmem", "vsock")
"""Devices that libvirt never adds by itself, and that take something in or out."""


def _is_foreign(added: Difference) -> bool:
    """Whether what a domain has beside what it was defined with is somebody's doing, and not libvirt's own."""
    if added.kind.startswith("qemu:"):
        return True
    inside = re.match(r"devices/([a-z]+)( [^/@]*)?(.*)", added.kind)
    if inside is None or inside[1] not in _CARRIERS:
        return False
    return (
        not inside[3].startswith(("/backend", "/virtualport/parameters"))
        if inside[1] == "interface"
        else not inside[3]
    )


def _is_spelled_out(change: Difference) -> bool:
    """Whether libvirt has only written a machine type's alias out in full."""
    return change.kind == "os/type@machine" and spells_out(change.now or "", change.was or "")


_LEFT_TO_LIBVIRT = {"uefi": "", "uefi-secure-boot": ", secure boot"}
"""Firmware whose files libvirt chooses, and how they end in words."""


def _is_chosen(change: Difference) -> bool:
    """Whether libvirt has chosen the files of firmware that it was left to choose."""
    end = _LEFT_TO_LIBVIRT.get(change.was or "")
    files = re.fullmatch(r"files .*?(, secure boot)?", change.now or "")
    return change.kind == "firmware" and end is not None and files is not None and (files[1] or "") == end


def without_secrets(
    compare: Callable[[str, str], Sequence[Difference]], was: str, now: str
) -> tuple[Difference, ...]:
    """What a comparison of two domains finds, in words for anybody; of what is a secret only that it is otherwise."""
    told = {found.path: found for found in compare(masked_xml(was), masked_xml(now))}
    return tuple(
        told.get(found.path, replace(found, was=found.was and MARK, now=found.now and MARK))
        for found in compare(was, now)
    )


def changed_by_hand(defined: str, there: str) -> tuple[Difference, ...]:
    """What a domain has otherwise than it was defined with (`was`); what libvirt has added to it does not count.

    :raise UnreadableError: when one of them is no domain XML.
    """
    runs = (
        read_domain(there).get("id") is not None
    )  # only then libvirt 9 tells the files, and no longer `efi`
    return tuple(
        found
        for found in differences(defined, there)
        if not (_is_spelled_out(found) or (runs and _is_chosen(found)))
        and (found.was is not None or _is_foreign(found))
    )
