"""Why a physical NIC cannot be set as declared, as far as that is known beforehand. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.facts.ethtool_coalesce import SWITCHES, coalesce_name
from provision.host.plan.nics import SHORT, is_ours, setting_word
from provision.render.link_file import link_path, link_refusals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from provision.host.state import HostState, NicState
    from provision.lab.spec import HostNic, Lab


def nic_obstacles(lab: Lab, host: str, state: HostState) -> Iterator[str]:
    """Why a NIC cannot be set as it is declared, as far as that is known before it is tried."""
    for device, settings in lab.host(host).nics.items():
        nic = state.nics.get(device)
        if device not in state.links:
            name = next((link.name for link in state.links.values() if device in link.others), "")
            yield f"hosts.{host}.nics.{device}: " + (
                f"that is another name of {name}: say {name}" if name else "there is no such device"
            )
        elif nic is None or nic.features is None:
            yield f"hosts.{host}.nics.{device}: its features cannot be read: {nic.trouble if nic else 'not asked'}"
        else:
            path = link_path(lab.name, device)
            yield from _nic_obstacles(f"hosts.{host}.nics.{device}", settings, nic, path)
            if settings.persist == "link" and not nic.connection and nic.link and not is_ours(lab, nic.link):
                yield f"hosts.{host}.nics.{device}: persist: link writes {path}, where somebody has a file that is not ours"


def _name(path: str) -> str:
    """What udev sorts .link files by, whichever directory they are in; nothing sorts before one that is not known."""
    return path.rpartition("/")[2] or "~"


def _nic_obstacles(where: str, settings: HostNic, nic: NicState, path: str) -> Iterator[str]:
    features = nic.features or {}
    for name, on in settings.features.items():
        if name not in features:
            long = next((long for long, short in SHORT.items() if short == name), "")
            yield f"{where}.features.{name}: " + (
                f"say {long}, as `ethtool -k` prints it" if long else "the NIC has no such feature"
            )
        elif features[name].fixed and features[name].active is not on:
            yield f"{where}.features.{name}: its driver has it fixed {setting_word(features[name].active)}"
    yield from _coalesce_obstacles(where, settings, nic)
    if settings.persist == "link" and not nic.connection:
        for name, why in link_refusals(settings, nic.systemd).items():
            yield f"{where}.{name}: persist: link cannot keep it: {why}"
        if _name(nic.naming_file) < _name(path):
            yield (
                f"{where}: persist: link would be passed over: {nic.naming_file} applies to the NIC and sorts before "
                f"{_name(path)}, and udev reads only the first"
            )
        if not nic.permanent_mac:
            yield f"{where}: persist: link needs a permanent MAC address, by which udev knows the NIC, and it has none"


def _coalesce_obstacles(where: str, settings: HostNic, nic: NicState) -> Iterator[str]:
    for name, value in settings.coalesce.items():
        word = coalesce_name(name)
        if nic.coalesce is None:
            yield f"{where}.coalesce.{name}: {nic.trouble or 'the NIC has no coalescing'}"
        elif word not in nic.coalesce:
            if word not in SWITCHES or value is not False:  # what it does not have is off
                yield f"{where}.coalesce.{name}: the driver does not support it"
        elif isinstance(value, bool) is not (word in SWITCHES):
            yield f"{where}.coalesce.{name}: must be {'true or false' if word in SWITCHES else 'a number'}"
