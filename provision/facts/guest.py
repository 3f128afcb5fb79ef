"""What a guest tells of its NICs and of what bears on RSC. Data only; the parsers of each system make it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from provision.tables.guests import NETKVM_ADAPTER

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_FAILURE = "NoFailure"


@dataclass(frozen=True, slots=True)
class FamilyRsc:
    """RSC of one address family on one adapter; None: not told."""

    enabled: bool | None = None
    """Windows' IPv4Enabled or IPv6Enabled; Linux' rx-gro-hw."""
    supported: bool | None = None
    """Whether the driver declares it."""
    operational: bool | None = None
    """Windows' OperationalState."""
    reason: str = ""
    """Windows' FailureReason by its name in tables/failure_reasons.py; empty where none was told."""
    switch: str = ""
    """Linux' feature that it is switched by; empty of Windows."""


@dataclass(frozen=True, slots=True)
class Binding:
    """A protocol or filter that is bound to an adapter (Get-NetAdapterBinding)."""

    component: str
    """Its ComponentID, as `ms_tcpip`."""
    name: str = ""
    driver: str = ""
    """Its service or file, as `npcap`."""
    version: str = ""
    is_filter: bool | None = None
    """Whether it sits between the adapter and TCP/IP (an NDIS filter, or a MUX driver); None: not told."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """A network adapter of a guest."""

    name: str
    mac: str = ""
    """The one that it was made with, as lower-case pairs with colons; empty where that was not told."""
    mac_now: str = ""
    """The one that it has now."""
    description: str = ""
    rsc: Mapping[str, FamilyRsc] = field(default_factory=dict)
    """By `ipv4` and `ipv6`."""
    driver_version: str = ""
    driver_date: str = ""
    """As 2026-11-29."""
    keywords: Mapping[str, str] = field(default_factory=dict)
    """The driver's registry keywords, as `*RscIPv4`, `*NdisPoll`, `*NumRssQueues`, `MergeableBuffers`."""
    bindings: tuple[Binding, ...] = ()
    """Those that are enabled."""
    forwarding: Mapping[str, bool] = field(default_factory=dict)
    """By `ipv4` and `ipv6`."""
    coalesced_host: int | None = None
    """NetKVM's count of frames that came whole from the host (NetKvm_Diag), since its start."""
    coalesced_win: int | None = None
    """The same of QEMU's engine."""
    coalesced: int | None = None
    """The segments that came in frames of several, by RscStatistics' CoalescedPackets, which every driver with RSC counts."""
    switch: str = ""
    """The Hyper-V switch or team that the adapter belongs to."""
    software_rsc: bool | None = None
    """Whether that switch coalesces by itself (Get-VMSwitch SoftwareRscEnabled, since Windows 10 1809 and Server 2019)."""
    declared: Mapping[str, bool] = field(default_factory=dict)
    """By `ipv4` and `ipv6`, what NetKVM itself declares to be on (NetKvm_Config): Windows may coalesce without the NIC."""

    @property
    def is_virtio(self) -> bool:
        """Whether it is a virtio NIC, by its driver in Linux and by its description in Windows."""
        return self.description == "virtio_net" or NETKVM_ADAPTER in self.description


@dataclass(frozen=True, slots=True)
class Callout:
    """A WFP callout that sees inbound TCP and is not Microsoft's: a suspect, and no more."""

    name: str
    provider: str = ""
    driver: str = ""
    called: bool | None = None
    """Whether a filter calls it; None: not told."""


@dataclass(frozen=True, slots=True)
class GuestFacts:
    """What a guest tells of itself."""

    system: Literal["windows", "linux"]
    release: str = ""
    """As `Microsoft Windows Server 2022 Standard`, or a kernel's release."""
    version: tuple[int, ...] = ()
    """As (10, 0, 20348); of Linux the kernel's."""
    adapters: tuple[Adapter, ...] = ()
    global_rsc: bool | None = None
    """Get-NetOffloadGlobalSetting's ReceiveSegmentCoalescing; None: not told."""
    processors: int | None = None
    """Logical ones."""
    callouts: tuple[Callout, ...] = ()
    defender: bool | None = None
    """Whether Windows Defender's network inspection runs (its driver WdNisDrv)."""
    nat: bool | None = None
    """Whether it has a WinNAT network (Get-NetNat)."""
    throttling: int | None = None
    """NetworkThrottlingIndex; None where it is not set."""
    troubles: tuple[str, ...] = ()
    """What it was asked and could not tell, each in a line."""

    def adapter(self, mac: str) -> Adapter | None:
        """The adapter that is a NIC of this MAC address; None where there is none, or several that nothing tells apart."""
        found = self.of(mac)
        return found[0] if len(found) == 1 else None

    def of(self, mac: str) -> tuple[Adapter, ...]:
        """The adapters that may be a NIC of this MAC address, as a virtual switch, a team or a failover's VF have it, too.

        virtio's go before all others, and those whose own address it is before those that have it now and none of their own.
        """
        wanted = mac.lower()
        there = [each for each in self.adapters if wanted and wanted == (each.mac or each.mac_now)]
        best = min(((not each.is_virtio, not each.mac) for each in there), default=None)
        return tuple(each for each in there if (not each.is_virtio, not each.mac) == best)
