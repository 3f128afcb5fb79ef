"""Parses who tells which Hyper-V enlightenments a host has: libvirt's domain capabilities, and QEMU by QMP."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from provision.runtime.errors import UnreadableError, reading
from provision.runtime.untrusted import read_json, read_xml
from provision.tables.cpu_features import CPU_FEATURES
from provision.tables.enlightenments import BY_NAME, ENLIGHTENMENTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxml.etree import _Element

EXPANSION = "expansion"
"""The `id` of the command whose answer is read."""
_NO_SPINLOCKS = 0xFFFFFFFF
"""What QEMU says of hv-spinlocks where it is not set: never notify."""


@dataclass(frozen=True, slots=True)
class Named:
    """The enlightenments that somebody names; None where he was not asked, or did not ask QEMU."""

    names: frozenset[str] | None = None
    tsc: int | None = None
    """The frequency of the host's TSC in Hz, where he tells it."""
    trouble: str = ""
    """Why he could not be asked; then there are none."""


def parse_cpu_expansion(text: str) -> frozenset[str]:
    """What QEMU says of `hv-passthrough`, out of all that it has said on a monitor; empty where KVM has no Hyper-V.

    :raise UnreadableError: when the answer to the one question is not in it, or is an error.
    """
    with reading("QEMU's answer about Hyper-V", text):
        answers = map(read_json, filter(None, text.splitlines()))
        [answer] = [each for each in answers if isinstance(each, dict) and each.get("id") == EXPANSION]
        props = answer["return"]["model"]["props"]
        names = {row.name for row in ENLIGHTENMENTS if _is_on(props.get(row.property))}
    return _if_any(names)


def _is_on(value: object) -> bool:
    return value is True or (type(value) is int and 0 < value < _NO_SPINLOCKS)


def parse_domain_capabilities(text: str) -> frozenset[str] | None:
    """What libvirt names, by its names; None where it did not ask its QEMU (before 6.1), empty where KVM has no Hyper-V.

    :raise UnreadableError: when it is no XML of domain capabilities.
    """
    root = _root(text, "domainCapabilities", "libvirt's domain capabilities")
    hyperv = root.find("features/hyperv")
    # The reference clock libvirt does not name; a KVM that has `relaxed` has it (kvm_get_hv_cpuid(), arch/x86/kvm/hyperv.c).
    return None if hyperv is None else _if_any({"time", *_named(hyperv)})


def _named(hyperv: _Element) -> Iterator[str]:
    """The values of its list, and the switches that stand on among its defaults (`stimer_direct`, since 11.9)."""
    yield from (str(value.text) for value in hyperv.iterfind("enum[@name='features']/value"))
    yield from (str(each.tag) for each in hyperv.iterfind("defaults/*") if each.text == "on")


def _if_any(names: set[str]) -> frozenset[str]:
    """The names that the table has, or none without `relaxed`: of no Hyper-V what QEMU has by default is named, too."""
    return frozenset(names & BY_NAME.keys()) if "relaxed" in names else frozenset()


def parse_tsc_frequency(text: str) -> int | None:
    """The host's TSC frequency in Hz, out of libvirt's capabilities; None where they do not tell.

    :raise UnreadableError: when it is no XML of capabilities.
    """
    counter = _root(text, "capabilities", "libvirt's capabilities").find("host/cpu/counter[@name='tsc']")
    words = str(counter.get("frequency", "")) if counter is not None else ""
    return int(words) if re.fullmatch("[1-9][0-9]{0,11}", words) else None


def _root(text: str, tag: str, what: str) -> _Element:
    try:
        root = read_xml(text)
    except ValueError as error:
        raise UnreadableError(what, text) from error
    if root.tag != tag:
        raise UnreadableError(what, text)
    return root


@dataclass(frozen=True, slots=True)
class KvmModule:
    """The processor's KVM as it was loaded."""

    name: str
    """kvm_intel or kvm_amd."""
    nested: bool
    """Whether a guest can be a hypervisor itself."""
    apicv: bool
    """Whether interrupts reach the guest without an exit: Intel's APICv, or AVIC."""

    @property
    def features(self) -> frozenset[str]:
        """The processor's features that it has to hand on, of those that a machine asks for outright."""
        rows = (row for row in CPU_FEATURES if row.module == self.name)
        return frozenset(row.name for row in rows if self.nested or not row.nests)


_PARAMETERS = {"kvm_intel": ("nested", "enable_apicv"), "kvm_amd": ("nested", "avic")}
MODULE_FILES = tuple(
    f"/sys/module/{module}/parameters/{name}" for module, names in _PARAMETERS.items() for name in names
)


def apicv_parameter(module: KvmModule) -> str:
    """The parameter that is its `apicv`."""
    return _PARAMETERS[module.name][1]


def parse_kvm_module(text: str) -> KvmModule | None:
    """The module out of lines `PATH:VALUE` of its parameters, or None where neither is loaded."""
    values = dict(line.rsplit(":", 1) for line in text.splitlines() if ":" in line)
    for module, names in _PARAMETERS.items():
        nested, apicv = (values.get(f"/sys/module/{module}/parameters/{name}", "") for name in names)
        if nested:
            return KvmModule(module, nested in _ON, apicv in _ON)
    return None


_ON = ("Y", "1")
"""As the kernel prints a bool, and the int that older ones have of `nested`."""
