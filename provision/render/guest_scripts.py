"""Renders the scripts that are run in guests, and the commands that take back what they change. Pure.

Those of PowerShell run on Windows PowerShell 3.0 (Server 2012) and later, and answer one line of JSON in ASCII.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from provision.runtime.guest_channel import Script
from provision.runtime.powershell import literal, pattern
from provision.runtime.templates import shipped_text, template
from provision.tables.families import FAMILY_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from provision.facts.guest_change import GuestChange, Kind

KEYWORDS = (
    "*RscIPv4",
    "*RscIPv6",
    "*NdisPoll",
    "*NumRssQueues",
    "*RSS",
    "*LsoV2IPv4",
    "*LsoV2IPv6",
    "*UsoIPv4",
    "*UsoIPv6",
    "*JumboPacket",
    "MergeableBuffers",
    "FastInit",
    "RxCapacity",
    "TxCapacity",
    "OffLoad.RxCS",
    "OffLoad.TxChecksum",
    "OffLoad.TxLSO",
)
"""NetKVM's registry keywords that are asked for (its netkvm-base.txt, netkvm-add-poll.txt and netkvm-add-uso.txt)."""


def ask_windows() -> Script:
    """What a Windows guest tells of RSC; it changes nothing."""
    return _powershell("rsc", keywords=KEYWORDS)


def ask_linux() -> Script:
    """What a Linux guest tells of its NICs; it changes nothing."""
    return Script("sh", "linux", shipped_text("guest/linux.sh"))


def enable_rsc(mac: str, families: Iterable[str]) -> Script:
    """Switches RSC of `ipv4`, `ipv6` on at an adapter, which is restarted by it."""
    return _powershell("fix-rsc", mac=_digits(mac), families=_named(families))


def enable_offload_globally() -> Script:
    """Switches RSC on for the whole guest."""
    return _powershell("fix-global")


def set_keyword(mac: str, keyword: str, value: str) -> Script:
    """Sets a registry keyword of the driver's at an adapter, which is restarted by it."""
    return _powershell("fix-keyword", mac=_digits(mac), keyword=keyword, value=value)


def stop_forwarding(mac: str, families: Iterable[str]) -> Script:
    """Stops the forwarding of `ipv4`, `ipv6` at an adapter's interface."""
    return _powershell("fix-forwarding", mac=_digits(mac), families=_named(families))


def enable_linux(mac: str) -> Script:
    """Switches what RSC is in a Linux guest on at an adapter."""
    return _sh("fix-linux", mac=mac.lower())


def ask_hck_leftovers() -> Script:
    """What HLK's RSC test has left in a Windows guest; it changes nothing."""
    return _powershell("hck-leftovers")


def remove_hck_leftovers(named: Iterable[str] | None = None) -> Script:
    """Removes them, those of these kinds and names alone (`package oem12.inf`); by hand, where none are said, all that it finds."""
    return _powershell("hck-cleanup", named=None if named is None else list(named))


def serve(mac: str, port: int, seconds: int) -> Script:
    """Starts an iperf3 server in a Linux guest, which ends after so many seconds; tells an adapter's addresses."""
    return _sh("serve", mac=mac.lower(), port=port, seconds=seconds)


def end_serving() -> Script:
    """Ends that server, and any that a `bench` which was cut off has left."""
    return Script("sh", "serve-end", shipped_text("guest/serve-end.sh"))


def serve_windows(mac: str, port: int, seconds: int, program: str) -> Script:
    """The same in a Windows guest, where iperf3.exe has this path."""
    values = {"port": port, "seconds": seconds, "program": program}
    keeper = template("guest/serve-keeper.ps1.j2", escape=False, trim=True).render(**values)
    return _powershell("serve", mac=_digits(mac), keeper=keeper, **values)


def end_serving_windows() -> Script:
    """Ends that, and what a `bench` that was cut off has left."""
    return Script("powershell", "serve-end", shipped_text("guest/serve-end.ps1"))


def ask_work() -> Script:
    """What a Linux guest tells of its processors' time; it changes nothing."""
    return Script("sh", "work", shipped_text("guest/work.sh"))


def ask_coalesced(mac: str) -> Script:
    """What NetKVM has counted at an adapter of a Windows guest; it changes nothing."""
    return _powershell("coalesced", mac=_digits(mac))


@dataclass(frozen=True, slots=True)
class GuestScript:
    """A script by its name, for `explain --script`."""

    does: str
    example: Callable[[], Script]
    """It as it is run; where values of a machine stand in it, with these of an example."""


_MAC = "52:54:00:12:34:56"

