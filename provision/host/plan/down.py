"""What `down` removes: exactly what is ours, by the journal and by the marks. Pure."""

from __future__ import annotations

import json
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, get_args

from provision.facts.domain import parse_domain
from provision.host.journal import Kind, Thing
from provision.host.marks import is_our_domain, is_our_link, machine_of_link, taps_of_our_domains
from provision.host.plan.commands import (
    forget_lab,
    remove_files,
    remove_marked,
    remove_unused,
    stop_qemu,
    stop_tpm,
    write_journal,
)
from provision.host.plan.nics import put_back
from provision.host.plan.ovs import leave, may_be_port, our_ports
from provision.host.plan.steps import HOST, Action, Destroy, Plan, ReadBack, Step, Undefine
from provision.lab.paths import LabPaths
from provision.render.link_file import LAB_MARK
from provision.runtime.command import Run
from provision.runtime.safe_text import escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from provision.host.state import Inventory
    from provision.lab.spec import Lab

_ORDER: tuple[Kind, ...] = get_args(Kind)
_WORDS: dict[Kind, str] = {
    "process": "stop {machine}",
    "tpm": "stop {machine}",
    "domain": "remove domain {name}",
    "tap": "remove TAP {name}",
    "bridge": "remove bridge {name}",
    "file": "remove {machine}'s sockets and log",
    "disk": "remove {machine}'s overlays, firmware variables and TPM state",
    "link-file": "remove {name}",
    "nic": "put {name}'s settings back",
}

_BY_NAME: Mapping[Kind, Callable[[str], Run]] = {"tpm": stop_tpm, "file": remove_files, "disk": remove_unused}
"""What removes a thing whether it is there or not; a TPM has ended with its QEMU, unless something went wrong."""
_ACCELERATORS_MARK = '{"key": '
"""How 0.1.0's note of accelerators begins."""


def things_there(lab: Lab, state: Inventory) -> tuple[Thing, ...]:
    """Everything of the lab's that may be on the host: what the journal says, and what bears our marks.

    Files bear none: an overlay that the journal does not know was made by somebody else, a rendered script for one.
    """
    things = {thing.key: thing for thing in state.journal.things}
    for thing in _marked(lab, state):
        things.setdefault(thing.key, thing)
    return tuple(things.values())


def _marked(lab: Lab, state: Inventory) -> Iterator[Thing]:
    for link in state.links.values():
        machine = machine_of_link(lab, link, state.journal)
        if machine is not None:
            yield Thing("bridge" if link.kind == "bridge" else "tap", link.name, machine)
    yield from (Thing("tap", port, machine) for port, machine in our_ports(lab, state.ovs))
    for domain in state.domains.values():
        if is_our_domain(lab, domain):
            yield Thing("domain", domain.name, domain.name, lab.host(state.name).libvirt)
    for name in lab.machines:
        pidfile = LabPaths(lab.state_dir, lab.name).pidfile(name)
        if pidfile in state.processes:
            yield Thing("process", pidfile, name)


def _is_anothers(lab: Lab, thing: Thing, state: Inventory) -> bool:
    """Whether a device of this name is somebody else's by now; it must be forgotten, or it would pass for ours."""
    link = state.links.get(thing.name) if thing.kind in ("tap", "bridge") else None
    return link is not None and not is_our_link(lab, link, state.journal)


def _left_alone(lab: Lab, thing: Thing, state: Inventory) -> str:
    """Why a thing must be left where it is; empty where it is ours to remove."""
    if thing.kind in ("tap", "bridge"):
        return _device_left_alone(lab, thing, state)
    if thing.kind == "domain":
        uri = lab.host(state.name).libvirt
        if thing.where != uri:
            return (
                f"domain {thing.name} was made at {thing.where}, and the lab file now has {uri}: left alone"
            )
        domain = state.domains.get(thing.name)
        if domain is not None and not is_our_domain(lab, domain):
            return f"domain {thing.name} does not bear this lab's mark: left alone"
    return ""


