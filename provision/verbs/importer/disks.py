"""A domain's disks and CDs as keys of a lab file. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.facts.domain_normal import named_devices
from provision.facts.domain_tree import attribute
from provision.lab import spec
from provision.verbs.importer.keys import Keys, path_refusal, refusal

if TYPE_CHECKING:
    from lxml.etree import _Element

_LEFT_OUT = "it is left out"


_SOURCES = {"file": ("image", "file"), "block": ("block", "dev")}
"""A lab file's key, and the attribute of `<source>`, by the disk's type."""
_KEPT = ("readonly", "transient")
_UNLIKE = {
    "encryption": "encrypted disks",
    "source/encryption": "encrypted disks",
    "source/slices": "disks that are a part of a file",
}
"""Without what stands there its guest would find other bytes, and no partitions."""
_BUSES = ("virtio", "sata", "scsi")


def _why_not(element: _Element) -> str:
    """Why a lab file cannot have this disk; empty where it can."""
    key, source = _SOURCES.get(str(element.get("type", "")), ("", ""))
    path = attribute(element, "source", source) if source else ""
    if not path:
        return (
            f"a lab file's disks are files and block devices, and this is of type {element.get('type', '')}"
        )
    if reason := path_refusal(spec.Disk, **{key: path}):
        return reason
    for within, words in _UNLIKE.items():
        if element.find(within) is not None:
            return f"a lab file has no {words}"
    if element.find("shareable") is not None:
        return "a lab file has no disks that several machines write to"
    if key == "block" and any(element.find(tag) is not None for tag in _KEPT):
        return "a lab file's machine writes to its block devices"
    form = attribute(element, "driver", "type") or "raw"
    return f"a lab file has no disks of format {form}" if refusal(spec.Disk, format=form) else ""


def _disk(path: str, element: _Element) -> Keys:
    """One disk; without keys where a lab file cannot have it."""
    if reason := _why_not(element):
        return Keys(reasons={path: f"{reason}: {_LEFT_OUT}"})
    key, source = _SOURCES[str(element.get("type"))]
    at, form = attribute(element, "source", source), attribute(element, "driver", "type") or "raw"
    keys: dict[str, object] = {key: at}
    comments: dict[str, str] = {}
    reasons: dict[str, str] = {}
    if kept := next((tag for tag in _KEPT if element.find(tag) is not None), ""):
        comments[key] = f"was {kept}: an overlay takes the writes, and the image stays as it is"
        reasons |= {f"{path}/{end}": comments[key] for end in (kept, "source@file")}
    elif key == "image":
        keys["overlay"] = False
    bus = attribute(element, "target", "bus") or "virtio"
    if bus != "virtio":
        keys["bus"] = bus if bus in _BUSES else "sata"
    if bus not in _BUSES:
        comments["bus"] = f"was {bus}, which a lab file does not know"
    if form != spec.Disk(**{key: at}).effective_format:
        keys["format"] = form
    return Keys(keys, comments, reasons)


def imported_disks(root: _Element) -> list[Keys]:
    """Every disk of a domain; of those that cannot be had only the reason."""
    found = [(path, kind, element) for path, kind, element in named_devices(root) if element.tag == "disk"]
    said = [_disk(path, element) for path, kind, element in found if kind == "devices/disk disk"]
    odd = [path for path, kind, _ in found if kind not in ("devices/disk disk", "devices/disk cdrom")]
    return [*said, *(Keys(reasons={path: f"a lab file has disks and CDs only: {_LEFT_OUT}"}) for path in odd)]


def imported_cdroms(root: _Element) -> tuple[list[str], dict[str, str]]:
    """The images in a domain's CD drives, and why others are left out."""
    images: list[str] = []
    reasons: dict[str, str] = {}
    for path, kind, element in named_devices(root):
        if kind != "devices/disk cdrom":
            continue
        image = attribute(element, "source", "file") if element.get("type") == "file" else ""
        form = attribute(element, "driver", "type") or "raw"
        reason = (
            path_refusal(spec.Disk, image=image)
            if image
            else "a lab file has no drives without a CD in a file"
        )
        reason = reason or (f"it is {form}, and a lab file's CDs are raw" if form != "raw" else "")
        if reason:
            reasons[path] = f"{reason}: {_LEFT_OUT}"
        else:
            images.append(image)
    return images, reasons
