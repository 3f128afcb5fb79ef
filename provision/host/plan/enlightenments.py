"""Decides which Hyper-V enlightenments a machine can have on a host, and says why it lacks others. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.facts.hyperv import Named, apicv_parameter
from provision.tables.enlightenments import ASSUMED, ENLIGHTENMENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from provision.facts.hyperv import KvmModule
    from provision.host.state import HostState
    from provision.lab.spec import Machine
    from provision.render.view import MachineView

_NO_MODULE = "neither kvm_intel nor kvm_amd is loaded"


def _no_apicv(_: Named, module: KvmModule | None) -> str:
    if module is None:
        return _NO_MODULE
    return "" if module.apicv else f"{module.name}'s {apicv_parameter(module)} is off"


def _no_nesting(_: Named, module: KvmModule | None) -> str:
    if module is None:
        return _NO_MODULE
    return "" if module.nested else f"{module.name}'s nested is off"


def _no_tsc(named: Named, _: KvmModule | None) -> str:
    return "" if named.tsc else "nobody tells the TSC's frequency"


_NEEDS: Mapping[str, Callable[[Named, KvmModule | None], str]] = {
    "apicv": _no_apicv,
    "nested": _no_nesting,
    "tsc": _no_tsc,
}
"""Why a host does not have what a row needs of it; empty where it has."""

_UNNAMED = {"libvirt": "libvirt does not name it", "qemu": "QEMU with this KVM does not have it"}


def _lacking(machine: Machine, named: Named, module: KvmModule | None, *, nested: bool) -> dict[str, str]:
    """Why a machine goes without what it would use, by name; what the rest of it has, is to be had."""
    names = ASSUMED if named.names is None else named.names
    intel, reasons = module is None or module.name == "kvm_intel", dict[str, str]()
    for row in ENLIGHTENMENTS:
        if not row.suits(nested=nested, intel=intel) or row.retired:
            continue
        unnamed = "" if row.name in names else _UNNAMED[machine.backend]
        missing = sorted(row.all_needs(intel=intel) & reasons.keys())
        host = _NEEDS[row.host](named, module) if row.host else ""
        if reason := unnamed or host or (f"it needs {', '.join(missing)}" if missing else ""):
            reasons[row.name] = reason
    return reasons


def usable(machine: Machine, named: Named, module: KvmModule | None) -> frozenset[str] | None:
    """The enlightenments that a machine can have, be it nested or not; None where nobody was asked, and what any KVM has is assumed."""
    if named.trouble:
        return frozenset()
    if named.names is None:
        return None
    suited = {row.name for row in ENLIGHTENMENTS if not row.retired}
    return frozenset(named.names & suited - _lacking(machine, named, module, nested=True).keys())


def enlightenment_notes(view: MachineView, state: HostState) -> Iterator[str]:
    """What a host lacks of that which a machine would use there, each with the reason."""
    name, machine, module = view.name, view.spec, state.capabilities.module
    if not view.choices.kvm:
        if machine.nested:
            yield f"{name}: nested, and its guest cannot be a hypervisor: it runs without KVM"
        return
    if machine.nested and (why := _no_nesting(Named(), module)):
        yield f"{name}: nested, and its guest cannot be a hypervisor: {why}"
    if not view.guest.hyperv or name not in state.capabilities.hyperv:
        return
    named = state.capabilities.hyperv[name]
    if named.trouble:
        yield f"{name}: no Hyper-V enlightenments: {named.trouble}"
    elif named.names is None:
        yield f"{name}: libvirt does not tell what of Hyper-V its QEMU has: taken for what every KVM has"
    elif not named.names:
        yield f"{name}: no Hyper-V enlightenments: this host's KVM has none, or its QEMU cannot tell (before 6.1)"
    else:
        by_reason: dict[str, list[str]] = {}
        for row, reason in _lacking(machine, named, module, nested=machine.nested).items():
            by_reason.setdefault(reason, []).append(row)
        if by_reason:
            told = "; ".join(f"{', '.join(rows)} ({reason})" for reason, rows in by_reason.items())
            yield f"{name}: of Hyper-V it goes without {told}"
