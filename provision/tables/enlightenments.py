"""TABLE: one row per Hyper-V enlightenment: how each backend says it, and what it needs.

Needs among them are QEMU's (target/i386/kvm/kvm.c, `kvm_hyperv_properties` and hyperv_init_vcpu()) and its advice
(docs/system/i386/hyperv.rst); docs/windows-machine.md has who else uses which, and since when each is known.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Enlightenment:
    """One Hyper-V enlightenment, by libvirt's name for it."""

    name: str
    flag: str
    """QEMU's CPU flag, with its value where it has one."""
    element: str = ""
    """libvirt's element, where it is not called as the row."""
    within: str = ""
    """The row whose element this one's stands in."""
    timer: str = ""
    """libvirt's timer, where it is none of the features."""
    attributes: tuple[tuple[str, str], ...] = ()
    needs: tuple[str, ...] = ()
    """Others; they stand above."""
    intel_needs: tuple[str, ...] = ()
    """Others that it needs on Intel alone; they stand above."""
    host: str = ""
    """What it needs of the host, of those in host/plan/enlightenments.py."""
    nested: bool = False
    """Whether it is of use only to a guest that is a hypervisor itself, and costs others something."""
    everywhere: bool = False
    """Whether the KVM of every supported kernel has it."""
    named: bool = True
    """Whether every libvirt that knows it can name it; else QEMU's own word is enough."""
    retired: bool = False
    """Whether only machines of an earlier version have it."""
    intel: bool = False
    """Whether it is Intel's alone."""

    def all_needs(self, *, intel: bool) -> set[str]:
        """The others that it needs on such a host."""
        return {*self.needs, *(self.intel_needs if intel else ())}

    def suits(self, *, nested: bool, intel: bool) -> bool:
        """Whether it is meant for such a machine on such a host."""
        return (nested or not self.nested) and (intel or not self.intel)

    @property
    def tag(self) -> str:
        """The element in libvirt's XML; empty where it is a timer."""
        return "" if self.timer else self.element or self.name

    @property
    def property(self) -> str:
        """The flag's name, without its value."""
        return self.flag.partition("=")[0]


ENLIGHTENMENTS = (
    Enlightenment("time", "hv-time", timer="hypervclock", everywhere=True),
    Enlightenment("relaxed", "hv-relaxed", everywhere=True),
    Enlightenment("vapic", "hv-vapic", everywhere=True),
    Enlightenment("spinlocks", "hv-spinlocks=0x1fff", attributes=(("retries", "8191"),), everywhere=True),
    Enlightenment("vpindex", "hv-vpindex", everywhere=True),
    Enlightenment("runtime", "hv-runtime", everywhere=True),
    Enlightenment("synic", "hv-synic", needs=("vpindex",), everywhere=True),
    Enlightenment("stimer", "hv-stimer", needs=("vpindex", "synic", "time"), everywhere=True),
    # libvirt knows it since 5.7, and names it since 11.9.
    Enlightenment(
        "stimer_direct",
        "hv-stimer-direct",
        "direct",
        within="stimer",
        needs=("stimer",),
        everywhere=True,
        named=False,
    ),
    # "modern Hyper-V does not have it" (QEMU's advice), and Windows does not use it.
    Enlightenment("reset", "hv-reset", retired=True),
    Enlightenment("frequencies", "hv-frequencies", everywhere=True),
    # Once its guest uses it QEMU refuses a migration that was given no TSC frequency (target/i386/machine.c).
    Enlightenment("reenlightenment", "hv-reenlightenment", host="tsc"),
    Enlightenment("tlbflush", "hv-tlbflush", needs=("vpindex",), everywhere=True),
    Enlightenment("tlbflush_extended", "hv-tlbflush-ext", "extended", within="tlbflush", needs=("tlbflush",)),
    Enlightenment("ipi", "hv-ipi", needs=("vpindex",), everywhere=True),
    # KVM names it on any hardware, and means that its user asks about APICv (kvm_get_hv_cpuid(), hyperv.c).
    Enlightenment("avic", "hv-avic", needs=("synic",), host="apicv"),
    Enlightenment("xmm_input", "hv-xmm-input"),
    Enlightenment("evmcs", "hv-evmcs", needs=("vapic",), host="nested", nested=True, intel=True),
    Enlightenment("emsr_bitmap", "hv-emsr-bitmap", intel_needs=("evmcs",), host="nested", nested=True),
    Enlightenment(
        "tlbflush_direct",
        "hv-tlbflush-direct",
        "direct",
        within="tlbflush",
        needs=("vapic", "tlbflush"),
        intel_needs=("evmcs",),
        host="nested",
        nested=True,
    ),
)  # fmt: skip
"""Each below what it needs; in this order they are said."""

BY_NAME = {row.name: row for row in ENLIGHTENMENTS}

ASSUMED = frozenset(row.name for row in ENLIGHTENMENTS if row.everywhere)
"""Those of a host that nobody has asked."""

ASSUMED_BY_0_1 = ASSUMED | {"reset", "reenlightenment"}
"""Those that 0.1 has given every machine."""


def chosen(can: frozenset[str], *, nested: bool, intel: bool) -> tuple[Enlightenment, ...]:
    """Those that a machine gets of what its host can: each with all that it needs, in the table's order."""
    rows: list[Enlightenment] = []
    have: set[str] = set()
    for row in ENLIGHTENMENTS:
        if row.name in can and row.all_needs(intel=intel) <= have and row.suits(nested=nested, intel=intel):
            rows.append(row)
            have.add(row.name)
    return tuple(rows)
