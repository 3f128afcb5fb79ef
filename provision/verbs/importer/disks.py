"""A domain's disks and CDs as keys of a lab file. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.facts.domain_normal import named_devices
from provision.facts.domain_tree import attribute
from provision.lab import spec
from provision.verbs.importer.keys import Keys, path_refusal

if TYPE_CHECKING:
    from lxml.etree import _Element

_LEFT_OUT = "it is left out"


def _disk(path: str, element: _Element) -> Keys:
    """One disk; without keys where a lab file cannot have it."""
    kind, image = str(element.get("type", "")), attribute(element, "source", "file")
    if kind != "file" or not image:
        return Keys(reasons={path: f"a lab file's disks are files, and this is of type {kind}: {_LEFT_OUT}"})
    if reason := path_refusal(spec.Disk, image=image):
        return Keys(reasons={path: f"{reason}: {_LEFT_OUT}"})
    form = attribute(element, "driver", "type") or "raw"
    if (taken := spec.Disk(image=image).form) != form:
        reason = f"it is {form}, and a lab file takes it for {taken} by its name: {_LEFT_OUT}; name it .{form} and add it"
        return Keys(reasons={path: reason})
    if element.find("shareable") is not None:
        return Keys(reasons={path: f"a lab file has no disks that several machines write to: {_LEFT_OUT}"})
    keys: dict[str, object] = {"image": image, "overlay": False}
    comments: dict[str, str] = {}
    reasons: dict[str, str] = {}
    if kept := next((tag for tag in ("readonly", "transient") if element.find(tag) is not None), ""):
        comments["image"] = f"was {kept}: an overlay takes the writes, and the image stays as it is"
        reasons |= {f"{path}/{end}": comments["image"] for end in (kept, "source@file")}
        del keys["overlay"]
    bus = attribute(element, "target", "bus")
    if bus not in ("", "virtio"):
        keys["bus"] = "sata"
    if bus not in ("sata", "virtio", ""):
        comments["bus"] = f"was {bus}, which a lab file does not know"
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
