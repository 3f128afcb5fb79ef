"""Ask every source about every NIC of a lab's machines. Reads only; edges are handed in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from provision.backends import BACKENDS
from provision.errors import HostError, RefusedError
from provision.facts.domain import DomainFacts, DomainNic, parse_domain
from provision.facts.virtio import VirtioFacts, parse_virtio_status
from provision.offloads import BY_NAME, HCK, TSO
from provision.paths import LabPaths
from provision.verify.evidence import NicEvidence, Unasked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from provision.command import Domain, Edges, Monitor
    from provision.facts.ethtool import Features, FeaturesRead
    from provision.found import HostFound
    from provision.spec import Lab, Nic

_ASKED = ("guest_csum", *TSO.values(), HCK)


@dataclass(frozen=True, slots=True)
class _Machine:
    """A machine and what its NICs have in common."""

    host: str
    name: str
    state: str
    purpose: str | None


def read_properties(monitor: Monitor, alias: str) -> Mapping[str, bool] | Unasked:
    """The device's own switches; one that this QEMU does not have is left out."""
    found: dict[str, bool] = {}
    for name in _ASKED:
        try:
            answer = monitor.execute("qom-get", {"path": f"/machine/peripheral/{alias}", "property": name})
        except RefusedError as error:
            if error.kind == "DeviceNotFound":
                return Unasked(f"QEMU has no device {alias}")
            continue
        if isinstance(answer, bool):
            found[name] = answer
    return found or Unasked(f"QEMU tells no offloads of {alias}")


def read_virtio(monitor: Monitor, alias: str) -> VirtioFacts | Unasked:
    """What the device offers and the guest took."""
    path = f"/machine/peripheral/{alias}/virtio-backend"
    try:
        return parse_virtio_status(monitor.execute("x-query-virtio-status", {"path": path}))
    except RefusedError as error:
        if error.kind == "CommandNotFound":
            return Unasked("this QEMU has no x-query-virtio-status (7.2 and later have)", final=True)
        return Unasked(str(error))


def with_monitor(nic: NicEvidence, monitor: Monitor, alias: str) -> NicEvidence:
    """The NIC with what QEMU tells of it; a monitor that stops answering costs what it had not told."""
    if nic.model != "virtio" or nic.kind == "hostdev":
        return nic
    try:
        nic = replace(nic, properties=read_properties(monitor, alias))
        return replace(nic, virtio=read_virtio(monitor, alias))
    except HostError as error:
        return without_monitor(nic, error)


def without_monitor(nic: NicEvidence, error: HostError) -> NicEvidence:
    """The NIC of a machine whose QEMU does not answer."""
    unasked = Unasked(str(error))
    told = nic.properties if not isinstance(nic.properties, Unasked) else unasked
    return replace(nic, properties=told, virtio=unasked)


def with_features(nic: NicEvidence, read: FeaturesRead) -> NicEvidence:
    """The NIC with what its TAP tells, if that is all that is asked of it."""
    return replace(nic, features=_tap_features(nic, read))


def _tap_features(nic: NicEvidence, read: FeaturesRead) -> Features | Unasked:
    if nic.state == "off":
        return Unasked("the machine is not running")
    if nic.tap is None:
        return Unasked("there is no TAP")
    if read.trouble:
        return Unasked(read.trouble)
    features = read.devices.get(nic.tap)
    if features is None:
        return Unasked(f"no device {nic.tap} on {nic.host}")
    lacking = [
        BY_NAME[name].tap for name in ("guest_csum", *TSO.values()) if BY_NAME[name].tap not in features
    ]
    return Unasked(f"ethtool tells no {lacking[0]}") if lacking else features


def link_notes(nic: Nic, found: HostFound) -> tuple[str, ...]:
    """What stands in the way of packets though RSC itself may be ready: links that are down, elsewhere, or of another MTU."""
    tap, bridge = found.links.get(nic.ifname), found.links.get(nic.bridge or "")
    notes: list[str] = []
    if tap is not None and not tap.up:
        notes.append(f"{tap.name} is down: ip link set dev {tap.name} up")
    if tap is not None and bridge is not None and tap.master != bridge.name:
        notes.append(f"{tap.name} is not on {bridge.name}: ip link set dev {tap.name} master {bridge.name}")
    if bridge is not None and not bridge.up:
        notes.append(f"{bridge.name} is down: ip link set dev {bridge.name} up")
    mtus = {link.name: link.mtu for link in (tap, bridge) if link is not None}
    mtus |= {"the guest is told": nic.mtu} if nic.mtu else {}
    if len(set(mtus.values())) > 1:
        notes.append(
            f"the MTU differs along the way: {', '.join(f'{name} {mtu}' for name, mtu in mtus.items())}"
        )
    return tuple(notes)


