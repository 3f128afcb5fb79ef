"""`doctor`: what a host has for RSC-ready VMs, what it lacks, and the fix for each miss."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from provision.facts.accelerators import Failed
from provision.facts.ethtool_features import FeaturesRead
from provision.host.read.capabilities import measure_accelerators, read_qemu
from provision.host.read.devices import FEATURES
from provision.host.read.host import read_host
from provision.lab.spec import Lab
from provision.runtime.command import PACKAGES, QEMU
from provision.runtime.errors import HostError, LostError, RscvmError
from provision.runtime.questions import ask
from provision.tables.offloads import HCK, OFFLOADS
from provision.verbs.forecast import way_notes
from provision.verbs.plan import lacks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from provision.facts.accelerators import Accelerators
    from provision.facts.qemu import Emulator
    from provision.host.state import HostState
    from provision.runtime.protocols import ReadingEdges

_OLDEST_QEMU = (7, 2)
_OVERRIDES_SINCE = (8, 2)


@dataclass(frozen=True, slots=True)
class HostFinding:
    """One thing that was looked at."""

    name: str
    state: Literal["good", "miss", "note"]
    """A note is worth knowing and no miss."""
    seen: str
    fix: str = ""


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2])


def _finding(name: str, trouble: str, good: str, fix: str) -> HostFinding:
    return HostFinding(name, "miss", trouble, fix) if trouble else HostFinding(name, "good", good)


def _if_needed(finding: HostFinding, *, needed: bool) -> HostFinding:
    """A miss of what none of the lab's machines needs is only worth knowing."""
    return replace(finding, state="note") if finding.state == "miss" and not needed else finding


def _tools(state: HostState) -> Iterator[HostFinding]:
    yield _finding(
        "tap", state.access.tun, "/dev/net/tun opens, and we may make TAPs", "run as root; modprobe tun"
    )
    vhost = (
        "" if state.access.vhost else "/dev/vhost-net cannot be opened: QEMU itself would carry every packet"
    )
    yield _finding("vhost-net", vhost, "/dev/vhost-net opens", "modprobe vhost_net, as root")
    for program in ("ip", "ethtool", "qemu-img", "flock"):
        trouble = "" if program in state.access.programs else "not installed"
        yield _finding(program, trouble, "installed", f"apt install {PACKAGES[program]}")


def _accelerator(found: Accelerators) -> Iterator[HostFinding]:
    if isinstance(found.tcg, Failed):
        broken = f"reinstall QEMU: {QEMU} cannot run a boot sector"
        busy = "see what else keeps this host busy: a quiet one takes seconds"
        yield HostFinding("tcg", "miss", found.tcg.words, busy if found.tcg.late else broken)
    else:
        yield HostFinding("tcg", "good", f"runs the boot sector in {found.tcg} ms")
    if found.kvm_is_of_use:
        yield HostFinding("kvm", "good", f"runs the boot sector in {found.kvm} ms")
    elif isinstance(found.kvm, int):
        seen = f"works, and is slower than TCG: {found.kvm} ms against {found.tcg} ms"
        yield HostFinding("kvm", "miss", seen, "nested without hardware help? `accel: auto` takes TCG here")
    elif found.kvm.late:
        beside = f" (TCG: {found.tcg} ms)" if isinstance(found.tcg, int) else ""
        seen = f"opens, and {found.kvm.words.removeprefix('it ')}{beside}"
        yield HostFinding("kvm", "miss", seen, "nested without hardware help? `accel: auto` takes TCG here")
    else:
        fix = "switch virtualization on in the firmware, modprobe kvm_intel or kvm_amd; `accel: auto` takes TCG here"
        yield HostFinding("kvm", "miss", found.kvm.words, fix)


