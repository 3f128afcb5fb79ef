"""A domain as a machine of a lab file: all but its disks and NICs. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from provision.facts.domain_normal import kibibytes
from provision.facts.domain_processor import parse_processor
from provision.facts.domain_tree import attribute, text_of
from provision.lab import spec
from provision.tables.cpu_features import wanted_features
from provision.verbs.importer.keys import Keys, key_or_reason, path_refusal, refusal

if TYPE_CHECKING:
    from lxml.etree import _Element

_OURS = "metadata/{urn:rscvm:domain:1}machine"
_OSINFO = "metadata/{http://libosinfo.org/xmlns/libvirt/domain/1.0}libosinfo/{http://libosinfo.org/xmlns/libvirt/domain/1.0}os"
_LARGEST = 65535 << 20
"""KiB."""


def lab_name(name: str, otherwise: str) -> str:
    """The name in the form that a lab file takes."""
    taken = (
        name
        if re.fullmatch(r"[A-Za-z0-9._-]+", name)
        else re.sub(r"[^A-Za-z0-9._-]+", "-", name[:200]).strip("-")
    )
    return re.sub(r"^[^A-Za-z0-9]+", "", taken)[:63] or otherwise


def sized(size: int) -> str:
    """KiB as a lab file says them, in the largest unit that divides them."""
    for unit, factor in (("GiB", 1 << 20), ("MiB", 1 << 10)):
        if size % factor == 0:
            return f"{size // factor}{unit}"
    return f"{size}KiB"


def _guest(root: _Element) -> Keys:
    """Whose guest it is: ours know, of others it is a guess."""
    ours, info = attribute(root, _OURS, "guest"), attribute(root, _OSINFO, "id")
    if ours in ("windows", "linux"):
        return Keys({"guest": ours})
    if info:
        found = "windows" if "microsoft.com" in info else "linux"
        return Keys({"guest": found}, {"guest": f"a guess: libosinfo's note on it says {info}"})
    for what, there in (
        ("it has Hyper-V enlightenments", root.find("features/hyperv") is not None),
        ("its clock is in local time", attribute(root, "clock", "offset") == "localtime"),
    ):
        if there:
            return Keys({"guest": "windows"}, {"guest": f"a guess: {what}"})
    return Keys({"guest": "linux"}, {"guest": "a guess: nothing speaks for Windows"})


def _purpose(root: _Element, *, hck: bool) -> Keys:
    """For HCK where a NIC is, or where our own note says so."""
    return Keys({"purpose": "hck"}) if hck or attribute(root, _OURS, "purpose") == "hck" else Keys()


def _size(root: _Element) -> Keys:
    size, now = kibibytes(root.find("memory")) or 1024, kibibytes(root.find("currentMemory"))
    comments = {"memory": f"of which its balloon leaves it {sized(now)}"} if now and now != size else {}
    text = attribute(root, "vcpu", "current") or root.findtext("vcpu", "").strip()
    vcpus = min(max(int(text), 1), 255) if re.fullmatch(r"[0-9]{1,9}", text) else 1
    keys = {"memory": sized(min(max(size, 1024), _LARGEST)), "vcpus": vcpus}
    return Keys({key: value for key, value in keys.items() if value != 2}, comments) | _cpu(root, vcpus)


def _cpu(root: _Element, vcpus: int) -> Keys:
    """How its processors are laid out, where it says so and a lab file's machine would have them otherwise."""
    said = root.find("cpu/topology")
    if said is None:
        return Keys()
    sockets, dies, clusters, cores, threads = (
        int(text) if re.fullmatch(r"[0-9]{1,4}", text := str(said.get(name, "1"))) else 0
        for name in ("sockets", "dies", "clusters", "cores", "threads")
    )
    if (sockets, cores, threads) == (1, vcpus, 1):
        return Keys()
    if dies != 1 or clusters != 1:
        return Keys(
            reasons={"cpu/topology": "a lab file has sockets, cores and threads, and no dies or clusters"}
        )
    if sockets * cores * threads != vcpus:
        count = sockets * cores * threads
        reason = (
            f"the topology is for {count} vCPUs and the machine starts with {vcpus}; a lab file cannot add vCPUs later"
            if count
            else "its numbers cannot be read"
        )
        return Keys(reasons={"cpu/topology": reason})
    cpu = {"sockets": sockets, "cores": cores, "threads": threads}
    return key_or_reason(spec.Machine, "cpu", cpu, "cpu/topology")


def _accel(root: _Element) -> Keys:
    accel = {"kvm": "kvm", "qemu": "tcg"}.get(str(root.get("type")))
    return Keys({"accel": accel}) if accel else Keys()


def _type(root: _Element) -> Keys:
    name = attribute(root, "os/type", "machine") or "pc"
    return Keys() if name == "q35" else key_or_reason(spec.Machine, "machine", name, "os/type@machine")


