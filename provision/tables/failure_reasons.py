"""TABLE: why Windows says that RSC does not work, by its own FailureReason."""

from __future__ import annotations

from dataclasses import dataclass

_CMDLET = "learn.microsoft.com: Get-NetAdapterRsc (the remedy), MSFT_NetAdapterRscSettingData (the number)"
_DRIVERS = "learn.microsoft.com: Programming Considerations for RSC Drivers"
_UNNUMBERED = (
    "its number is not documented: Get-NetAdapterRsc lists Capability and Unknown, in this order, after those that "
    "have the numbers 0 to 5"
)


@dataclass(frozen=True, slots=True)
class Reason:
    """One FailureReason, of IPv4 or IPv6."""

    name: str
    """As PowerShell prints it; the same in every language of Windows."""
    code: int | None
    """As WMI gives it; None where no document says it."""
    rung: str
    meaning: str
    seen: str
    fix: tuple[str, ...]
    """`{adapter}` stands for the adapter's name, as `{component}` and `{family}` do for what is bound to it and for -AddressFamily."""
    source: str
    cause: str
    """The id under which it is a cause; empty where it is none."""
    of_netkvm: bool = False
    """Whether what to do is of use to NetKVM's adapters alone."""


def _shown(name: str, code: int, more: str = "") -> str:
    """Where it is read; every reason is shown by the same tool."""
    what = f"in the guest, Get-NetAdapterRsc | Format-List: IPv4FailureReason or IPv6FailureReason {name}"
    return f"{what} (IPv4FailureReason {code} in MSFT_NetAdapterRscSettingData){f'; {more}' if more else ''}"


def _by_name(name: str, more: str) -> str:
    return f"in the guest, Get-NetAdapterRsc | Format-List: IPv4FailureReason or IPv6FailureReason {name}; {more}"


REASONS = (
    Reason(
        "NoFailure",
        0,
        "operational",
        "Windows has nothing against RSC on this NIC. Whether segments are coalesced depends on what the host hands on.",
        _shown("NoFailure", 0),
        (),
        _CMDLET,
        "",
    ),
    Reason(
        "NicPropertyDisabled",
        1,
        "enabled",
        "RSC is switched off on the adapter: in Windows by Disable-NetAdapterRsc, or by its keyword *RscIPv4 or *RscIPv6; in Linux by "
        "`ethtool -K DEVICE rx-gro-hw off`.",
        _shown("NicPropertyDisabled", 1, "IPv4Enabled or IPv6Enabled False"),
        ("`Enable-NetAdapterRsc -Name {adapter}`; it restarts the adapter, unless told `-NoRestart`",),
        f"{_CMDLET}; NetKVM's netkvm.inf (the keywords)",
        "nic-property-disabled",
    ),
    Reason(
        "WFPCompatibility",
        2,
        "operational",
        "A filter of a firewall, antivirus, VPN or proxy is registered that does not take segments above the MTU "
        "(its callout lacks FWP_CALLOUT_FLAG_ALLOW_RSC), so TCP/IP keeps RSC off.",
        _shown(
            "WFPCompatibility",
            2,
            "`netsh wfp show state` lists the filters; from user mode no one tells which callout it is",
        ),
        (
            "remove or upgrade the product whose filter it is",
            "switching the firewall off may not be enough where Windows Defender is installed",
        ),
        f"{_DRIVERS}; {_CMDLET}",
        "wfp-compatibility",
    ),
    Reason(
        "NDISCompatibility",
        3,
        "operational",
        "A filter driver of NDIS 6.20 or older is bound to the adapter, or a MUX driver that forbids it (a team's may); and a NIC "
        "that a Hyper-V virtual switch is bound to has no RSC of its own.",
        _shown("NDISCompatibility", 3, "Get-NetAdapterBinding lists what is bound"),
        (
            "upgrade a filter driver to one of NDIS 6.30; old packet capture and VPN drivers are known for it",
            "where it is a virtual switch, or a team's driver: take the NIC out of it, where large frames are to come to it",
            "or unbind it: `Disable-NetAdapterBinding -Name {adapter} -ComponentID {component}`",
        ),
        f"{_DRIVERS}; {_CMDLET}",
        "ndis-compatibility",
    ),
    Reason(
        "ForwardingEnabled",
        4,
        "operational",
        "The interface forwards (a router, Internet sharing, Hyper-V's NAT), and TCP/IP keeps RSC off on such. Weak-host "
        "forwarding does not matter.",
        _shown("ForwardingEnabled", 4, "Get-NetIPInterface: Forwarding Enabled"),
        (
            "`Set-NetIPInterface -InterfaceAlias {adapter}{family} -Forwarding Disabled`, where the guest need not route",
        ),
        f"{_DRIVERS}; {_CMDLET}",
        "forwarding-enabled",
    ),
    Reason(
        "NetOffloadGlobalDisabled",
        5,
        "enabled",
        "RSC is switched off for the whole guest.",
        _shown(
            "NetOffloadGlobalDisabled",
            5,
            "Get-NetOffloadGlobalSetting: ReceiveSegmentCoalescing Disabled",
        ),
        ("`Set-NetOffloadGlobalSetting -ReceiveSegmentCoalescing Enabled`",),
        _CMDLET,
        "offload-globally-disabled",
    ),
    Reason(
        "Capability",
        None,
        "operational",
        "The driver declares no RSC. NetKVM declares it where guest checksum and guest TSO are offered to it, so the host "
        "side offers too little, or the driver is from before it had RSC.",
        _by_name(
            "Capability",
            f"RscHardwareCapabilities with IPv4Supported or IPv6Supported False; {_UNNUMBERED}",
        ),
        (
            "`rscvm check` on the host tells what is lacking there, if anything: guest_csum, guest_tso4, guest_tso6, a vnet header",
            "install NetKVM from a current virtio-win",
        ),
        "NetKVM Common/ParaNdis_Common.cpp (InitializeRSCState) and ParaNdis6_FillOffloadCapabilities; the name: Get-NetAdapterRsc",
        "capability",
        of_netkvm=True,
    ),
    Reason(
        "Unknown",
        None,
        "operational",
        "Windows does not say why.",
        _by_name("Unknown", _UNNUMBERED),
        ("go through the others by hand: removing one reason can bring the next to light",),
        "the name alone: Get-NetAdapterRsc",
        "",
    ),
)

BY_REASON = {row.name: row for row in REASONS}
DECIDED = (
    "NetOffloadGlobalDisabled",
    "NicPropertyDisabled",
    "Capability",
    "NDISCompatibility",
    "WFPCompatibility",
    "ForwardingEnabled",
)
"""The reasons in the order in which Windows decides: of several the first is told (Programming Considerations for RSC Drivers)."""
BY_CODE = {row.code: row.name for row in REASONS if row.code is not None}
"""Their names, by the numbers that WMI gives."""
UNNAMED = "Unknown"
"""The reason of a Windows that does not say why."""