def _device_left_alone(lab: Lab, thing: Thing, state: Inventory) -> str:
    def ours(name: str) -> bool:
        return is_our_link(lab, state.links[name], state.journal)

    if thing.name not in state.links:
        return ""
    if _is_anothers(lab, thing, state):
        return f"{thing.name} does not bear this lab's mark: left alone"
    expected = taps_of_our_domains(lab, state)
    expected |= {bridge.uplink for bridge in lab.host(state.name).bridges.values() if bridge.uplink}
    expected |= _uplinks(thing).keys()
    ports = sorted(port.name for port in state.links.values() if port.master == thing.name)
    others = [name for name in ports if name not in expected and not ours(name)]
    return (
        f"bridge {thing.name} carries {', '.join(others)}, which we did not make: left alone"
        if others
        else ""
    )


def _uplinks(thing: Thing) -> Mapping[str, bool]:
    """The NICs that we put under a bridge, and whether they were up before."""
    found: dict[str, bool] = json.loads(thing.was).get("uplinks", {}) if thing.was else {}
    return found


def _to_set_down(thing: Thing, state: Inventory) -> list[str]:
    """The uplinks that were down before we put them under a bridge where they still are."""
    there = {port.name for port in state.links.values() if port.master == thing.name}
    return [name for name, was_up in _uplinks(thing).items() if name in there and not was_up]


def _keeps_state(thing: Thing, state: Inventory) -> bool:
    """Whether a domain must stay defined so that its firmware's variables or its TPM's state stay its own."""
    domain = state.domains.get(thing.name) if thing.kind == "domain" else None
    defined = domain.persistent_xml if domain is not None else ""
    return bool(defined) and parse_domain(defined).keeps_state


def _unmake(lab: Lab, thing: Thing, state: Inventory, *, keep_disks: bool) -> Iterator[Action]:
    """The actions that remove a thing, if it is there; what is not ours has been sorted out before."""
    if thing.kind in _BY_NAME:
        yield _BY_NAME[thing.kind](thing.name)
    elif thing.kind == "process" and thing.name in state.processes:
        yield stop_qemu(thing.name)
    elif thing.kind == "domain" and thing.name in state.domains:
        domain = state.domains[thing.name]
        if domain.state != "off":
            yield Destroy(thing.name)
        if domain.persistent_xml and not (keep_disks and _keeps_state(thing, state)):
            yield Undefine(thing.name)
    elif thing.kind in ("tap", "bridge"):
        yield from _unmake_device(lab, thing, state)
    elif thing.kind == "link-file":
        yield remove_marked(thing.name, LAB_MARK.format(lab=escaped(lab.name)))
    elif thing.kind == "nic" and thing.name in state.links:
        yield from put_back(thing.name, json.loads(thing.was))
        yield ReadBack(thing.name, thing.was)


def _unmake_device(lab: Lab, thing: Thing, state: Inventory) -> Iterator[Run]:
    """What removes a TAP or bridge; a port of Open vSwitch's outlives its TAP."""
    if thing.kind == "tap" and may_be_port(thing.name, thing.machine, lab, state):
        yield leave(lab, thing.machine, thing.name)
    if thing.name in state.links:
        # The uplinks first: they are known by the bridge that they are on.
        yield from (Run(("ip", "link", "set", "dev", name, "down")) for name in _to_set_down(thing, state))
        yield Run(("ip", "link", "del", "dev", thing.name))


def _disks_kept(
    doomed: Sequence[Thing], alone: Collection[Thing], users: Mapping[str, Collection[str]]
) -> dict[Thing, str]:
    """The disks and firmware's variables that must stay, and why: a domain that stays may be using them."""
    machines = {domain.machine: domain.name for domain in alone}
    going = {thing.name for thing in doomed if thing.kind == "domain"}
    kept: dict[Thing, str] = {}
    for thing in (thing for thing in doomed if thing.kind == "disk"):
        others = {*users.get(thing.name, ())} - going
        if thing.machine in machines:
            kept[thing] = f"{thing.name} stays: domain {machines[thing.machine]} is left alone"
        elif others:
            kept[thing] = f"{thing.name} stays: domain {min(others)} names it"
    return kept


