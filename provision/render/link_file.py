"""Renders the systemd .link file that keeps a NIC's settings, and says what none can keep. Pure.

udev reads .link files when a NIC appears, and only the first that matches. So ours also carries what the file
that it takes the place of says in `[Link]`, above all how the NIC is named. An option that udev does not know, or
that the NIC does not take, is passed over without an error: what cannot be kept is refused here instead.
Sources: systemd.link(5) with its versions, systemd's src/udev/net/link-config-gperf.gperf and
src/shared/ethtool-util.c (netdev_feature_table, config_parse_coalesce_sec), ethtool's common.c (off_flag_def).
"""

from __future__ import annotations

from dataclasses import dataclass
from string import ascii_letters, digits
from typing import TYPE_CHECKING

from provision.facts.ethtool_coalesce import SWITCHES, coalesce_name
from provision.facts.link_file import LinkOptions, parse_link_options
from provision.runtime.safe_text import escaped
from provision.tables.link_options import _LARGEST, COALESCE, FEATURES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from provision.lab.spec import HostNic
    from provision.tables.link_options import LinkOption

DIRECTORY = "/etc/systemd/network"

DEFAULT_NAMING: LinkOptions = (
    ("NamePolicy", "keep kernel database onboard slot path"),
    ("AlternativeNamesPolicy", "database onboard slot path"),
    ("MACAddressPolicy", "persistent"),
)
"""99-default.link of systemd 252, for texts that are made without a host; `apply` reads the host's own."""


_PLAIN = f"{ascii_letters}{digits}._".encode()

_OURS = "# What the lab file says."


@dataclass(frozen=True, slots=True)
class KeptNic:
    """A NIC whose settings a .link file is to keep, and whose they are."""

    lab: str
    host: str
    name: str
    mac: str
    """Its permanent address: OriginalName= is the kernel's name, which at boot is never the one people know."""
    settings: HostNic


def _coalesce(settings: HostNic) -> dict[str, int | bool]:
    return {coalesce_name(name): value for name, value in settings.coalesce.items()}


def _version_refusal(row: LinkOption, systemd: int | None) -> str:
    if systemd is None or systemd >= row.since:
        return ""
    words = " and ".join(f"{option}=" for option in row.options)
    return f"systemd has {words} since version {row.since}, and this is {systemd}"


def _feature_refusal(name: str, systemd: int | None, *, on: bool) -> str:
    row = next((row for row in FEATURES if row.name == name), None)
    if row is None:
        return "systemd's .link files have no option for it"
    if row.misses and not on:
        kinds = " and ".join(
            kind.name for kind in FEATURES if kind != row and {*kind.options} <= {*row.options}
        )
        return f"systemd has no option for {row.misses}, which may stay on; {kinds} can be kept off"
    return _version_refusal(row, systemd)


def _coalesce_refusal(name: str, value: int | bool, systemd: int | None) -> str:  # noqa: FBT001
    row = next((row for row in COALESCE if row.name == name), None)
    if row is None:
        return "systemd's .link files have no option for it"
    if isinstance(value, bool) is not (name in SWITCHES):
        return "must be true or false" if name in SWITCHES else "must be a number"
    largest = _LARGEST[row.unit]
    if name not in SWITCHES and not row.least <= value <= largest:
        return f"udev takes {row.least} to {largest}, not {value}"
    return _version_refusal(row, systemd)


def link_refusals(settings: HostNic, systemd: int | None = None) -> Mapping[str, str]:
    """Why a .link file cannot keep a setting, by `features.NAME` and `coalesce.NAME`; empty where it keeps all.

    Without a version of systemd (`udevadm --version`) only what no version can keep is refused.
    """
    found = {
        f"features.{name}": _feature_refusal(name, systemd, on=on) for name, on in settings.features.items()
    } | {
        f"coalesce.{name}": _coalesce_refusal(coalesce_name(name), value, systemd)
        for name, value in settings.coalesce.items()
    }
    return {name: why for name, why in found.items() if why}


def _value(row: LinkOption, value: int | bool) -> str:  # noqa: FBT001
    return ("yes" if value else "no") if isinstance(value, bool) else f"{value}{row.unit}"


def _options(settings: HostNic) -> Mapping[str, str]:
    said: dict[str, str] = {}
    for rows, wanted in ((FEATURES, settings.features), (COALESCE, _coalesce(settings))):
        for row in rows:
            if row.name in wanted:
                said |= dict.fromkeys(row.options, _value(row, wanted[row.name]))
    return said


def _safe(name: str) -> str:
    """Letters, digits, `.` and `_`; any other byte as `=` and two hexadecimal digits."""
    return "".join(chr(byte) if byte in _PLAIN else f"={byte:02x}" for byte in name.encode())


def link_path(lab: str, name: str) -> str:
    """The file that keeps a NIC's settings; two labs, or two NICs, never have the same one.

    `10-` goes before what distributions ship, of which the last is 99-default.link.
    """
    return f"{DIRECTORY}/10-rscvm-{_safe(lab).replace('=2d', '-')}-{_safe(name)}.link"


LAB_MARK = "# rscvm: lab {lab}, "
"""How a file of a lab begins."""


def link_file_head(lab: str, host: str, name: str) -> str:
    """The first line of a .link file of ours: whose it is."""
    return f"{LAB_MARK.format(lab=escaped(lab))}host {escaped(host)}, NIC {escaped(name)}"


def carried_options(text: str) -> LinkOptions:
    """What a file of ours has to carry on of the .link file that applies now, which may be ours already.

    :raise UnreadableError: when the text is no .link file.
    """
    return parse_link_options(text.partition(f"\n{_OURS}\n")[0])


def _lines(nic: KeptNic, naming: LinkOptions) -> Iterator[str]:
    options = _options(nic.settings)
    yield link_file_head(nic.lab, nic.host, nic.name)
    yield f"# Made by `rscvm apply` for hosts.{escaped(nic.host)}.nics.{escaped(nic.name)}; a change by hand is lost."
    yield ""
    yield "[Match]"
    yield f"PermanentMACAddress={nic.mac}"
    yield ""
    yield "[Link]"
    yield "# What the file says that applied to the NIC before this one: udev reads only the first that matches."
    yield from (f"{name}={value}" for name, value in naming if name not in options)
    yield _OURS
    yield from (f"{name}={value}" for name, value in options.items())


def link_file(nic: KeptNic, naming: LinkOptions = DEFAULT_NAMING) -> str:
    """The .link file that keeps a NIC's settings, none of which may be among `link_refusals`."""
    return "\n".join([*_lines(nic, naming), ""])
