"""Steps for TAPs: made, put right, and given back the offloads that the host took from them. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from provision.facts.ethtool_features import Feature
from provision.host.journal import Thing
from provision.host.marks import device_mark, is_our_link
from provision.host.plan.commands import set_features
from provision.host.plan.device_drift import WIRE_QUEUE, link_drift, put_right, set_link
from provision.host.plan.diff import added
from provision.host.plan.making import Made
from provision.host.plan.ovs import join, leave, port_drift
from provision.host.plan.steps import Step
from provision.runtime.command import Run
from provision.tables.offloads import BY_NAME, MANGLEID, TSO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from provision.facts.ethtool_features import Features
    from provision.facts.ip import Link
    from provision.host.state import HostState, Inventory
    from provision.lab.spec import Lab, Nic
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
            if not is_its_own(lab, name, nic.ifname, state):
                continue
            offered = [name for name in TSO.values() if nic.wanted().get(name)]
            if names := taken_by_host(features, offered):
                yield switch_step(
                    (machine.host, name),
                    nic.ifname,
                    dict.fromkeys(names, True),
                    features,
                    (
                        f"switch {nic.ifname}'s offloads back on",
                        f"{name}.{nic.name} is to receive large frames, and they are off on the host's side",
                    ),
                )


def switch_step(
    where: tuple[str, str], tap: str, switched: Mapping[str, bool], found: Features, words: tuple[str, str]
) -> Step:
    """Ask a TAP for features, or switch them off; its guest has the last word.

    :param where: host and scope.
    :param words: what it does, and why.
    """
    lines = (
        line
        for name, on in switched.items()
        for line in (f"-   {name}: {found.get(name)}", f"+   {name}: {'on' if on else 'off'}")
    )
    return Step(
        *where,
        *words,
        (set_features(tap, switched),),
        (set_features(tap, {name: not on for name, on in switched.items()}),),
        diff=(f"  {tap}", *lines),
        exclusive=False,
        attempt=True,
        features=switched,
        devices=(tap,),
    )


def late_steps(lab: Lab, names: Sequence[str], state: Inventory) -> Iterator[Step]:
    """What is set of TAPs that are there: no driver negotiates it, libvirt has no word for it, and it ends with the TAP.

    They are to take large frames of one IP ID, and are not asked to; or are on a wire, and do not queue as much as it.
    """
    for name, nic, late in _late(lab, names):
        link = state.links.get(nic.ifname)
        if link and is_its_own(lab, name, nic.ifname, state) and late.is_set(link, state) is False:
            yield late.step(lab, name, nic, link, state)


def unproven_late(lab: Lab, names: Sequence[str], state: Inventory) -> Iterator[str]:
    """TAPs of which something should be set, and that are not known to be their machines'."""
    for name, nic, late in _late(lab, names):
        link = state.links.get(nic.ifname)
        if link and not is_its_own(lab, name, nic.ifname, state) and not late.is_set(link, state):
            yield f"{name}.{nic.name}: {late.what} is not set: that {nic.ifname} is its TAP is not proven"


def set_later(lab: Lab, name: str, state: HostState) -> Iterator[str]:
    """What is set of TAPs that libvirt makes when it starts the machine, so only then."""
    domain = state.domains.get(name)
    if lab.machines[name].backend == "libvirt" and (domain is None or domain.state == "off"):
        for _, nic, late in _late(lab, [name]):
            yield f"{name}.{nic.name}: {late.what} of its TAP is set once it runs"


def with_late(lab: Lab, names: Sequence[str]) -> list[str]:
    """The machines of which TAPs are set once they run."""
    libvirts, late = {name for name in names if lab.machines[name].backend == "libvirt"}, _late(lab, names)
    return list(dict.fromkeys(name for name, _, row in late if name in libvirts or not row.from_the_start))


def _on_wire(lab: Lab, machine: str, nic: Nic) -> bool:
    bridge = lab.host(lab.machines[machine].host).bridges.get(nic.bridge or "")
    return bridge is not None and bridge.wire


