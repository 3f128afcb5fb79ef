"""A domain in normal form: parts without what does not count, that can be held against those of another. Pure."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from provision.facts.domain_interface import nic_values
from provision.facts.domain_tolerated import goes_without_saying, ignored, is_absent
from provision.facts.domain_tree import attribute, flat, read_domain, said, tag_of, text_of
from provision.facts.overrides import overrides, taken_overrides

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lxml.etree import _Element


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
            values |= {f"qemu:override[{alias}]@{name}": found.value for name, found in properties.items()}
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