GUEST_SCRIPTS = {
    "rsc": GuestScript("asks a Windows guest about RSC, and changes nothing", ask_windows),
    "linux": GuestScript("asks a Linux guest about its NICs, and changes nothing", ask_linux),
    "fix-rsc": GuestScript(
        "switches RSC on at an adapter, which restarts (Enable-NetAdapterRsc)",
        lambda: enable_rsc(_MAC, ("ipv4", "ipv6")),
    ),
    "fix-global": GuestScript(
        "switches RSC on for the whole Windows guest (Set-NetOffloadGlobalSetting)", enable_offload_globally
    ),
    "fix-keyword": GuestScript(
        "sets a registry keyword of the driver's at an adapter, which restarts (Set-NetAdapterAdvancedProperty)",
        lambda: set_keyword(_MAC, "*RscIPv4", "1"),
    ),
    "fix-forwarding": GuestScript(
        "stops an interface's forwarding (Set-NetIPInterface)", lambda: stop_forwarding(_MAC, ("ipv4", "ipv6"))
    ),
    "hck-leftovers": GuestScript(
        'asks a Windows guest what HLK\'s "Run RSC Tests" has left in it, and changes nothing', ask_hck_leftovers
    ),
    "hck-cleanup": GuestScript(
        "removes that by hand, all that it finds (netcfg, pnputil); `hck cleanup` names what it may remove",
        remove_hck_leftovers,
    ),
    "serve": GuestScript("starts iperf3's server in a Linux guest, for a while (`bench`)", lambda: serve(_MAC, 5202, 120)),
    "serve-end": GuestScript("ends it", end_serving),
    "serve-windows": GuestScript(
        "starts iperf3's server in a Windows guest, for a while (`bench`)",
        lambda: serve_windows(_MAC, 5202, 120, r"C:\Program Files\iperf3\iperf3.exe"),
    ),
    "serve-windows-end": GuestScript("ends it", end_serving_windows),
    "work": GuestScript("asks a Linux guest for its processors' time, and changes nothing", ask_work),
    "coalesced": GuestScript(
        "asks a Windows guest how much NetKVM was handed in large frames, and changes nothing",
        lambda: ask_coalesced(_MAC),
    ),
    "fix-linux": GuestScript("switches rx-gro-hw on at a Linux guest's adapter (ethtool)", lambda: enable_linux(_MAC)),
}  # fmt: skip


def restoring(change: GuestChange) -> list[str]:
    """The commands that set again, in the guest, what a script has changed there or may have; PowerShell's, or a shell's."""
    return list(_RESTORING[change.kind](change.adapter, {**change.unread, **change.changed}))


def _of_rsc(adapter: str, was: Mapping[str, str]) -> Iterator[str]:
    for family, old in was.items():
        verb = "Enable" if old == "True" else "Disable"
        if family in FAMILY_NAMES.values():
            yield f"{verb}-NetAdapterRsc -Name {pattern(adapter)} -{family}"


def _of_global(_adapter: str, was: Mapping[str, str]) -> Iterator[str]:
    for old in was.values():
        yield f"Set-NetOffloadGlobalSetting -ReceiveSegmentCoalescing {literal(old)}"


def _of_keyword(adapter: str, was: Mapping[str, str]) -> Iterator[str]:
    for keyword, old in was.items():
        named = f"-Name {pattern(adapter)} -RegistryKeyword {pattern(keyword)}"
        yield f"Set-NetAdapterAdvancedProperty {named} -RegistryValue {literal(old)}"


def _of_forwarding(adapter: str, was: Mapping[str, str]) -> Iterator[str]:
    for family, old in was.items():
        named = f"-InterfaceAlias {pattern(adapter)} -AddressFamily {literal(family)}"
        yield f"Set-NetIPInterface {named} -Forwarding {literal(old)}"


def _of_linux(adapter: str, was: Mapping[str, str]) -> Iterator[str]:
    for feature, old in was.items():
        yield shlex.join(("ethtool", "-K", adapter, feature, old))


_RESTORING: dict[Kind, Callable[[str, Mapping[str, str]], Iterator[str]]] = {
    "rsc": _of_rsc,
    "global": _of_global,
    "keyword": _of_keyword,
    "forwarding": _of_forwarding,
    "linux": _of_linux,
}


def _powershell(name: str, **values: object) -> Script:
    text = template(f"guest/{name}.ps1.j2", escape=False, trim=True).render(**values)
    return Script("powershell", name, text)


def _sh(name: str, **values: object) -> Script:
    text = template(f"guest/{name}.sh.j2", escape=False, trim=True).render(**values)
    return Script("sh", name, text)


def _digits(mac: str) -> str:
    """A MAC address as Windows' PermanentAddress has it."""
    return mac.replace(":", "").replace("-", "").upper()


def _named(families: Iterable[str]) -> list[str]:
    return [FAMILY_NAMES[family] for family in families]