def _queue_step(lab: Lab, machine: str, nic: Nic, link: Link, _: Inventory) -> Step:
    longer, shorter = (set_link(link.name, "txqueuelen", str(length)) for length in (WIRE_QUEUE, link.queue))
    libvirts = lab.machines[machine].backend == "libvirt"
    return Step(
        lab.machines[machine].host,
        machine,
        f"let {link.name} queue {WIRE_QUEUE} packets",
        f"{machine}.{nic.name} is on a bridge that stands for a cable"
        + (", and libvirt has no setting for it" if libvirts else ""),
        (Run(longer),),
        (Run(shorter),),
        diff=(f"  {link.name}", f"-   txqueuelen {link.queue}", f"+   txqueuelen {WIRE_QUEUE}"),
        exclusive=False,
        devices=(link.name,),
    )


def _mangling_step(lab: Lab, machine: str, nic: Nic, found: Features) -> Step:
    words = (
        f"let {nic.ifname} take large frames of one IP ID",
        f"{machine}.{nic.name} has mangleid: senders such as FreeBSD give all packets one IP ID",
    )
    where = (lab.machines[machine].host, machine)
    return switch_step(where, nic.ifname, {MANGLEID: True}, found, words)


def _is_mangling(link: Link, state: Inventory) -> bool | None:
    there = state.features.get(link.name, {}).get(MANGLEID)
    return None if there is None else there.active or there.requested


@dataclass(frozen=True, slots=True)
class _Late:
    """What a TAP is to have that libvirt does not give it."""

    what: str
    wanted: Callable[[Lab, str, Nic], bool]
    is_set: Callable[[Link, Inventory], bool | None]
    """None: it is not known."""
    step: Callable[[Lab, str, Nic, Link, Inventory], Step]
    from_the_start: bool
    """Whether a TAP that we make has it."""


_LATE = (
    _Late(
        MANGLEID,
        lambda _lab, _name, nic: bool(nic.mangleid),
        _is_mangling,
        lambda lab, name, nic, link, state: _mangling_step(lab, name, nic, state.features[link.name]),
        from_the_start=False,
    ),
    _Late(
        f"txqueuelen {WIRE_QUEUE}",
        _on_wire,
        lambda link, _: link.queue == WIRE_QUEUE,
        _queue_step,
        from_the_start=True,
    ),
)


def _late(lab: Lab, names: Sequence[str]) -> Iterator[tuple[str, Nic, _Late]]:
    """Machine, NIC, and what its TAP is to have."""
    for name in names:
        for nic in lab.machines[name].nics:
            yield from ((name, nic, late) for late in _LATE if late.wanted(lab, name, nic))


def is_its_own(lab: Lab, machine: str, tap: str, state: Inventory) -> bool:
    """Whether a device is proven to be the machine's: its QEMU holds it, or it bears our mark; libvirt marks nothing."""
    link = state.links.get(tap)
    return link is not None and (tap in state.held.get(machine, ()) or is_our_link(lab, link, state.journal))


def taken_by_host(features: Features, offered: Iterable[str], *, negotiated: bool = False) -> list[str]:
    """The features that the host has taken from a TAP, or may have: off, and asked for by nobody since.

    What is asked for and off all the same is its owner's doing. Checksum that was off all along takes TSO with it, and
    nobody has asked for that; so it counts only where TSO is asked for, or where a driver is known to have `negotiated`.

    :param offered: QEMU's names of the TSO that the device offers.
    """
    checksum, gather = BY_NAME["guest_csum"].tap, "tx-scatter-gather"
    wanted = [BY_NAME[name].tap for name in offered]
    if not {checksum, gather, *(BY_NAME[name].tap for name in TSO.values())} <= features.keys():
        return []
    off = {name for name in (checksum, gather, *wanted) if _is_plainly_off(features[name])}
    asked = any(features[BY_NAME[name].tap].requested for name in TSO.values())
    if not (negotiated or asked):
        off -= {checksum}
    if not (negotiated or (features[checksum].active and features[gather].active)):
        off -= {*wanted}
    return [name for name in (checksum, gather, *wanted) if name in off]


