"""The lab file's models, frozen: hosts, machines, NICs, disks, labs.

`load` fills in what a lab file may leave to us (NIC names, MACs, TAP names), so that a lab that was
loaded has no blanks: `Nic.name`, `Nic.mac` and `Nic.ifname` are only ever empty before that.
"""

from __future__ import annotations

import posixpath
from typing import Annotated, ClassVar, Literal, NamedTuple, get_args

from pydantic import Discriminator, Field, StrictInt, Tag

from provision.lab.ask import Ask
from provision.lab.model import Model
from provision.lab.scalars import (
    Address,
    Auto,
    BridgeName,
    Device,
    FirmwareTag,
    Mac,
    MacvtapDevice,
    Memory,
    Name,
    NetworkName,
    NicName,
    OffloadName,
    Path,
    Prefix,
    QueueSize,
    Rsc,
    Setting,
    Switch,
    TapName,
    Text,
    Uri,
    Version,
    WindowsPath,
    firmware_tag,
)
from provision.tables.backends import BACKENDS
from provision.tables.offloads import BY_NAME, HCK, Offload
from provision.tables.profiles import RSC_INTERVAL, wanted_offloads

Backend = Literal["libvirt", "qemu"]
Purpose = Literal["production", "hck"]


Mtu = Annotated[StrictInt, Field(ge=68, le=65521)]


class Bridge(Model):
    """A bridge that is made where it is missing, and only then removed by `down`."""

    address: Prefix | None = None
    uplink: Device | None = None
    mtu: Mtu | None = None
    wire: ClassVar[bool] = False


class WireBridge(Bridge):
    """A bridge that stands for a cable between two machines; made by a lab's topology, never said in a file."""

    wire: ClassVar[bool] = True


class HostNic(Model):
    """A physical NIC's settings, named as ethtool prints them."""

    features: dict[Text, Switch] = {}
    coalesce: dict[Text, Setting] = {}
    persist: Literal["none", "link"] = "none"


class Host(Model):
    """A hypervisor host; `local` needs no SSH."""

    address: Address | None = None
    port: Annotated[StrictInt, Field(ge=1, le=65535)] | None = None
    user: Text | None = None
    identity: Path | None = None
    known_hosts: Path | None = None
    sudo: Switch = False
    libvirt: Uri = "qemu:///system"
    bridges: dict[BridgeName, Bridge] = {}
    nics: dict[Device, HostNic] = {}


Format = Literal["qcow2", "qed", "raw", "vdi", "vhdx", "vmdk"]
FORMATS: tuple[str, ...] = get_args(Format)
_BY_NAME = {".qcow2": "qcow2", ".vmdk": "vmdk", ".vdi": "vdi", ".vhdx": "vhdx", ".qed": "qed"}


class Disk(Model):
    """A disk: an image, which under an overlay is only ever a backing file, or a block device of the host."""

    image: Path | None = None
    block: Path | None = None
    overlay: Switch = True
    bus: Literal["virtio", "sata", "scsi"] = "virtio"
    format: Format | None = None

    @property
    def effective_format(self) -> str:
        """Its format: as said, else an image's by its name; QEMU is never left to guess, because a guest could make it guess wrong."""
        return self.format or _BY_NAME.get(posixpath.splitext(self.image or "")[1].lower(), "raw")

    @property
    def path(self) -> str:
        """Where it is; `load` sees to it that there is exactly one."""
        return self.image or self.block or ""

    @property
    def overlaid(self) -> bool:
        """Whether an overlay takes what the machine writes; over a block device there is none."""
        return self.overlay and self.block is None


class Topology(NamedTuple):
    """How a machine's processors are laid out."""

    sockets: int
    cores: int
    """Of each socket."""
    threads: int
    """Of each core."""


class Cpu(Model):
    """How the processors are laid out; what is left of the machine's vcpus are cores."""

    sockets: Annotated[StrictInt, Field(ge=1, le=1024)] = 1
    cores: Annotated[StrictInt, Field(ge=1, le=1024)] | None = None
    threads: Annotated[StrictInt, Field(ge=1, le=1024)] = 1


class Kernel(Model):
    """A kernel that QEMU loads itself."""

    image: Path
    initrd: Path | None = None
    cmdline: Text = ""


class FirmwareFiles(Model):
    """UEFI firmware by its files; `vars` is the template that each machine gets a copy of."""

    code: Path
    vars: Path


Firmware = Annotated[
    Annotated[Literal["uefi", "uefi-secure-boot", "bios"], Tag("name()")]
    | Annotated[FirmwareFiles, Tag("files()")],
    Discriminator(firmware_tag, custom_error_type="firmware", custom_error_message=FirmwareTag),
]


