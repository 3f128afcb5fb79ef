"""Compares two domains: both in a normal form, and what is left of differences. Pure."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from provision.facts.domain_tree import attribute, flat, read_domain, said, tag_of, text_of
from provision.facts.overrides import overrides, taken_overrides
from provision.verbs.importer.interface_form import nic_values
from provision.verbs.importer.tolerated import goes_without_saying, ignored, is_absent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lxml.etree import _Element


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that two domains have otherwise; None is where one has nothing of it."""

    path: str
    """As a person reads it: `devices/disk[vda]/driver@cache`."""
    was: str | None
    now: str | None
    kind: str
    """As the tables have it: `devices/disk disk/driver@cache`."""


@dataclass(frozen=True, slots=True)
class Part:
    """A device, or everything that is none; in normal form."""

    path: str
    kind: str
    key: str
    """What tells it from others of its kind in another domain: a disk's file, a NIC's MAC address."""
    values: Mapping[str, str] = field(default_factory=dict)
    order: int = 0
    """Its place in the boot order; 0 where it has none."""


# What tells a device's kind, by element and attribute, with what is meant where nothing is said.
_KINDS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "disk": ((".", "device", "disk"),),
    "controller": ((".", "type", ""),),
    "input": ((".", "type", ""), (".", "bus", "")),
    "graphics": ((".", "type", ""),),
    "channel": (("target", "name", ""),),
    "console": (("target", "type", "serial"),),
}
# What a device is called among its like, and what tells it from others of its kind in another domain.
_NAMES = {
    "disk": lambda e: attribute(e, "target", "dev"),
    "interface": lambda e: attribute(e, "mac", "address").lower(),
}
_KEYS = {
    "disk": lambda e: next(iter(said(e.find("source"), "file", "dev", "name").values()), ""),
    "interface": _NAMES["interface"],
}
_BOOTED = {"hd": "devices/disk disk", "cdrom": "devices/disk cdrom", "fd": "devices/disk floppy", "network": "devices/interface"}  # fmt: skip


def _sort(element: _Element) -> str:
    """What sort of its tag a device is: in words that the tables' patterns cannot mistake for a path."""
    words = (attribute(element, *row[:2]) or row[2] for row in _KINDS.get(str(element.tag), ()))
    return re.sub(r"[^A-Za-z0-9._ -]", "_", " ".join(words))


def _without_sort(element: _Element, values: Mapping[str, str]) -> dict[str, str]:
    told = {f"{path}@{name}".removeprefix(".") for path, name, _ in _KINDS.get(str(element.tag), ())}
    return {path: value for path, value in values.items() if path not in told}


def named_devices(root: _Element) -> Iterator[tuple[str, str, _Element]]:
    """Every device with its path as a person reads it, and as the tables have it."""
    seen: Counter[str] = Counter()
    for element in root.iterfind("devices/*"):
        tag = str(element.tag)
        sort = _sort(element)
        name = _NAMES[tag](element) if tag in _NAMES else sort
        path = f"devices/{tag}[{name}]" if name else f"devices/{tag}"
        seen[path] += 1
        more = f" {seen[path]}" if seen[path] > 1 else ""
        yield (
            f"devices/{tag}[{name}{more}]" if name else f"{path}[{more.strip()}]" if more else path,
            f"devices/{tag} {sort}" if sort else f"devices/{tag}",
            element,
        )


def _counted(kind: str, values: Mapping[str, str]) -> dict[str, str]:
    """Without what does not count or goes without saying."""

    def at(path: str) -> str:
        return kind + path if not kind or path[:1] in ("@", "") else f"{kind}/{path}"

    return {
        path: value
        for path, value in values.items()
        if not ignored(at(path)) and not goes_without_saying(at(path), value)
    }


def _firmware(root: _Element) -> str:
    features = {str(row.get("name")): str(row.get("enabled")) for row in root.iterfind("os/firmware/feature")}
    secure = features.get("secure-boot", attribute(root, "os/loader", "secure"))
    if attribute(root, "os", "firmware") == "efi":
        return {"yes": "uefi-secure-boot", "no": "uefi"}.get(
            secure, "uefi, secure boot or not as libvirt chose"
        )
    code = text_of(root.find("os/loader"))
    if not code:
        return attribute(root, "os", "firmware") or "bios"
    rom = attribute(root, "os/loader", "type") == "rom"
    return f"{'rom' if rom else 'files'} {code}" + (", secure boot" if secure == "yes" else "")


def kibibytes(element: _Element | None) -> int | None:
    """A size of memory; None where it is none that can be read."""
    units = {"b": 1, "bytes": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
    units |= {word: 2 ** (10 * power) for power, short in enumerate("KMGT", 1) for word in (short, short.lower(), f"{short}iB")}  # fmt: skip
    text = (element.text or "").strip() if element is not None else ""
    if element is None or not re.fullmatch(r"[0-9]{1,18}", text):
        return None
    size = int(text) * units.get(str(element.get("unit", "KiB")), 0)
    return -(-size // 1024) or None


def _rest(root: _Element) -> Part:
    """Everything that is no device."""
    values = flat(root, leave_out=("devices", "metadata", "memory", "currentMemory", "maxMemory"))
    values = {path: value for path, value in values.items() if not path.startswith("qemu:override")}
    for child in root.iterfind("metadata/*"):
        values[f"metadata/{tag_of(child)}"] = ""
    for name in ("memory", "currentMemory", "maxMemory"):
        element = root.find(name)
        if element is not None:
            size = kibibytes(element)
            values[name] = f"{size} KiB" if size else f"{element.text} {element.get('unit', '')}"
    if values.get("currentMemory") == values.get("memory"):
        values.pop("currentMemory", None)
    for alias, properties in overrides(root).items():
        if alias not in taken_overrides(root):
            values |= {f"qemu:override[{alias}]@{name}": value for name, value in properties.items()}
    return Part("", "", "", {**_counted("", values), "firmware": _firmware(root)})


def _order(element: _Element) -> int:
    order = attribute(element, "boot", "order")
    return int(order) if re.fullmatch(r"[0-9]{1,6}", order) else 0


def normal_form(text: str) -> tuple[Part, ...]:
    """A domain as parts that can be held against those of another.

    :raise UnreadableError: when the text is no domain XML.
    """
    root = read_domain(text)
    parts = [_rest(root)]
    for path, kind, element in named_devices(root):
        tag = str(element.tag)
        values = nic_values(root, element) if tag == "interface" else flat(element)
        key = _KEYS[tag](element) if tag in _KEYS else ""
        counted = _counted(kind, _without_sort(element, values))
        if values.get("") and not counted:
            continue  # an emulator, say, that libvirt would choose anyway
        if not ignored(kind) and not is_absent(kind, said(element, "model", "action")):
            parts.append(Part(path, kind, key, counted, _order(element)))
    return tuple(parts)


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