def _is_plainly_off(feature: Feature) -> bool:
    return not (feature.active or feature.requested or feature.fixed)


def _flags(nic: Nic) -> tuple[str, ...]:
    return ("vnet_hdr", *(("multi_queue",) if nic.queues > 1 else ()))


def made_tap(lab: Lab, machine: str, nic: Nic, *, ovs: bool) -> Made:
    """How a NIC's TAP is made.

    :param ovs: whether its bridge is Open vSwitch's.
    """
    name = nic.ifname
    more: list[Argv] = []
    if nic.mtu:
        more.append(set_link(name, "mtu", str(nic.mtu)))
    if nic.bridge and ovs:
        more.append(join(lab, machine, name, nic.bridge, nic.vlan))
    elif nic.bridge:
        more.append(set_link(name, "master", nic.bridge))
    if _on_wire(lab, machine, nic):
        more.append(set_link(name, "txqueuelen", str(WIRE_QUEUE)))
    add = ("ip", "tuntap", "add", "dev", name, "mode", "tap", *_flags(nic))
    return Made(name, device_mark(lab, machine, nic.name), add, (*more, set_link(name, "up")))


_FRESH: Features = {MANGLEID: Feature(active=False, requested=False, fixed=False)}
"""Of a TAP that has just been made."""


def tap_steps(lab: Lab, view: MachineView, state: HostState) -> Iterator[Step]:
    """TAPs of a machine that QEMU is started on; libvirt makes its own."""
    if view.paths.pidfile(view.name) in state.processes:
        return  # a QEMU that runs has its TAPs open; one that has gone comes back with a power cycle only
    for nic in view.nics:
        spec, name = nic.spec, nic.spec.ifname
        if nic.backend.netdev != "tap" or name in state.links:
            continue
        made = made_tap(lab, view.name, spec, ovs=nic.ovs)
        off = (leave(lab, view.name, name),) if nic.ovs else ()
        yield Step(
            view.spec.host,
            view.name,
            f"make TAP {name}",
            f"{view.name}'s nic {spec.name} is on it"
            + (f", bridged to {spec.bridge}" if spec.bridge else ""),
            made.make(lab),
            (*off, made.unmake(lab)),
            (Thing("tap", name, view.name),),
            added(
                f"tap {name} {' '.join(_flags(spec))}",
                f"bridge {spec.bridge}" if spec.bridge else "",
                f"vlan {spec.vlan}" if spec.vlan else "",
                f"mtu {spec.mtu}" if spec.mtu else "",
            ),
        )
        if spec.mangleid:
            yield _mangling_step(lab, view.name, spec, _FRESH)


def drifted_tap_steps(lab: Lab, view: MachineView, state: HostState) -> Iterator[Step]:
    """TAPs of a machine that runs and are not as the lab file has them: another bridge, another MTU, down."""
    for nic in view.nics:
        spec, link = nic.spec, state.links.get(nic.spec.ifname)
        if not nic.backend.tap or link is None:
            continue
        if is_its_own(lab, view.name, spec.ifname, state):
            network = state.networks.get(spec.network or "")
            bridge = spec.bridge or (network.facts.bridge if network and network.active else None)
            # A port of Open vSwitch's has its datapath for a master, or none.
            master = bridge if bridge not in state.ovs.bridges else None
            now = replace(link, master="") if spec.ifname in state.ovs.ports else link
            drifts = [
                *port_drift(lab, view.name, spec, state),
                *link_drift(spec.ifname, now, mtu=spec.mtu, master=master),
            ]
            yield from put_right(view.spec.host, view.name, f"TAP {spec.ifname}", drifts)