def _lab_nics(lab: Lab, machine: _Machine) -> Iterator[tuple[NicEvidence, str]]:
    """A machine's NICs as the lab file has them."""
    for nic in lab.machines[machine.name].nics:
        row = BACKENDS[nic.kind]
        tap = nic.ifname if row.device else None
        running = machine.state != "off"
        yield (
            NicEvidence(
                machine.host,
                machine.name,
                nic.name,
                nic.mac,
                tap if running else None,
                nic.profile,
                machine.purpose,
                machine.state,
                row.interface,
                nic.model,
                nic.profile == "hck",
            ),
            f"ua-{nic.name}",
        )


def _domain_nic(machine: _Machine, facts: DomainFacts, index: int, nic: DomainNic) -> NicEvidence:
    ours = {alias: (name, rsc) for name, alias, rsc in (facts.mark.nics if facts.mark else ())}
    name, rsc = ours.get(nic.alias, (nic.alias or f"net{index}", None))
    tap = (nic.target or None) if machine.state != "off" else None
    return NicEvidence(
        machine.host,
        machine.name,
        name,
        nic.mac,
        tap,
        rsc,
        machine.purpose,
        machine.state,
        nic.kind,
        nic.model.removesuffix("-non-transitional").removesuffix("-transitional"),
        nic.rsc_asked,
    )


def collect_domain(edges: Edges, host: str, domain: Domain) -> list[NicEvidence]:
    """Every NIC of a libvirt domain."""
    facts = parse_domain(domain.live_xml)
    machine = _Machine(host, domain.name, domain.state, facts.mark.purpose if facts.mark else None)
    nics = [(_domain_nic(machine, facts, i, nic), nic.alias) for i, nic in enumerate(facts.nics)]
    if domain.state == "off":
        return [nic for nic, _ in nics]
    try:
        monitor = edges.hypervisor(host).monitor(domain.name)
    except HostError as error:
        return [without_monitor(nic, error) for nic, _ in nics]
    return [with_monitor(nic, monitor, alias) for nic, alias in nics]


def _collect_process(edges: Edges, lab: Lab, machine: _Machine) -> list[NicEvidence]:
    """Every NIC of a machine that runs, or should, as a QEMU of our own."""
    socket = LabPaths(lab.state_dir, lab.name).socket(machine.name, "qmp")
    if machine.state == "off":
        return [nic for nic, _ in _lab_nics(lab, machine)]
    try:
        with edges.monitor(machine.host, socket) as monitor:
            status = monitor.execute("query-status")
            if isinstance(status, dict) and status.get("running") is False:
                machine = replace(machine, state="paused")
            return [with_monitor(nic, monitor, alias) for nic, alias in _lab_nics(lab, machine)]
    except HostError as error:
        return [without_monitor(nic, error) for nic, _ in _lab_nics(lab, machine)]


def _gone(lab: Lab, there: Sequence[NicEvidence], machine: _Machine) -> Iterator[NicEvidence]:
    """NICs of the lab file that the domain does not have: somebody has edited it."""
    for nic, alias in _lab_nics(lab, machine):
        if nic.nic not in {found.nic for found in there}:
            missing = Unasked(f"the domain has no NIC {alias}", final=True)
            yield replace(nic, tap=None, properties=missing, virtio=missing)


def collect_lab(edges: Edges, lab: Lab, names: Sequence[str], found: HostFound) -> list[NicEvidence]:
    """Every NIC of these machines on one host, in the lab file's order, but for what their TAPs tell."""
    nics: list[NicEvidence] = []
    pidfile = LabPaths(lab.state_dir, lab.name).pidfile
    for name in names:
        spec = lab.machines[name]
        domain = found.domains.get(name)
        if spec.backend == "libvirt" and domain is not None:
            there = collect_domain(edges, found.name, domain)
            nics += [*there, *_gone(lab, there, _Machine(found.name, name, domain.state, spec.purpose))]
        else:
            state = "running" if spec.backend == "qemu" and pidfile(name) in found.processes else "off"
            nics += _collect_process(edges, lab, _Machine(found.name, name, state, spec.purpose))
    specs = {(name, nic.name): nic for name in names for nic in lab.machines[name].nics}
    return [
        replace(nic, notes=link_notes(specs[nic.machine, nic.nic], found))
        if nic.state != "off" and (nic.machine, nic.nic) in specs
        else nic
        for nic in nics
    ]