class Nic(Model):
    """One NIC of a machine."""

    name: NicName = ""
    model: Literal["virtio", "e1000e"] = "virtio"
    bridge: BridgeName | None = None
    vlan: Annotated[StrictInt, Field(ge=1, le=4094)] | None = None
    network: NetworkName | None = None
    tap: Switch = False
    macvtap: MacvtapDevice | None = None
    user: Switch = False
    ifname: TapName = ""
    mac: Mac = ""
    rsc: Rsc | None = None
    rsc_interval: Annotated[StrictInt, Field(ge=0, le=4294967295)] | None = None
    vhost: Auto = "auto"
    queues: Annotated[StrictInt, Field(ge=1, le=256)] = 1
    rx_queue_size: QueueSize | None = None
    mtu: Mtu | None = None
    mangleid: Switch = False
    offloads: dict[OffloadName, Switch] = {}

    @property
    def kind(self) -> str:
        """Its row in the table of NIC backends; `load` sees to it that there is exactly one."""
        return next((kind for kind in BACKENDS if getattr(self, kind)), "user")

    @property
    def profile(self) -> str:
        """Its row in the table of profiles: as said, else `true` on virtio and `false` on emulated models."""
        return self.rsc or ("true" if self.model == "virtio" else "false")

    @property
    def interval(self) -> int:
        """Nanoseconds that the HCK engine holds a segment."""
        return RSC_INTERVAL if self.rsc_interval is None else self.rsc_interval

    def wanted(self) -> dict[str, bool]:
        """Every offload as it shall be at the device, in the table's order; empty for emulated models."""
        return wanted_offloads(self.profile, self.offloads) if self.model == "virtio" else {}

    def properties(self, known: frozenset[str] | None) -> dict[str, bool]:
        """The offloads that are said outright to a QEMU that knows these properties; None stands for any supported one.

        Of what newer QEMUs have only what is not at their default, or what the user named: older machine types have it
        off, and libvirt says no more either.
        """
        can = BY_NAME.keys() if known is None else known
        wanted = self.wanted().items()
        return {
            name: on
            for name, on in wanted
            if name in can and self._is_said(BY_NAME[name], on=on, known=known)
        }

    def _is_said(self, row: Offload, *, on: bool, known: frozenset[str] | None) -> bool:
        """Whether an offload is said outright."""
        if row.everywhere or row.name in self.offloads:
            return True
        return known is not None and on != row.default

    def unknown_to(self, known: frozenset[str]) -> tuple[str, ...]:
        """Properties that the user or the HCK profile asks for and a QEMU with these properties lacks."""
        asked = {*self.offloads, *((HCK, "rsc_interval") if self.profile == "hck" else ())}
        return tuple(sorted(asked - known)) if self.model == "virtio" else ()


class MachineKeys(Model):
    """What every machine has, also those that a lab's topology makes."""

    backend: Backend = "libvirt"
    guest: Literal["windows", "linux"]
    memory: Memory
    vcpus: Annotated[StrictInt, Field(ge=1, le=255)] = 2
    """More need a vIOMMU with extended interrupt mode."""
    cpu: Cpu | None = None
    accel: Literal["auto", "kvm", "tcg"] = "auto"
    machine: Annotated[Text, Field(pattern=r"^[A-Za-z0-9._-]+$")] = "q35"
    firmware: Firmware | None = None
    tpm: Switch = False
    nested: Switch = False
    disks: tuple[Disk, ...] = ()
    cdroms: tuple[Path, ...] = ()
    kernel: Kernel | None = None
    ask: tuple[Ask, ...] = ()
    iperf3: WindowsPath | None = None
    """Where a Windows guest has iperf3.exe, which `bench` starts there."""

    @property
    def topology(self) -> Topology:
        """By default one socket has all cores: Windows 10 and 11 use one socket (Home) or two (Pro)."""
        cpu = self.cpu or Cpu()
        cores = cpu.cores or max(self.vcpus // (cpu.sockets * cpu.threads), 1)
        return Topology(cpu.sockets, cores, cpu.threads)

    @property
    def boots_with(self) -> str | FirmwareFiles:
        """Its firmware: as said, else BIOS for a kernel that QEMU loads and UEFI for disks."""
        return self.firmware or ("bios" if self.kernel else "uefi")


class Machine(MachineKeys):
    """A virtual machine."""

    host: Name = "local"
    purpose: Purpose = "production"
    nics: tuple[Nic, ...] = ()


class RoleLab(Model):
    """A test lab that expands to machines and their networks."""

    topology: Literal["hlk-two-machine", "dut-only"]
    host: Name = "local"
    test: Literal["rsc", "none"] = "rsc"
    controller: MachineKeys | None = None
    dut: MachineKeys | None = None
    support: MachineKeys | None = None


class LabFile(Model):
    """A lab file, version 1."""

    version: Version
    state_dir: Path = "/var/lib/rscvm"
    hosts: dict[Name, Host] = {}
    machines: dict[Name, Machine] = {}
    labs: dict[Name, RoleLab] = {}


class Lab(LabFile):
    """A lab file that was read whole: nothing derived is missing, and its name is the file's stem."""

    name: Name
    file: str = ""
    """The file's absolute path."""

    def host(self, name: str) -> Host:
        """A host by name; `local` exists without being listed."""
        return self.hosts.get(name) or Host()
