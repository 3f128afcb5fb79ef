"""TABLE: properties by which PowerShell's cmdlets tell of RSC and of adapters, and what their values are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

ValueKind = Literal["text", "truth", "reason"]

_TRUTHS = "Enabled", "Supported", "OperationalState"
_OF_RSC: Mapping[str, ValueKind] = {
    **{f"{family}{what}": "truth" for what in _TRUTHS for family in ("IPv4", "IPv6")},
    "IPv4FailureReason": "reason",
    "IPv6FailureReason": "reason",
}
_TEXTS = (
    "Name",
    "InterfaceDescription",
    "InterfaceAlias",
    "ifAlias",
    "ifDesc",
    "ifIndex",
    "Status",
    "MacAddress",
    "LinkSpeed",
    "DisplayName",
    "DisplayValue",
    "RegistryKeyword",
    "RegistryValue",
    "ComponentID",
    "AddressFamily",
    "Forwarding",
    "ReceiveSegmentCoalescing",
)
PROPERTIES: Mapping[str, ValueKind] = {
    **_OF_RSC,
    **dict.fromkeys(_TEXTS, "text"),
    "Enabled": "truth",
}
"""The names are the same in every language of Windows, as are True, False and a FailureReason.

Sources: learn.microsoft.com, MSFT_NetAdapterRscSettingData, MSFT_NetAdapterRscCapabilities, MSFT_NetAdapter,
MSFT_NetAdapterAdvancedPropertySettingData, MSFT_NetAdapterBindingSettingData, MSFT_NetIPInterface, MSFT_NetOffloadGlobalSetting.
"""

SETTINGS = {"Enabled": True, "Disabled": False}
"""What a setting that is on or off is printed as, ReceiveSegmentCoalescing and Forwarding."""

ONLY_OF_RSC = tuple(name for name in PROPERTIES if name.endswith(("OperationalState", "FailureReason")))
"""What no other cmdlet has: IPv4Enabled is one of Get-NetAdapterLso's and Get-NetAdapterUso's, too."""

DEFAULT_VIEW = (
    "Name",
    "IPv4Enabled",
    "IPv6Enabled",
    "IPv4OperationalState",
    "IPv6OperationalState",
    "IPv4FailureReason",
    "IPv6FailureReason",
)
"""The columns of Get-NetAdapterRsc's own table, in their order."""

_SURE = 4
"""Letters of a cut name below which it is none."""


def property_named(word: str) -> str:
    """The property that a word names, whole or cut off; empty where that cannot be told."""
    if word in PROPERTIES:
        return word
    found = [name for name in PROPERTIES if len(word) >= _SURE and name.startswith(word)]
    return found[0] if len(found) == 1 else ""
