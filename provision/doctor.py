"""Can this host carry RSC-ready VMs? What is there, what is missing, and the fix for each miss."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from provision.errors import HostError
from provision.lifecycle import Site, lacks
from provision.offloads import HCK, OFFLOADS
from provision.paths import LabPaths
from provision.render import PROGRAM
from provision.spec import Lab
from provision.survey import read_accelerators, read_features, read_host, read_qemus

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from provision.command import Edges
    from provision.facts.host import Accelerators, HostFound, QemuFound

_OLDEST_QEMU = (7, 2)
_OVERRIDES_SINCE = (8, 2)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    name: str
    state: Literal["good", "miss", "note"]
    """A note is worth knowing and no miss."""
    seen: str
    fix: str = ""


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2])


def _finding(name: str, trouble: str, good: str, fix: str) -> Finding:
    return Finding(name, "miss", trouble, fix) if trouble else Finding(name, "good", good)


def _tools(found: HostFound) -> Iterator[Finding]:
    yield _finding("tap", found.tun, "/dev/net/tun opens, and we may make TAPs", "run as root; modprobe tun")
    vhost = "" if found.vhost else "/dev/vhost-net cannot be opened: QEMU itself would carry every packet"
    yield _finding("vhost-net", vhost, "/dev/vhost-net opens", "modprobe vhost_net, as root")
    for program, package in (("ip", "iproute2"), ("ethtool", "ethtool"), ("qemu-img", "qemu-utils")):
        trouble = "" if program in found.programs else "not installed"
        yield _finding(program, trouble, "installed", f"apt install {package}")


def _accelerator(found: Accelerators) -> Iterator[Finding]:
    if isinstance(found.tcg, str):
        yield Finding("tcg", "miss", found.tcg, f"reinstall QEMU: {PROGRAM} cannot run a boot sector")
    else:
        yield Finding("tcg", "good", f"runs the boot sector in {found.tcg} ms")
    if found.kvm_is_of_use:
        yield Finding("kvm", "good", f"runs the boot sector in {found.kvm} ms")
    elif isinstance(found.kvm, int):
        seen = f"works, and is slower than TCG: {found.kvm} ms against {found.tcg} ms"
        yield Finding("kvm", "miss", seen, "nested without hardware help? `accel: auto` takes TCG here")
    elif found.kvm.startswith("it did not run"):
        seen = f"opens, and {found.kvm.removeprefix('it ')} (TCG: {found.tcg} ms)"
        yield Finding("kvm", "miss", seen, "nested without hardware help? `accel: auto` takes TCG here")
    else:
        fix = "switch virtualization on in the firmware, modprobe kvm_intel or kvm_amd; `accel: auto` takes TCG here"
        yield Finding("kvm", "miss", found.kvm, fix)


def _qemu(qemu: QemuFound) -> Iterator[Finding]:
    if not qemu.version:
        yield Finding("qemu", "miss", f"{qemu.program} is not installed", "apt install qemu-system-x86")
        return
    old = "" if _release(qemu.version) >= _OLDEST_QEMU else f"{qemu.version} has no x-query-virtio-status"
    yield _finding("qemu", old, f"{qemu.program} {qemu.version}", "QEMU 7.2 or later")
    wanted = [row.name for row in OFFLOADS if row.everywhere] + ["rsc_interval"]
    lacking = ", ".join(name for name in wanted if name not in qemu.properties)
    good = f"every offload, {HCK} and rsc_interval among them"
    yield _finding("virtio-net-pci", lacking and f"lacks {lacking}", good, "QEMU 7.2 or later")
    newer = ", ".join(row.name for row in OFFLOADS if not row.everywhere and row.name not in qemu.properties)
    if newer:
        yield Finding(
            "virtio-net-pci",
            "note",
            f"has no {newer} (QEMU 8.2 and later have); NetKVM takes none on receive",
        )


def _libvirt(edges: Edges, host: str) -> Finding:
    try:
        version = edges.hypervisor(host).version()
    except HostError as error:
        return Finding("libvirt", "miss", str(error), error.hint or "only `backend: qemu` works without it")
    old = "" if _release(version) >= _OVERRIDES_SINCE else f"{version} has no <qemu:override> for HCK flags"
    return _finding("libvirt", old, version, "libvirt 8.2 or later")


def _bridges(lab: Lab, found: HostFound) -> Iterator[Finding]:
    for name in lab.host(found.name).bridges:
        there = name in found.links
        yield Finding(
            f"bridge {name}", "good" if there else "note", "there" if there else "not there: `up` makes it"
        )


def examine(edges: Edges, lab: Lab | None, host: str, names: Sequence[str]) -> list[Finding]:
    """Look at everything a host needs; with a lab also at what its machines need of it."""
    read = lab or Lab(version=1, name="doctor")
    bare = read.model_copy(update={"machines": {}})  # libvirt is looked at by itself, and may be missing
    found = read_host(edges, bare, host, ())
    findings = [*_tools(found)]
    if "ethtool" in found.programs:
        trouble = read_features(edges.host(host)).trouble
        findings.append(
            _finding("ethtool --json", trouble, "answers for every device", "ethtool 5.10 or later")
        )
    qemu = read_qemus(edges.host(host), [PROGRAM])[PROGRAM]
    findings += _qemu(qemu)
    if qemu.version:
        paths = LabPaths(read.state_dir, read.name)
        accelerators = read_accelerators(edges.host(host), paths, PROGRAM, fresh=True)
        findings += _accelerator(accelerators)
        found = replace(found, accelerators=accelerators)
    findings.append(_libvirt(edges, host))
    findings += _bridges(read, found)
    if lab and names:
        try:
            sentences = lacks(Site(edges, lab, host), names)
        except HostError as error:
            sentences = (str(error),)
        findings += (Finding("lab", "miss", sentence) for sentence in sentences)
    return findings
