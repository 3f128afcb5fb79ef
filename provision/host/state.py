"""What was read of one host, as types by what was read: what every plan is made from. Data only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from provision.facts.ovs import OvsRead
from provision.host.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from provision.facts.accelerators import Accelerators
    from provision.facts.ethtool_coalesce import Coalesce
    from provision.facts.ethtool_features import Features
    from provision.facts.hyperv import KvmModule, Named
    from provision.facts.ip import Link
    from provision.facts.network import NetworkFacts
    from provision.facts.processes import Process
    from provision.facts.qemu import Emulator, Image
    from provision.runtime.protocols import Domain


@dataclass(frozen=True, slots=True)
class NicSettings:
    """What can be set of a physical NIC, as it is set."""

    features: Features | None = None
    """None where they could not be read."""
    coalesce: Coalesce | None = None
    """None where it has none."""
    trouble: str = ""
    """Why one of them could not be read."""


@dataclass(frozen=True, slots=True)
class NicState(NicSettings):
    """A physical NIC as far as it is declared in the lab file, with what keeps its settings over a reboot."""

    permanent_mac: str = ""
    link: str = ""
    """The text at our .link file's path, whoever wrote it; empty where there is none."""
    naming: str = ""
    """The text of the .link file in effect, with its drop-ins."""
    naming_file: str = ""
    """Its path."""
    connection: str = ""
    """UUID of the NetworkManager connection that owns it."""
    systemd: int | None = None
    """udev's version."""


@dataclass(frozen=True, slots=True)
class Access:
    """What we may do on a host, and with which programs."""

    root: bool = False
    """Whether devices can be set up there (CAP_NET_ADMIN)."""
    tun: str = ""
    """Why TAPs cannot be made; empty where they can."""
    vhost: bool = False
    writable: bool = False
    """Whether the state directory can be written."""
    programs: frozenset[str] = frozenset()
    """Programs that were looked for and are there."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What would run machines on a host."""

    qemus: Mapping[str, Emulator] = field(default_factory=dict)
    """By machine: the QEMU that would run it."""
    accelerators: Accelerators | None = None
    """None where nothing asked for it."""
    images: Mapping[str, Image] = field(default_factory=dict)
    """Disk images by path; what is none, or not there, is left out."""
    hyperv: Mapping[str, Named] = field(default_factory=dict)
    """By machine: the Hyper-V enlightenments that the host can have it know, of those that could use any."""
    module: KvmModule | None = None
    """The processor's KVM; None also where no machine asks for it."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """What is there on a host: devices, and what runs or is defined of the machines that were asked about."""

    name: str
    boot: str = ""
    """Tells one boot of the host from another."""
    journal: Journal = field(default_factory=Journal)
    links: Mapping[str, Link] = field(default_factory=dict)
    features: Mapping[str, Features] = field(default_factory=dict)
    """Of every device; empty where ethtool does not tell, or no machine was asked about."""
    bridge_filter: bool = False
    """Whether br_netfilter hands all bridges' frames to the packet filter."""
    processes: Mapping[str, Process] = field(default_factory=dict)
    """By pidfile."""
    domains: Mapping[str, Domain] = field(default_factory=dict)
    held: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By machine of libvirt's: the TAPs that its QEMU has open, as its kernel says; none of one that does not run."""
    ovs: OvsRead = field(default_factory=OvsRead)
    silent: str = ""
    """Why libvirt did not answer, where that was allowed: nobody knows of its domains and networks, or its QEMU, then."""


@dataclass(frozen=True, slots=True)
class VirtualNetwork:
    """A network of libvirt's that a machine is to be on."""

    active: bool
    facts: NetworkFacts


@dataclass(frozen=True, slots=True)
class HostState(Inventory):
    """A whole host, as it is read before anything is planned for it."""

    files: frozenset[str] = frozenset()
    """Which of the paths that machines need exist."""
    blocks: frozenset[str] = frozenset()
    """Those of them that are block devices."""
    hidden: frozenset[str] = frozenset()
    """Those of which nobody knows, in directories that we may not look into."""
    engines: Mapping[str, str] = field(default_factory=dict)
    """TAPs of machines that run with QEMU's HCK engine, anybody's, and whose they are."""
    nics: Mapping[str, NicState] = field(default_factory=dict)
    networks: Mapping[str, VirtualNetwork] = field(default_factory=dict)
    """libvirt's networks that the machines name, as far as they are defined."""
    access: Access = field(default_factory=Access)
    capabilities: Capabilities = field(default_factory=Capabilities)


BRIDGE_FILTER = (
    "br_netfilter hands the frames of every bridge of this host to its packet filter, those of the test bridge too, "
    "whose own switch (off) cannot take it out. Where the filter drops forwarded frames (Docker's does), the test sees "
    "it. For all bridges of the host: sysctl -w net.bridge.bridge-nf-call-iptables=0 "
    "net.bridge.bridge-nf-call-ip6tables=0 net.bridge.bridge-nf-call-arptables=0"
)
"""The kernel asks for either switch (br_netfilter_hooks.c, br_nf_pre_routing), so a bridge can only add itself."""
