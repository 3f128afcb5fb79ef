"""Steps for TAPs: made, put right, and given back the offloads that the host took from them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.host.journal import Thing
from provision.host.marks import device_mark, is_our_link, taps_of_our_domains
from provision.host.plan.commands import tolerant
from provision.host.plan.device_drift import is_complete, link_drift, made_anew, put_right, set_link
from provision.host.plan.diff import added
from provision.host.plan.steps import Step
from provision.runtime.command import Run
from provision.tables.offloads import BY_NAME, TSO

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from provision.facts.ethtool_features import Features
    from provision.facts.ip import Link
    from provision.host.state import HostState
    from provision.lab.spec import Lab, Machine
    from provision.render.view import MachineView
    from provision.runtime.command import Argv


def tap_steps_back_on(lab: Lab, names: Sequence[str], state: HostState) -> Iterator[Step]:
    """TAPs of machines that run whose offloads somebody on the host has switched off, and which a guest may want.

    Only what the host took can be given back (FACTS: the TAP's owner is the upper bound). Where checksum and
    scatter-gather are on and TSO is not even asked for, either side may have done it: it is tried, and the guest
    has the last word. A test NIC's `tx off` (rsc: hck) is as meant, and what somebody else made is left alone.
    """
    for name in names:
        machine = lab.machines[name]
        for nic in machine.nics:
            features = state.features.get(nic.ifname)
            if features is None or nic.profile != "true" or nic.model != "virtio":
                continue
            if _is_anothers(lab, machine, state.links.get(nic.ifname), state):
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


def _is_anothers(lab: Lab, machine: Machine, link: Link | None, state: HostState) -> bool:
    """Whether a device of that name is known not to be the machine's: we mark what we make, and libvirt does not."""
    if link is None or not (link.alias or machine.backend == "qemu"):
        return False
    return not is_our_link(lab, link, state.journal, state.boot)


def _switched_off(features: Features, offered: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words that switch on what the host has switched off, and what that changes."""
    checksum, gather = features.get(BY_NAME["guest_csum"].tap), features.get("tx-scatter-gather")
    tso = [features.get(BY_NAME[name].tap) for name in TSO.values()]
    if checksum is None or gather is None or None in tso:
        return [], []
    names: list[str] = []
    # A driver's checksum that was off all along takes TSO with it, and then nobody has asked for that.
    if not (checksum.active or checksum.requested) and any(feature and feature.requested for feature in tso):
        names.append(BY_NAME["guest_csum"].tap)
    if not (gather.active or gather.requested):  # what is asked for and off is its owner's doing
        names.append("tx-scatter-gather")
    wanted = [BY_NAME[name].tap for name in offered]
    if checksum.active and gather.active:
        names += [name for name in wanted if not features[name].active and not features[name].requested]
    words = [word for name in names for word in (name, "on")]
    return words, [line for name in names for line in (f"-   {name}: {features[name]}", f"+   {name}: on")]


def tap_steps(lab: Lab, view: MachineView, state: HostState) -> Iterator[Step]:
    """TAPs of a machine that QEMU is started on; libvirt makes its own."""
    if view.paths.pidfile(view.name) in state.processes:
        return  # a QEMU that runs has its TAPs open; one that has gone comes back with a power cycle only
    for nic in view.nics:
        spec, name = nic.spec, nic.spec.ifname
        if nic.backend.netdev != "tap" or is_complete(name, state):
            continue
        flags = ("vnet_hdr", *(("multi_queue",) if spec.queues > 1 else ()))
        do: list[Argv] = [("ip", "tuntap", "add", "dev", name, "mode", "tap", *flags)]
        if spec.mtu:
            do.append(set_link(name, "mtu", str(spec.mtu)))
        if spec.bridge:
            do.append(set_link(name, "master", spec.bridge))
        do += [set_link(name, "up"), set_link(name, "alias", device_mark(lab, view.name, spec.name))]
        undo = ("ip", "link", "del", "dev", name)
        yield Step(
            view.spec.host,
            view.name,
            f"make TAP {name}",
            f"{view.name}'s nic {spec.name} is on it"
            + (f", bridged to {spec.bridge}" if spec.bridge else ""),
            made_anew(lab, state, name, do, undo),
            (Run(undo),),
            (Thing("tap", name, view.name),),
            added(
                f"tap {name} {' '.join(flags)}",
                f"bridge {spec.bridge}" if spec.bridge else "",
                f"mtu {spec.mtu}" if spec.mtu else "",
            ),
        )


def drifted_tap_steps(lab: Lab, view: MachineView, state: HostState) -> Iterator[Step]:
    """TAPs of a machine that runs and are not as the lab file has them: another bridge, another MTU, down."""
    libvirts = taps_of_our_domains(lab, state) if view.name in state.domains else set()
    for nic in view.nics:
        spec, link = nic.spec, state.links.get(nic.spec.ifname)
        if nic.backend.netdev != "tap" or link is None or not is_complete(spec.ifname, state):
            continue
        if spec.ifname in libvirts or is_our_link(lab, link, state.journal, state.boot):
            drifts = [*link_drift(spec.ifname, link, mtu=spec.mtu, master=spec.bridge)]
            yield from put_right(view.spec.host, view.name, f"TAP {spec.ifname}", drifts)
