"""The view that templates print: a machine with all decisions taken, one form for both backends.

The templates only loop and print; both backends are rendered from the same view, so that they make
the same NIC.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from provision.lab.identity import machine_uuid
from provision.lab.paths import LabPaths
from provision.lab.spec import FirmwareFiles
from provision.render.disk_view import DiskView, disk_views
from provision.tables.backends import BACKENDS, NicBackend
from provision.tables.cpu_features import wanted_features
from provision.tables.enlightenments import ASSUMED, Enlightenment, chosen
from provision.tables.guests import GUESTS, Guest
from provision.tables.layouts import LATEST, Layout
from provision.tables.offloads import BY_NAME, HCK
from provision.tables.ports import FIRST_PORT_SLOT, MOST_PORTS, PORTS_PER_SLOT
from provision.tables.profiles import PROFILES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from provision.facts.domain import PciAddress
    from provision.lab.spec import Lab, Machine, Nic


# Where Debian's package ovmf keeps its files.
_OVMF = {
    "uefi": FirmwareFiles(code="/usr/share/OVMF/OVMF_CODE_4M.fd", vars="/usr/share/OVMF/OVMF_VARS_4M.fd"),
    "uefi-secure-boot": FirmwareFiles(
        code="/usr/share/OVMF/OVMF_CODE_4M.ms.fd", vars="/usr/share/OVMF/OVMF_VARS_4M.ms.fd"
    ),
}


@dataclass(frozen=True, slots=True)
class Choices:
    """What `auto` came to on the host that will run the machine."""

    kvm: bool
    vhost: bool
    properties: frozenset[str] | None = None
    """What the host's QEMU knows of virtio-net-pci; None: any supported QEMU."""
    layout: Layout = LATEST
    """By which row of the table the machine is made; one that is there was made by its own."""
    machine: str = ""
    """The machine type that a domain was defined with, where the lab file's is an alias of it; empty takes the alias."""
    addresses: Mapping[str, PciAddress] = field(default_factory=dict)
    """Where libvirt has put NICs of a domain that is there, by their aliases."""
    enlightenments: frozenset[str] | None = None
    """The Hyper-V enlightenments that the host can have; None: nobody was asked, and what any has is assumed."""
    features: frozenset[str] | None = None
    """The processor's features that the host's KVM has to hand on, of `vmx`, `svm` and `topoext`; None: nobody was asked."""
    tsc: int | None = None
    """The frequency of the host's TSC in Hz, where it is known."""
    ovs: frozenset[str] | None = None
    """The host's bridges that are Open vSwitch's; None: a bridge with a VLAN is one, and no other."""

    def is_ovs(self, nic: Nic) -> bool:
        """Whether a NIC is on a bridge of Open vSwitch's."""
        return nic.vlan is not None if self.ovs is None else nic.bridge in self.ovs


def usual_choices(machine: Machine) -> Choices:
    """What `render` takes `auto` for: a host with KVM and vhost."""
    return Choices(kvm=machine.accel != "tcg", vhost=True)


@dataclass(frozen=True, slots=True)
class NicView:
    """One NIC, ready to print."""

    spec: Nic
    backend: NicBackend
    alias: str
    vhost: bool
    driver: str
    """libvirt's `<driver name>`; empty leaves vhost to libvirt, which falls back."""
    properties: tuple[tuple[str, bool], ...]
    host: tuple[tuple[str, bool], ...]
    guest: tuple[tuple[str, bool], ...]
    override: tuple[tuple[str, str, str], ...]
    """Name, type and value of what libvirt has no attribute for."""
    interval: int | None
    ovs: bool = False
    """Whether its bridge is Open vSwitch's."""
    address: PciAddress | None = None
    """Where it has been, so that it stays there."""


@dataclass(frozen=True, slots=True)
class MachineView:
    """One machine, ready to print."""

    lab: str
    name: str
    uuid: str
    spec: Machine
    guest: Guest
    choices: Choices
    paths: LabPaths
    nics: tuple[NicView, ...]
    disks: tuple[DiskView, ...]
    firmware: str
    """bios, uefi, uefi-secure-boot, or files."""
    code: str
    vars: str
    enlightenments: tuple[Enlightenment, ...] = ()
    """Hyper-V's, in the order in which they are said, each with all that it needs; none without KVM."""

    @property
    def features(self) -> tuple[str, ...]:
        """The processor's features that are asked for outright: for a hypervisor in the guest, and for threads."""
        wanted = wanted_features(nested=self.spec.nested, threads=self.spec.topology.threads)
        return tuple(sorted(wanted & (self.choices.features or frozenset()))) if self.choices.kvm else ()

    @property
    def tsc(self) -> int | None:
        """The TSC's frequency, for `reenlightenment` alone: a migration keeps it by this."""
        there = any(row.name == "reenlightenment" for row in self.enlightenments)
        return self.choices.tsc if there else None

    @property
    def secure(self) -> bool:
        """Whether the firmware needs System Management Mode."""
        return self.firmware == "uefi-secure-boot"

    @property
    def ports(self) -> dict[str, str]:
        """Root port addresses by id, one port for each PCIe device: behind one, virtio is modern only."""
        devices = [nic.alias for nic in self.nics]
        devices += [disk.target for disk in self.disks if disk.bus == "virtio"]
        devices += ["channels", *(["usb"] if self.guest.display else [])]
        devices += [*(["rng"] if self.choices.layout.rng else []), *(["scsi"] if self.scsi else [])]
        spare = max(min(self.choices.layout.spare_ports, MOST_PORTS - len(devices)), 0)
        devices += [f"spare{at}" for at in range(spare)]  # last, so that the others stay where they were
        return {
            f"port-{device}": f"{FIRST_PORT_SLOT + at // PORTS_PER_SLOT:x}.{at % PORTS_PER_SLOT}"
            for at, device in enumerate(devices)
        }

    @property
    def root_ports(self) -> int:
        """How many a q35's domain asks for, so that some are spare; 0 leaves them to libvirt."""
        asked = self.choices.layout.spare_ports and "q35" in self.spec.machine
        return len(self.ports) if asked else 0

    @property
    def scsi(self) -> bool:
        """Whether it has disks on virtio-scsi, whose one controller takes 256."""
        return any(disk.bus == "scsi" for disk in self.disks)

    @property
    def extra_sata(self) -> tuple[str, ...]:
        """SATA controllers beyond the one that q35 has."""
        buses = {disk.sata_bus.partition(".")[0] for disk in self.disks if disk.bus == "sata"}
        return tuple(sorted(buses - {"ide"}))

    def socket(self, what: str) -> str:
        """Path of one of the machine's sockets."""
        return self.paths.socket(self.name, what)