def _kernel(root: _Element) -> Keys:
    """The kernel that QEMU loads itself, with as much of its initrd and command line as can be said."""
    image = text_of(root.find("os/kernel"))
    if not image:
        return Keys()
    if reason := path_refusal(spec.Kernel, image=image):
        return Keys(reasons={"os/kernel": reason})
    keys, reasons = {"image": image}, {}
    for key, check in (("initrd", path_refusal), ("cmdline", refusal)):
        value = text_of(root.find(f"os/{key}"))
        reason = refusal(spec.Kernel, image=image, **{key: value}) or (
            check(spec.Kernel, image=value) if value else ""
        )
        if value and not reason:
            keys[key] = value
        elif value:
            reasons[f"os/{key}"] = reason
    return Keys({"kernel": keys}, reasons=reasons)


def _named_firmware(root: _Element, live: _Element | None, *, q35: bool) -> Keys:
    """`<os firmware="efi">`, where libvirt chooses the files; what it chose shows while the domain runs."""
    features = {str(row.get("name")): row.get("enabled") for row in root.iterfind("os/firmware/feature")}
    chosen = attribute(live, "os/loader", "secure") if live is not None else ""
    secure = features.get("secure-boot") or attribute(root, "os/loader", "secure") or chosen
    reason = "the definition leaves secure boot to libvirt, and this is what it chose for the running domain"
    reasons = {"firmware": reason} if chosen and secure is chosen else {}
    if secure == "yes" and q35:
        return Keys({"firmware": "uefi-secure-boot"}, {}, reasons)
    if not secure:
        reason = (
            "the definition leaves secure boot to libvirt, which shows what it chose while the domain runs"
        )
        return Keys({"firmware": "uefi"}, {"firmware": reason}, {"firmware": reason})
    return Keys({"firmware": "uefi"}, {}, reasons)


def _firmware_files(root: _Element, *, q35: bool) -> Keys:
    """Firmware by its files; the machine gets a copy of its variables' template, or of the variables themselves."""
    code, nvram = text_of(root.find("os/loader")), root.find("os/nvram")
    if attribute(root, "os/loader", "secure") == "yes" and q35:
        reason = "a lab file has secure boot with files of libvirt's own choice; was " + code
        return Keys({"firmware": "uefi-secure-boot"}, {"firmware": reason}, {"firmware": reason})
    template = attribute(root, "os/nvram", "template")
    own = text_of(nvram) or attribute(root, "os/nvram/source", "file")
    said = template or own
    reason = (
        path_refusal(spec.FirmwareFiles, code=code, vars=said)
        if said
        else "nothing says where its variables begin"
    )
    if reason or attribute(root, "os/loader", "type") == "rom":
        uefi = bool(re.search(r"ovmf|efi|edk2", code, re.IGNORECASE))
        reason = reason or "a lab file has flash only, no ROM"
        return Keys({"firmware": "uefi" if uefi else "bios"}, {"firmware": reason}, {"firmware": reason})
    kept = f"a copy of vars is made; the domain's own are in {own}" if template and own else "a copy is made of vars, which are the domain's own"  # fmt: skip
    return Keys({"firmware": {"code": code, "vars": said}}, {"firmware": kept})


def _firmware(root: _Element, live: _Element | None) -> Keys:
    """Its firmware, where it is another than what a lab file's machine has by default."""
    q35 = "q35" in attribute(root, "os/type", "machine")
    if attribute(root, "os", "firmware") == "efi":
        said = _named_firmware(root, live, q35=q35)
    elif text_of(root.find("os/loader")):
        said = _firmware_files(root, q35=q35)
    else:
        said = Keys({"firmware": "bios"})
    default = "bios" if text_of(root.find("os/kernel")) else "uefi"
    return Keys({}, {}, said.reasons) if said.keys["firmware"] == default and not said.comments else said


def _tpm(root: _Element) -> Keys:
    return Keys({"tpm": True}) if root.find("devices/tpm/backend[@type='emulator']") is not None else Keys()


def _nested(root: _Element) -> Keys:
    """Whether it means its guest to be a hypervisor; one of our own says so, also where its host could not be asked."""
    ours = attribute(root, _OURS, "nested") == "true"
    processor = parse_processor(root)
    nests = processor.features & wanted_features(nested=True, threads=1)
    return Keys({"nested": True}) if ours or nests or "evmcs" in processor.enlightenments else Keys()


def imported_machine(root: _Element, live: _Element | None, *, hck: bool) -> Keys:
    """A domain's machine without its disks and NICs, in the order of a lab file's keys."""
    parts = (_purpose(root, hck=hck), _guest(root), _size(root), _accel(root), _type(root), _firmware(root, live), _tpm(root), _nested(root), _kernel(root))  # fmt: skip
    said = Keys()
    for part in parts:
        said |= part
    return said