def _qemu(qemu: Emulator) -> Iterator[HostFinding]:
    if not qemu.version:
        yield HostFinding("qemu", "miss", f"{qemu.program} is not installed", "apt install qemu-system-x86")
        return
    old = "" if _release(qemu.version) >= _OLDEST_QEMU else f"{qemu.version} has no x-query-virtio-status"
    yield _finding("qemu", old, f"{qemu.program} {qemu.version}", "QEMU 7.2 or later")
    wanted = [row.name for row in OFFLOADS if row.everywhere] + ["rsc_interval"]
    lacking = ", ".join(name for name in wanted if name not in qemu.properties)
    good = f"has every offload that RSC needs, and {HCK} with rsc_interval"
    yield _finding("virtio-net-pci", lacking and f"lacks {lacking}", good, "QEMU 7.2 or later")
    newer = ", ".join(row.name for row in OFFLOADS if not row.everywhere and row.name not in qemu.properties)
    if newer:
        yield HostFinding(
            "virtio-net-pci",
            "note",
            f"has no {newer} (QEMU 8.2 and later have); NetKVM takes none on receive",
        )


def _libvirt(edges: ReadingEdges, host: str) -> HostFinding:
    try:
        version = edges.libvirt(host).version()
    except HostError as error:
        return HostFinding(
            "libvirt", "miss", str(error), error.hint or "only `backend: qemu` works without it"
        )
    old = "" if _release(version) >= _OVERRIDES_SINCE else f"{version} has no <qemu:override> for HCK flags"
    return _finding("libvirt", old, version, "libvirt 8.2 or later")


def _bridges(lab: Lab, state: HostState) -> Iterator[HostFinding]:
    for name in lab.host(state.name).bridges:
        there = name in state.links
        yield HostFinding(
            f"bridge {name}", "good" if there else "note", "there" if there else "not there: `up` makes it"
        )


def examine(edges: ReadingEdges, lab: Lab | None, host: str, names: Sequence[str]) -> list[HostFinding]:
    """Look at everything a host needs; with a lab at what its machines need of it."""
    read = lab or Lab(version=1, name="doctor")
    machines = [read.machines[name] for name in names]
    kvm = not lab or any(machine.accel != "tcg" for machine in machines)
    libvirt = not lab or any(machine.backend == "libvirt" for machine in machines)
    bare = read.model_copy(update={"machines": {}})  # libvirt is looked at by itself, and may be missing
    state = read_host(edges, bare, host, ())
    findings = [_if_needed(finding, needed=kvm or finding.name != "vhost-net") for finding in _tools(state)]
    features = FeaturesRead({})
    if "ethtool" in state.access.programs:
        features = ask(edges.host(host), [FEATURES])[FEATURES]
        trouble = features.trouble
        findings.append(
            _finding(
                "ethtool --json", trouble, "answers for every device", "a newer ethtool; 6.1 is known to"
            )
        )
    findings += _programs(edges, read, host, kvm=kvm)
    answers = _libvirt(edges, host)
    findings.append(_if_needed(answers, needed=libvirt))
    findings += _bridges(read, state)
    findings += (
        HostFinding("way", "miss", note)
        for note in way_notes(read, host, names, state.links, features.devices)
    )
    if lab and names:
        sentences = _lacks(edges, lab, host, names, silence=answers.state == "good")
        findings += (HostFinding("lab", "miss", sentence) for sentence in sentences)
    return findings


def _lacks(edges: ReadingEdges, lab: Lab, host: str, names: Sequence[str], *, silence: bool) -> Sequence[str]:
    """What the host lacks for the lab; also why libvirt tells nothing, where that is not said yet (`silence`)."""
    try:
        silent, *sentences = lacks(edges, lab, host, names)
    except RscvmError as error:
        return [str(error)]
    return [silent, *sentences] if silent and silence else sentences


def _programs(edges: ReadingEdges, lab: Lab, host: str, *, kvm: bool) -> Iterator[HostFinding]:
    """QEMU and the accelerators that it has."""
    runner = edges.host(host)
    try:
        qemu = read_qemu(runner)
    except HostError as error:
        yield HostFinding("qemu", "miss", str(error), f"apt install --reinstall {PACKAGES[QEMU]}")
        return
    yield from _qemu(qemu)
    if not qemu.version:
        return
    try:
        found = measure_accelerators(runner, lab)
    except LostError:
        raise
    except HostError as error:
        yield HostFinding("accelerators", "miss", f"they could not be measured: {error}", error.hint)
        return
    for finding in _accelerator(found):
        yield _if_needed(finding, needed=kvm or finding.name != "kvm")
