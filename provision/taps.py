"""TAPs whose offloads somebody on the host has switched off, and that a guest wants. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.offloads import BY_NAME, TSO
from provision.ownership import is_our_link
from provision.steps import Step, tolerant

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from provision.facts.ethtool import Features
    from provision.facts.ip import Link
    from provision.found import HostFound
    from provision.spec import Lab, Machine


def tap_steps_back_on(lab: Lab, names: Sequence[str], found: HostFound) -> Iterator[Step]:
    """TAPs of machines that run whose offloads somebody on the host has switched off, and which a guest may want.

    Only what the host took can be given back (FACTS: the TAP's owner is the upper bound). Where checksum and
    scatter-gather are on and TSO is not even asked for, either side may have done it: it is tried, and the guest
    has the last word. A test NIC's `tx off` (rsc: hck) is as meant, and what somebody else made is left alone.
    """
    for name in names:
        machine = lab.machines[name]
        for nic in machine.nics:
            features = found.features.get(nic.ifname)
            if features is None or nic.profile != "true" or nic.model != "virtio":
                continue
            if _is_anothers(lab, machine, found.links.get(nic.ifname), found):
                continue
            offered = [name for name in TSO.values() if nic.wanted().get(name)]
            words, lines = _switched_off(features, offered)
            if words:
                yield Step(
                    machine.host,
                    name,
                    f"switch {nic.ifname}'s offloads back on",
                    f"{name}.{nic.name} is to receive large frames, and they are off on the host's side",
                    (tolerant("ethtool", "-K", nic.ifname, *words),),
                    (tolerant("ethtool", "-K", nic.ifname, *("off" if w == "on" else w for w in words)),),
                    diff=(f"  {nic.ifname}", *lines),
                    exclusive=False,
                    attempt=True,
                )


def _is_anothers(lab: Lab, machine: Machine, link: Link | None, found: HostFound) -> bool:
    """Whether a device of that name is known not to be the machine's: we mark what we make, and libvirt does not."""
    if link is None or not (link.alias or machine.backend == "qemu"):
        return False
    return not is_our_link(lab, link, found.journal, found.boot)


def _switched_off(features: Features, offered: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words that switch on what the host has switched off, and what that changes."""
    checksum, gather = features.get(BY_NAME["guest_csum"].tap), features.get("tx-scatter-gather")
    tso = [features.get(BY_NAME[name].tap) for name in TSO.values()]
    if checksum is None or gather is None or None in tso:
        return [], []
    names: list[str] = []
    if not (checksum.active or checksum.requested) and any(feature and feature.requested for feature in tso):
        names.append(
            BY_NAME["guest_csum"].tap
        )  # a driver's checksum that was off all along takes TSO with it
    if not (gather.active or gather.requested):  # what is asked for and off is its owner's doing
        names.append("tx-scatter-gather")
    wanted = [BY_NAME[name].tap for name in offered]
    if checksum.active and gather.active:
        names += [name for name in wanted if not features[name].active and not features[name].requested]
    words = [word for name in names for word in (name, "on")]
    return words, [line for name in names for line in (f"-   {name}: {features[name]}", f"+   {name}: on")]
