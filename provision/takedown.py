"""What `down` removes: exactly what is ours on a host, by the journal and by the marks. Pure."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from provision.facts.domain import parse_domain
from provision.ownership import Kind, Thing, link_mark
from provision.paths import LabPaths
from provision.render import NAMESPACE
from provision.steps import (
    Action,
    Destroy,
    Plan,
    Run,
    Step,
    Undefine,
    forget_lab,
    remove_files,
    stop_qemu,
    write_journal,
)
from provision.view import machine_view

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from provision.command import Domain
    from provision.facts.host import HostFound
    from provision.facts.ip import Link
    from provision.spec import Lab


def is_our_link(lab: Lab, link: Link, journal: Sequence[Thing]) -> bool:
    """Whether a device bears our mark, or bears none and the journal says that we were about to make it."""
    if link.alias:
        first, _, last = link_mark(lab.state_dir, lab.name, "-", "-").partition(" - - ")
        return link.alias.startswith(f"{first} ") and link.alias.endswith(f" {last}")
    return any(thing.name == link.name and thing.kind in ("tap", "bridge") for thing in journal)


def is_our_domain(lab: Lab, domain: Domain) -> bool:
    """Whether a domain bears our metadata for this lab."""
    mark = parse_domain(domain.persistent_xml or domain.live_xml, NAMESPACE).mark
    return mark is not None and (mark.lab, mark.machine) == (lab.name, domain.name)


def things_there(lab: Lab, host: str, found: HostFound) -> tuple[Thing, ...]:
    """Everything of the lab's that may be on the host: what the journal says, and what bears our marks."""
    things = list(found.journal)
    things += (
        Thing("bridge", link.name)
        if link.kind == "bridge"
        else Thing("tap", link.name, link.alias.split(" ")[2])
        for link in found.links.values()
        if link.alias and is_our_link(lab, link, ())
    )
    for domain in found.domains.values():
        if is_our_domain(lab, domain):
            things.append(Thing("domain", domain.name, domain.name, lab.host(host).libvirt))
    paths = LabPaths(lab.state_dir, lab.name)
    for name, spec in lab.machines.items():
        if paths.pidfile(name) in found.processes:
            things.append(Thing("process", paths.pidfile(name), name))
        if spec.host == host:
            disks = [disk.path for disk in machine_view(lab, name).disks if disk.base]
            things += (Thing("disk", path, name) for path in disks if path in found.files)
    return tuple(dict.fromkeys(things))


def _unmake(thing: Thing, found: HostFound, *, keep_disks: bool) -> Iterator[Action]:
    """The actions that remove a thing, if it is there; what is not ours has been sorted out before."""
    if thing.kind == "process" and thing.name in found.processes:
        yield stop_qemu(thing.name)
    elif thing.kind == "domain" and thing.name in found.domains:
        domain = found.domains[thing.name]
        if domain.state != "off":
            yield Destroy(thing.name)
        if domain.persistent_xml:
            yield Undefine(thing.name, keep_state=keep_disks)
    elif thing.kind in ("tap", "bridge") and thing.name in found.links:
        yield Run(("ip", "link", "del", "dev", thing.name))


def _foreign(lab: Lab, thing: Thing, found: HostFound) -> str:
    """Why a thing of the journal must be left alone; empty where it is ours."""
    link = found.links.get(thing.name)
    if thing.kind in ("tap", "bridge") and link is not None and not is_our_link(lab, link, found.journal):
        return f"{thing.name} does not bear this lab's mark: left alone"
    if thing.kind == "bridge":
        ports = [port.name for port in found.links.values() if port.master == thing.name]
        own = _taps_of_our_domains(lab, found)
        others = [
            name
            for name in ports
            if name not in own and not is_our_link(lab, found.links[name], found.journal)
        ]
        uplink = {bridge.uplink for bridge in lab.host(found.name).bridges.values()}
        if others := sorted(set(others) - uplink):
            return f"bridge {thing.name} carries {', '.join(others)}, which we did not make: left alone"
    domain = found.domains.get(thing.name)
    if thing.kind == "domain" and domain is not None and not is_our_domain(lab, domain):
        return f"domain {thing.name} does not bear this lab's mark: left alone"
    return ""


def _taps_of_our_domains(lab: Lab, found: HostFound) -> set[str]:
    """Libvirt makes the TAPs of its domains and takes them with it."""
    ours = (domain for domain in found.domains.values() if is_our_domain(lab, domain))
    return {
        nic.target for domain in ours for nic in parse_domain(domain.live_xml, NAMESPACE).nics if nic.target
    }


_ORDER: tuple[Kind, ...] = ("process", "domain", "tap", "file", "disk", "bridge")
_WORDS = {"process": "stop", "domain": "stop and undefine", "tap": "remove TAP", "bridge": "remove bridge"}


def plan_down(lab: Lab, names: Sequence[str] | None, found: HostFound, *, keep_disks: bool = False) -> Plan:
    """What has to go so that nothing of these machines (of the lab, without names) is left on the host."""
    things = things_there(lab, found.name, found)
    machines = {thing.machine for thing in things if thing.machine}
    going = machines if names is None else machines & set(names)
    last = going == machines
    doomed = [thing for thing in things if thing.machine in going or (not thing.machine and last)]
    if keep_disks:
        doomed = [thing for thing in doomed if thing.kind != "disk"]
    notes = {thing: note for thing in doomed if (note := _foreign(lab, thing, found))}
    doomed = [thing for thing in doomed if thing not in notes]
    steps: list[Step] = []
    files: dict[tuple[str, Kind], list[str]] = defaultdict(list)
    for thing in sorted(doomed, key=lambda thing: _ORDER.index(thing.kind)):
        if thing.kind in ("file", "disk"):
            files[thing.machine, thing.kind].append(thing.name)
        elif actions := tuple(_unmake(thing, found, keep_disks=keep_disks)):
            what = thing.machine if thing.kind == "process" else thing.name
            steps.append(Step(found.name, f"{_WORDS[thing.kind]} {what}", "`up` made it", actions))
    at = next((i for i, step in enumerate(steps) if step.what.startswith("remove bridge")), len(steps))
    steps[at:at] = [_removal(found.name, machine, kind, paths) for (machine, kind), paths in files.items()]
    paths = LabPaths(lab.state_dir, lab.name)
    left = tuple(thing for thing in things if thing not in doomed)
    if things:
        end = write_journal(paths, left) if left else forget_lab(paths)
        steps.append(Step(found.name, f"bring {paths.journal} up to date", "what is gone is gone", (end,)))
    return Plan(tuple(steps), tuple(notes.values()))


def _removal(host: str, machine: str, kind: Kind, paths: Sequence[str]) -> Step:
    what = "overlays and firmware variables" if kind == "disk" else "sockets and log"
    return Step(host, f"remove {machine}'s {what}", "`up` made them", (remove_files(*paths),))