def _attributes(element: str, properties: dict[str, bool]) -> tuple[tuple[str, bool], ...]:
    named = ((BY_NAME[name].libvirt, on) for name, on in properties.items())
    return tuple((place[1], on) for place, on in named if place and place[0] == element)


def _override(nic: Nic, properties: dict[str, bool]) -> tuple[tuple[str, str, str], ...]:
    """Only what differs from QEMU's default or was asked for: an override taints the domain."""
    wanted = [
        (name, "bool", str(on).lower())
        for name, on in properties.items()
        if BY_NAME[name].libvirt is None and (on != BY_NAME[name].default or name in nic.offloads)
    ]
    if HCK in properties:
        wanted.append(("rsc_interval", "unsigned", str(nic.interval)))
    return tuple(wanted)


def _nic(nic: Nic, choices: Choices) -> NicView:
    properties = nic.properties(choices.properties)
    backend, profile = BACKENDS[nic.kind], PROFILES[nic.profile]
    may = nic.model == "virtio" and profile.vhost and backend.device
    explicit = {"true": "vhost", "false": "qemu", "auto": ""}[nic.vhost]
    return NicView(
        spec=nic,
        backend=backend,
        alias=f"ua-{nic.name}",
        vhost=may and (nic.vhost == "true" or (nic.vhost == "auto" and choices.vhost)),
        driver="" if nic.model != "virtio" else explicit if profile.vhost else "qemu",
        properties=tuple(properties.items()),
        host=_attributes("host", properties),
        guest=_attributes("guest", properties),
        override=_override(nic, properties),
        interval=nic.interval if HCK in properties else None,
        ovs=choices.is_ovs(nic),
        address=choices.addresses.get(f"ua-{nic.name}"),
    )


def _enlightenments(machine: Machine, choices: Choices) -> tuple[Enlightenment, ...]:
    can = ASSUMED if choices.enlightenments is None else choices.enlightenments
    told = GUESTS[machine.guest].hyperv and choices.kvm
    return chosen(can, nested=machine.nested, intel="svm" not in (choices.features or ())) if told else ()


def assumed(views: Sequence[MachineView]) -> list[str]:
    """What was taken for granted of a host with KVM that nobody asked, in a line."""
    told = [view for view in views if view.choices.kvm and view.choices.enlightenments is None]
    rows = dict.fromkeys(row.name for view in told for row in view.enlightenments)
    hyperv = f" with Hyper-V {', '.join(rows)}" if rows else ""
    nested = [view.name for view in told if view.spec.nested]
    nesting = f"; that it can nest, for {', '.join(nested)}, is not said outright" if nested else ""
    threads = [view.name for view in told if view.spec.topology.threads > 1]
    amd = f"; for {', '.join(threads)} no AMD, where threads need topoext" if threads else ""
    return [f"assumed: KVM{hyperv}{nesting}{amd}; `plan` asks the host"] if hyperv or nesting or amd else []


def machine_view(lab: Lab, name: str, choices: Choices | None = None) -> MachineView:
    """Everything that a machine's templates need; without choices, those of the usual host."""
    machine = lab.machines[name]
    choices = choices or usual_choices(machine)
    paths = LabPaths(lab.state_dir, lab.name)
    boots_with = machine.boots_with
    files = boots_with if isinstance(boots_with, FirmwareFiles) else _OVMF.get(boots_with)
    return MachineView(
        lab=lab.name,
        name=name,
        uuid=machine_uuid(lab, name),
        spec=machine,
        guest=GUESTS[machine.guest],
        choices=choices,
        paths=paths,
        nics=tuple(_nic(nic, choices) for nic in machine.nics),
        disks=tuple(disk_views(machine, name, paths, choices.layout)),
        firmware="files" if isinstance(boots_with, FirmwareFiles) else boots_with,
        code=files.code if files else "",
        vars=files.vars if files else "",
        enlightenments=_enlightenments(machine, choices),
    )
