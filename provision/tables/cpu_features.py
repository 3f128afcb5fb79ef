"""TABLE: one row per processor feature that a machine asks for outright, as CPU models leave it out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CpuFeature:
    """One feature, by the name that libvirt and QEMU give it."""

    name: str
    module: str
    """The KVM that has it to hand on."""
    nests: bool
    """Whether it is for a hypervisor in the guest (and the module's `nested`); else for threads of one core."""


CPU_FEATURES = (
    CpuFeature("vmx", "kvm_intel", nests=True),
    CpuFeature("svm", "kvm_amd", nests=True),
    # Without it QEMU warns, and the guest takes each thread for a core (target/i386/cpu.c, x86_cpu_realizefn()).
    CpuFeature("topoext", "kvm_amd", nests=False),
)


def wanted_features(*, nested: bool, threads: int) -> frozenset[str]:
    """Those that such a machine asks for where its host has them."""
    return frozenset(row.name for row in CPU_FEATURES if (nested if row.nests else threads > 1))
