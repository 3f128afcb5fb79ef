"""What a machine's next start will make of its NICs: libvirt's definition of it, or the lab file. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from provision.facts.domain import DomainFacts, DomainNic, parse_domain
from provision.facts.domain_devices import DefinedDevice, defined_devices
from provision.facts.domain_interface import WITHOUT_HEADER, without_void
from provision.facts.qemu_arguments import nics_of
from provision.facts.virtio import VirtioFacts
from provision.lab.paths import LabPaths
from provision.runtime.errors import UnreadableError
from provision.tables.backends import BACKENDS, INTERFACES, NETDEVS
from provision.tables.models import OWN_LRO, is_qemus_virtio
from provision.tables.offloads import BY_NAME, OFFLOADS, RSC_OFFLOADS, STANDBY
from provision.verify.evidence import Definition, NicEvidence, Unasked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from provision.host.state import Inventory
    from provision.lab.spec import Lab, Machine
    from provision.runtime.protocols import Domain

    Build = Callable[[DomainFacts, int, DomainNic], NicEvidence]
    """A NIC of a running domain, of its XML alone."""

_TAKEN = frozenset({"VIRTIO_CONFIG_S_DRIVER_OK"})
SAVED = Unasked(
    "it was saved (virsh managedsave), and its next start goes on as it ran, whatever its definition says"
)
_LATER = Unasked("what is passed on shows once it runs")


def as_started(nic: NicEvidence, device: DefinedDevice) -> NicEvidence:
    """A NIC as a start makes it, whose driver takes all that is offered."""
    nic = replace(nic, state="running", tap=None, features=_LATER, notes=(), definition=None, traffic=None)
    if device.trouble:
        unknown = Unasked(device.trouble, final=True)
        return replace(nic, properties=unknown, virtio=unknown)
    if nic.model in OWN_LRO:  # whether libvirt gives its TAP a header is its version's to say
        return nic
    header = device.vnet_header and (nic.kind not in INTERFACES or INTERFACES[nic.kind].vnet_header)
    on = {
        name
        for name, is_on in without_void(device.offloads).items()
        if is_on and (header or name in WITHOUT_HEADER)
    }
    offered = frozenset(BY_NAME[name].virtio for name in on) | ({STANDBY} if nic.standby else set())
    facts = VirtioFacts(offered, offered, _TAKEN, device.vhost)
    return replace(nic, properties={name: device.offloads[name] for name in RSC_OFFLOADS}, virtio=facts)


def _starting(text: str, build: Build) -> dict[tuple[str, int], NicEvidence]:
    """Every NIC as a start by this XML makes it, by MAC address and its number among those who share that."""
    facts, seen = parse_domain(text), Counter[str]()
    found: dict[tuple[str, int], NicEvidence] = {}
    for index, (nic, device) in enumerate(zip(facts.nics, defined_devices(text), strict=True)):
        mac = nic.mac.lower()
        made = as_started(build(facts, index, nic), device)
        found[mac, seen[mac]] = made
        seen[mac] += 1
    return found


def with_definitions(nics: Sequence[NicEvidence], domain: Domain, build: Build) -> list[NicEvidence]:
    """A domain's NICs, in the order of its XML, with what its definition will make of them.

    What the definition has besides is noted; where the machine runs without any NIC each is one of which nothing is known.
    """
    off = domain.state == "off"
    if domain.saved:
        return [replace(nic, definition=Definition(SAVED)) for nic in nics]
    text = domain.live_xml if off else domain.persistent_xml
    if not text:  # transient, or evidence that has none
        return list(nics)
    try:
        then, now = _starting(text, build), _starting(domain.live_xml, build)
    except UnreadableError as error:
        return [replace(nic, definition=Definition(Unasked(str(error)))) for nic in nics]
    told = [
        replace(nic, definition=Definition(then.get(key), None if off else now[key]))
        for nic, key in zip(nics, now, strict=True)
    ]
    more = [nic for key, nic in then.items() if key not in now]
    if not told:
        return [_to_come(nic, domain) for nic in more]
    notes = tuple(
        f"its definition has a NIC {nic.mac} besides, which comes with its next start" for nic in more
    )
    return [replace(told[0], notes=(*told[0].notes, *notes)), *told[1:]]


def _to_come(nic: NicEvidence, domain: Domain) -> NicEvidence:
    missing = Unasked("its definition has this NIC, and the running machine has not", final=True)
    now = replace(nic, state=domain.state, properties=missing, virtio=missing)
    return replace(now, definition=Definition(nic), run=domain.run)


def with_spec(nic: NicEvidence, lab: Lab, there: Inventory) -> NicEvidence:
    """A lab's NIC with what `up` would start, where no domain has a definition of its machine."""
    machine = lab.machines[nic.machine]
    spec = next((each for each in machine.nics if each.name == nic.nic), None)
    untold = there.silent and machine.backend == "libvirt"
    if untold or nic.machine in there.domains or spec is None:
        return nic
    made = replace(
        nic,
        rsc=spec.profile,
        purpose=machine.purpose,
        kind=BACKENDS[spec.kind].interface,
        model=spec.model,
        rsc_asked=spec.profile == "hck",
        mtu=spec.mtu,
    )
    said = {row.name: row.default for row in OFFLOADS} | spec.wanted()
    process = there.processes.get(LabPaths(lab.state_dir, lab.name).pidfile(nic.machine))
    now = _as_run(nic, process.argv) if process is not None else None
    there_alone = [] if process is None or spec != machine.nics[0] else _removed(process.argv, machine)
    notes = tuple(f"it runs with a NIC {name}, which the lab file does not have" for name in there_alone)
    then = as_started(made, DefinedDevice(said, vhost=False))
    return replace(nic, definition=Definition(then, now), notes=(*nic.notes, *notes))


def _as_run(nic: NicEvidence, argv: Sequence[str]) -> NicEvidence | None:
    """A NIC as the command line has it that its machine was started with; None where that has no such device."""
    alias = nic.path.rpartition("/")[2]
    device = next((each for each in nics_of(tuple(argv)) if each.id == alias), None)
    if device is None:
        return None
    model = "virtio" if is_qemus_virtio(device.driver) else device.driver
    kind = NETDEVS.get(device.backend, "unknown")
    return as_started(replace(nic, model=model, kind=kind), DefinedDevice(device.switches, vhost=False))


def _removed(argv: Sequence[str], machine: Machine) -> list[str]:
    """NICs of a command line of ours that the lab file has no more."""
    ours = (each.id.removeprefix("ua-") for each in nics_of(tuple(argv)) if each.id.startswith("ua-"))
    return [name for name in ours if name not in {nic.name for nic in machine.nics}]