def plan_down(
    lab: Lab,
    names: Sequence[str] | None,
    state: Inventory,
    users: Mapping[str, Collection[str]] = MappingProxyType({}),
    *,
    keep_disks: bool = False,
) -> Plan:
    """What has to go so that nothing of these machines (of the lab, without names) is left on the host.

    :param users: by its path, the domains that name a disk.
    """
    things = things_there(lab, state)
    machines = {thing.machine for thing in things if thing.machine}
    going = machines if names is None else machines & set(names)
    doomed = [thing for thing in things if _goes(thing, going, machines, whole=names is None)]
    if keep_disks:
        doomed = [thing for thing in doomed if thing.kind != "disk"]
    notes = {thing: note for thing in doomed if (note := _left_alone(lab, thing, state))}
    doomed = [thing for thing in doomed if thing not in notes]
    alone = {thing: notes.pop(thing) for thing in [*notes] if thing.kind == "domain"}
    stays = alone | _disks_kept(doomed, alone, users)
    doomed = [thing for thing in doomed if thing not in stays]
    steps = _steps(lab, doomed, state, keep_disks=keep_disks)
    kept = {thing for thing in doomed if keep_disks and _keeps_state(thing, state)}
    notes |= {
        thing: f"domain {thing.name} stays defined: libvirt keeps its firmware or TPM state with it"
        for thing in kept
    }
    left = tuple(
        thing
        for thing in things
        if (thing not in doomed or thing in kept) and not _is_anothers(lab, thing, state)
    )
    closing = _closing(lab, left, going, state) if things else None
    return Plan(steps, None, closing, tuple(notes.values()), kept=tuple(stays.values()))


def _goes(thing: Thing, going: set[str], machines: set[str], *, whole: bool) -> bool:
    """Whether a thing goes with these machines: bridges with the last of them, a NIC's settings with the lab alone."""
    if thing.machine or whole:
        return whole or thing.machine in going
    return thing.kind == "bridge" and bool(going) and going == machines


def _steps(lab: Lab, doomed: Sequence[Thing], state: Inventory, *, keep_disks: bool) -> tuple[Step, ...]:
    """One step for each machine and kind; files of one kind go together."""
    actions: dict[str, tuple[Thing, list[Action]]] = {}
    for thing in sorted(doomed, key=lambda thing: _ORDER.index(thing.kind)):
        found_actions = list(_unmake(lab, thing, state, keep_disks=keep_disks))
        if found_actions:
            what = _WORDS[thing.kind].format(name=thing.name, machine=thing.machine)
            actions.setdefault(what, (thing, []))[1].extend(found_actions)
    return tuple(
        Step(state.name, thing.machine, what, "`up` made it", tuple(do))
        for what, (thing, do) in actions.items()
    )


def _closing(lab: Lab, left: tuple[Thing, ...], gone: set[str], state: Inventory) -> Step:
    paths = LabPaths(lab.state_dir, lab.name)
    gone = gone - {thing.machine for thing in left if thing.kind == "domain"}
    specs = {name: spec for name, spec in state.journal.specs.items() if name not in gone}
    kvm = {name: state.journal.kvm[name] for name in specs if name in state.journal.kvm}
    made = {name: state.journal.made[name] for name in specs if name in state.journal.made}
    disarmed = state.journal.disarmed - gone
    journal = replace(
        state.journal, file=lab.file, things=left, specs=specs, kvm=kvm, made=made, disarmed=disarmed
    )
    forget = (remove_marked(paths.accelerators_of_0_1, _ACCELERATORS_MARK), forget_lab(paths))
    do = (write_journal(paths, journal),) if left else forget
    return Step(state.name, HOST, f"bring {paths.journal} up to date", "what is gone is gone", do)
