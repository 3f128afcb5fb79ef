"""TABLES: what does not count between two domains, and why the rest is not carried over.

A path is an element's, with `@` before an attribute; of a device, its kind follows its tag: `devices/controller pci`.
A pattern matches the path and all that is within.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_BY_LIBVIRT = "libvirt lays devices out and names them by itself"
_RUNNING = "of the running domain only"

IGNORED: tuple[tuple[str, str], ...] = (
    ("@id", _RUNNING),
    ("name", "is what the lab file calls the machine; a name that it cannot have is told apart"),
    ("uuid", "every machine has one of its own; its guest sees it in SMBIOS, which the lab file's head says"),
    ("metadata/rscvm:machine", "our own; what it says has been read"),
    ("seclabel|devices/.*/seclabel", "libvirt labels each domain by itself"),
    ("devices/[^/@]+/(address|alias)", _BY_LIBVIRT),
    ("devices/controller (pci|ide|sata|virtio-serial)", _BY_LIBVIRT),
    ("devices/disk [a-z]+/(source@index|backingStore|mirror)", _RUNNING),
    ("devices/disk [a-z]+/target@(dev|tray)", "names follow the order on the bus, which is kept"),
    ("devices/(disk [a-z]+|interface)/boot|os/boot", "compared as the boot order"),
    ("devices/interface@type", "compared as `source`, with what it is attached to"),
    ("devices/interface/driver/(host|guest)", "compared as `offloads`, as they come to with any override"),
    ("os@firmware|os/firmware|os/loader|os/nvram", "compared as `firmware`"),
    ("devices/input (mouse|keyboard) ps2", "every PC has them"),
    ("devices/console serial", "the serial port, said again"),
    ("devices/(serial|console [a-z]+|channel [^/@]*)/source", "libvirt chooses its path"),
    ("devices/console [a-z]+@tty|devices/channel [^/@]*/target@state", _RUNNING),
    ("devices/audio", "libvirt adds the host's end of the sound by itself"),
    ("devices/video/model@(ram|vram|vram64|vgamem|heads|primary)", "libvirt fills them in by the model"),
    ("cpu@(check|migratable)|cpu/model@fallback", "says what libvirt checks, not what the guest sees"),
)  # fmt: skip
"""Path, and why it does not count."""

DEFAULTS: tuple[tuple[str, frozenset[str]], ...] = tuple(
    (path, frozenset(values.split(" ")))
    for path, values in (
        ("devices/emulator", "/usr/bin/qemu-system-x86_64 /usr/bin/kvm /usr/bin/qemu-kvm /usr/libexec/qemu-kvm"),
        ("on_poweroff", "destroy"),
        ("on_reboot", "restart"),
        ("on_crash", "destroy"),
        ("vcpu@placement", "static"),
        ("clock@offset", "utc"),
        ("resource/partition", "/machine"),
        ("features/hyperv@mode", "custom"),
        ("devices/disk [a-z]+@(model|snapshot)", "virtio internal"),
        ("devices/disk [a-z]+/driver@name", "qemu"),
        ("devices/disk [a-z]+/driver@(cache|type)", "default raw"),
        ("devices/interface/link@state", "up"),
        ("devices/interface/driver@queues", "1"),
        ("devices/(serial|console [a-z]+)/target@(type|port)", "isa-serial serial 0"),
        ("devices/serial/target/model@name", "isa-serial"),
        ("devices/channel [^/@]*/target@type", "virtio"),
        ("devices/graphics [a-z]+@autoport", "yes"),
        ("devices/graphics [a-z]+@(port|tlsPort)", "-1"),
        ("devices/controller [a-z]+@index", "0"),
    )
)  # fmt: skip
"""Path, and the values that mean the same as saying nothing."""

_BY_GUEST = "follows from `guest:` in a lab file"

ABSENT: tuple[tuple[str, dict[str, str], str], ...] = (
    ("devices/controller usb", {"model": "none"}, "no USB at all"),
    ("devices/memballoon", {"model": "none"}, "no balloon"),
    (
        "devices/watchdog",
        {"model": "itco", "action": "reset"},
        "every q35 has it, and newer libvirts say so",
    ),
)
"""Devices that stand for none of their kind, or for what is there anyway: kind, attributes, and why."""

WHY: tuple[tuple[str, str], ...] = (
    ("title|description|metadata", "words about the domain, which a lab file has no place for"),
    ("boot", "a lab file's machine boots its disks in their order, then its CDs"),
    ("firmware", "`uefi` and `uefi-secure-boot` are libvirt's own choice of files for them"),
    ("cpu", "a lab file has no CPU model: with KVM a machine has the host's CPU, with TCG QEMU's `max`"),
    ("features/hyperv|clock|pm", _BY_GUEST),
    ("features/(smm|vmport)", "a lab file's machine has SMM with secure boot, and no VMware port on q35"),
    ("devices/(graphics [a-z]+|video|input tablet usb|controller usb)", f"{_BY_GUEST}: Windows has a VNC screen, Linux none"),
    ("devices/(serial|console [a-z]+|channel org.qemu.guest_agent.0)", "every machine has a serial port and the agent's channel"),
    ("devices/memballoon", "a lab file's machines have no balloon: their memory is theirs"),
    ("currentMemory|maxMemory", "a lab file has one size of memory"),
    ("vcpu", "a lab file has one number of vCPUs: those that are there now"),
    ("devices/interface/driver@tx_queue_size", "QEMU 8.1 and later start with none but 256 on a TAP, older ones cut it down to that"),
    ("devices/interface/source", "a lab file knows bridges, TAPs, macvtap and user"),
    ("devices/interface/target@dev", "a TAP's name must not begin with what libvirt renames, nor be there twice"),
    ("devices/interface/model@type", "a lab file knows virtio and e1000e"),
    ("devices/disk [a-z]+/driver@.*", "left to QEMU's default"),
    ("devices/disk [a-z]+/target@bus", "a lab file knows virtio and sata; the guest needs a driver for its new bus to boot"),
    ("devices/controller scsi", "a lab file's disks are on virtio or sata"),
    ("devices/tpm", "a lab file knows an emulated TPM 2.0 as tpm-crb"),
    ("qemu:override", "an override of what a lab file has no word for"),
    ("@type", "a lab file knows KVM and TCG"),
    ("os/type", "a lab file's machines are x86_64 PCs"),
)  # fmt: skip
"""Path, and why it cannot be carried over; the first that matches."""

_ANYTHING_ELSE = "a lab file has no word for it"
_ALWAYS = "every machine of a lab file has it"


_IGNORED = re.compile("|".join(f"(?:{pattern})(?:[/@]|$)" for pattern, _ in IGNORED))
_TRITE = frozenset(value for _, values in DEFAULTS for value in values)


def _bare(path: str) -> str:
    """A path without what tells elements of one tag apart."""
    return re.sub(r"\[[^\]/@]*\]", "", path)


def ignored(path: str) -> bool:
    """Whether what stands at a path does not count."""
    return _IGNORED.match(_bare(path)) is not None


def goes_without_saying(path: str, value: str) -> bool:
    """Whether a value is what is meant where nothing is said."""
    return value in _TRITE and any(
        value in values and re.fullmatch(pattern, _bare(path)) for pattern, values in DEFAULTS
    )


def is_absent(kind: str, attributes: Mapping[str, str]) -> bool:
    """Whether a device stands for none, or for what is there anyway."""
    return any((kind, attributes) == (other, values) for other, values, _ in ABSENT)


def why(path: str, *, added: bool = False) -> str:
    """Why what stands at a path is otherwise in a lab file's machine, or is there at all."""
    otherwise = _ALWAYS if added else _ANYTHING_ELSE
    bare = _bare(path)
    matches = (reason for pattern, reason in WHY if re.match(rf"(?:{pattern})(?:[/@]|$)", bare))
    return next(matches, otherwise)
