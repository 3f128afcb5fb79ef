"""Spec to steps; each says why, and how to take it back. Pure: what was found on the host is handed in."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from provision.facts.domain import parse_domain
from provision.names import derived_mac
from provision.ownership import Thing, link_mark
from provision.paths import LabPaths
from provision.render import NAMESPACE, PROGRAM, domain_xml, qemu_argv
from provision.steps import (
    Define,
    Destroy,
    Plan,
    Run,
    Start,
    Step,
    Undefine,
    forget_lab,
    machine_files,
    remove_files,
    stop_qemu,
    write_journal,
)
from provision.view import Choices, MachineView, machine_view

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from provision.command import Argv
    from provision.facts.host import HostFound
    from provision.spec import Bridge, Lab, Machine


def choices(machine: Machine, name: str, found: HostFound) -> Choices:
    """What `auto` comes to on this host. vhost goes with KVM, as libvirt has it."""
    works = found.accelerators is not None and found.accelerators.kvm_is_of_use
    kvm = machine.accel == "kvm" or (machine.accel == "auto" and works)
    qemu = found.qemus.get(name)
    return Choices(kvm=kvm, vhost=kvm and found.vhost, properties=qemu.properties if qemu else None)


def chosen_view(lab: Lab, name: str, found: HostFound) -> MachineView:
    """A machine as it would be made on this host."""
    return machine_view(lab, name, choices(lab.machines[name], name, found))


def started_argv(view: MachineView) -> Argv:
    """The command line with which a machine is started in the background."""
    return (*qemu_argv(view, program=PROGRAM), "-daemonize")


def _bridge_step(lab: Lab, host: str, name: str, bridge: Bridge) -> Step:
    mark = link_mark(lab.state_dir, lab.name, "", name)
    do: list[Argv] = [
        ("ip", "link", "add", "name", name, "type", "bridge", "stp_state", "0", "forward_delay", "0"),
        ("ip", "link", "set", "dev", name, "alias", mark),
    ]
    if bridge.mtu:
        do.append(("ip", "link", "set", "dev", name, "mtu", str(bridge.mtu)))
    if bridge.uplink:
        do.append(("ip", "link", "set", "dev", bridge.uplink, "master", name))
        do.append(("ip", "link", "set", "dev", bridge.uplink, "up"))
    else:  # else the bridge would take the lowest address of its ports, a new one whenever a TAP comes
        do.append(("ip", "link", "set", "dev", name, "address", derived_mac(lab.name, "bridge", name)))
    if bridge.address:
        do.append(("ip", "address", "add", bridge.address, "dev", name))
    do.append(("ip", "link", "set", "dev", name, "up"))
    return Step(
        host,
        f"make bridge {name}",
        f"hosts.{host}.bridges declares it, and it is not there",
        tuple(map(Run, do)),
        (Run(("ip", "link", "del", "dev", name)),),
        (Thing("bridge", name),),
    )


def bridge_steps(lab: Lab, host: str, names: Sequence[str], found: HostFound) -> Iterator[Step]:
    """Declared bridges that the machines use and the host does not have."""
    used = {nic.bridge for name in names for nic in lab.machines[name].nics}
    for name, bridge in lab.host(host).bridges.items():
        if name in used and name not in found.links:
            yield _bridge_step(lab, host, name, bridge)


def tap_steps(lab: Lab, view: MachineView, found: HostFound) -> Iterator[Step]:
    """TAPs of a machine that QEMU is started on; libvirt makes its own."""
    for nic in view.nics:
        spec = nic.spec
        if nic.backend.netdev != "tap" or spec.ifname in found.links:
            continue
        mark = link_mark(lab.state_dir, lab.name, view.name, spec.name)
        flags = ("vnet_hdr", *(("multi_queue",) if spec.queues > 1 else ()))
        do: list[Argv] = [
            ("ip", "tuntap", "add", "dev", spec.ifname, "mode", "tap", *flags),
            ("ip", "link", "set", "dev", spec.ifname, "alias", mark),
        ]
        if spec.mtu:
            do.append(("ip", "link", "set", "dev", spec.ifname, "mtu", str(spec.mtu)))
        if spec.bridge:
            do.append(("ip", "link", "set", "dev", spec.ifname, "master", spec.bridge))
        do.append(("ip", "link", "set", "dev", spec.ifname, "up"))
        yield Step(
            view.spec.host,
            f"make TAP {spec.ifname}",
            f"{view.name}'s nic {spec.name} is on it"
            + (f", bridged to {spec.bridge}" if spec.bridge else ""),
            tuple(map(Run, do)),
            (Run(("ip", "link", "del", "dev", spec.ifname)),),
            (Thing("tap", spec.ifname, view.name),),
        )


def file_steps(view: MachineView, found: HostFound) -> Iterator[Step]:
    """Overlays and firmware variables; a base image is only ever read."""
    for disk in view.disks:
        if disk.base and disk.path not in found.files:
            yield Step(
                view.spec.host,
                f"make overlay {disk.path}",
                f"{view.name} writes there and leaves {disk.base} as it is",
                (
                    Run(
                        (
                            "qemu-img",
                            "create",
                            "-q",
                            "-f",
                            "qcow2",
                            "-b",
                            disk.base,
                            "-F",
                            disk.base_format,
                            disk.path,
                        )
                    ),
                ),
                (remove_files(disk.path),),
                (Thing("disk", disk.path, view.name),),
                exclusive=False,
            )
    own = view.paths.firmware(view.name)
    if view.code and view.spec.backend == "qemu" and own not in found.files:
        yield Step(
            view.spec.host,
            f"copy {view.vars} to {own}",
            f"{view.name}'s firmware keeps its variables there",
            (Run(("cp", "--", view.vars, own)),),
            (remove_files(own),),
            (Thing("disk", own, view.name),),
            exclusive=False,
        )


def _qemu_steps(view: MachineView, found: HostFound) -> Iterator[Step]:
    pidfile = view.paths.pidfile(view.name)
    if pidfile not in found.processes:
        yield Step(
            view.spec.host,
            f"start {view.name}",
            "its QEMU is not running",
            (Run(started_argv(view)),),
            (stop_qemu(pidfile), remove_files(*machine_files(view.paths, view.name))),
            (
                *(Thing("file", path, view.name) for path in machine_files(view.paths, view.name)),
                Thing("process", pidfile, view.name),
            ),
            exclusive=False,
        )


def _domain_steps(lab: Lab, view: MachineView, found: HostFound) -> Iterator[Step]:
    xml, name, host = domain_xml(view), view.name, view.spec.host
    domain = found.domains.get(name)
    thing = Thing("domain", name, name, lab.host(host).libvirt)
    if domain is None:
        yield Step(
            host, f"define {name}", "libvirt does not have it", (Define(xml),), (Undefine(name),), (thing,)
        )
    elif domain.state == "off" and _differs(domain.persistent_xml, xml):
        undo = (Define(domain.persistent_xml),) if domain.persistent_xml else ()
        yield Step(host, f"define {name} anew", "the lab file has changed", (Define(xml),), undo, (thing,))
    if domain is None or domain.state == "off":
        yield Step(host, f"start {name}", "it is not running", (Start(name),), (Destroy(name),), (thing,))


def _differs(there: str, wanted: str) -> bool:
    """Whether a domain was made from another rendering than this."""
    return not there or parse_domain(there, NAMESPACE).mark != parse_domain(wanted, NAMESPACE).mark


def _drift(view: MachineView, found: HostFound) -> Iterator[str]:
    process = found.processes.get(view.paths.pidfile(view.name))
    if process is not None and process.argv != started_argv(view):
        changed = sorted(set(started_argv(view)).symmetric_difference(process.argv))
        yield f"{view.name} runs with another command line than the lab file has: {'; '.join(changed[:4])}"
    domain = found.domains.get(view.name)
    if domain is not None and domain.state != "off" and _differs(domain.live_xml, domain_xml(view)):
        yield f"{view.name} runs from another definition than the lab file has"


def _left_out(view: MachineView, found: HostFound) -> Iterator[str]:
    qemu = found.qemus.get(view.name)
    for nic in view.nics if qemu else ():
        unsaid = sorted(nic.spec.wanted().keys() - dict(nic.properties))
        if qemu and unsaid:
            yield f"QEMU {qemu.version} has no {', '.join(unsaid)}: left out"


def plan_up(lab: Lab, host: str, names: Sequence[str], found: HostFound) -> Plan:
    """What has to change on the host so that these machines run; nothing where they do."""
    steps: list[Step] = [*bridge_steps(lab, host, names, found)]
    notes: list[str] = []
    drift: list[str] = []
    for name in names:
        view = chosen_view(lab, name, found)
        steps += file_steps(view, found)
        if view.spec.backend == "qemu":
            steps += tap_steps(lab, view, found)
            steps += _qemu_steps(view, found)
        else:
            steps += _domain_steps(lab, view, found)
        drift += _drift(view, found)
        notes += _left_out(view, found)
    return Plan(_journalled(lab, host, steps, found), tuple(dict.fromkeys(notes)), tuple(drift))


def _journalled(lab: Lab, host: str, steps: list[Step], found: HostFound) -> tuple[Step, ...]:
    """The steps behind one that writes down what they are about to make."""
    made = [thing for step in steps for thing in step.makes]
    if not made:
        return tuple(steps)
    paths = LabPaths(lab.state_dir, lab.name)
    things = tuple(dict.fromkeys((*found.journal, *made)))
    note = Step(
        host,
        f"note in {paths.journal} what is to be made",
        "so that `down` finds it whatever happens",
        (write_journal(paths, things),),
        (write_journal(paths, found.journal) if found.journal else forget_lab(paths),),
        exclusive=False,
    )
    return (note, *(replace(step, makes=()) for step in steps))
