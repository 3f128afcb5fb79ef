"""TABLES: what does not count between two domains that are the same machine.

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
        ("cpu/topology@(dies|clusters)", "1"),
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

_IGNORED = re.compile("|".join(f"(?:{pattern})(?:[/@]|$)" for pattern, _ in IGNORED))
_TRITE = frozenset(value for _, values in DEFAULTS for value in values)


def bare(path: str) -> str:
    """A path without what tells elements of one tag apart."""
    return re.sub(r"\[[^\]/@]*\]", "", path)


def ignored(path: str) -> bool:
    """Whether what stands at a path does not count."""
    return _IGNORED.match(bare(path)) is not None


def goes_without_saying(path: str, value: str) -> bool:
    """Whether a value is what is meant where nothing is said."""
    return value in _TRITE and any(
        value in values and re.fullmatch(pattern, bare(path)) for pattern, values in DEFAULTS
    )


def is_absent(kind: str, attributes: Mapping[str, str]) -> bool:
    """Whether a device stands for none, or for what is there anyway."""
    return any((kind, attributes) == (other, values) for other, values, _ in ABSENT)
