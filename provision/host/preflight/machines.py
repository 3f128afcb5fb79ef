"""What a host lacks for a plan, all of it at once, before anything is touched. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.host.marks import is_our_domain, is_our_link
from provision.host.plan.bridges import bridge_steps
from provision.host.plan.nics import nic_steps
from provision.host.plan.resolved import chosen_view
from provision.host.preflight.hck_isolation import fenced
from provision.host.preflight.nics import nic_obstacles
from provision.lab.paths import LONGEST_SOCKET, LabPaths
from provision.lab.spec import FirmwareFiles
from provision.runtime.command import PACKAGES, RELAYS
from provision.runtime.errors import HostError
from provision.tables.offloads import HCK

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from provision.host.state import HostFound
    from provision.lab.spec import Lab
    from provision.render.view import MachineView


def missing(lab: Lab, host: str, names: Sequence[str], found: HostFound) -> tuple[str, ...]:
    """One sentence for each thing that stands in the way of `up`."""
    views = [chosen_view(lab, name, found) for name in names]
    sentences = [*another_lab(lab, found), *_programs(views, found), *_networks(lab, host, views, found)]
    sentences += missing_for_settings(lab, host, found)
    if names and not found.writable:
        sentences.append(_unwritable(lab))
    if host != "local" and not found.programs & {*RELAYS}:
        sentences += (
            f"{view.name}: QEMU's monitor is reached by one of {', '.join(RELAYS)}, and none of them is installed"
            for view in views
            if view.spec.backend == "qemu"
        )
    sentences += fenced(lab, views, found)
    for view in views:
        sentences += _files(view, found)
        sentences += _machine(lab, view, found)
    return tuple(dict.fromkeys(sentences))


def missing_for_settings(lab: Lab, host: str, found: HostFound) -> tuple[str, ...]:
    """One sentence for each thing that stands in the way of a host's own settings."""
    sentences = [*another_lab(lab, found), *nic_obstacles(lab, host, found)]
    declared = lab.host(host)
    sentences += [
        f"hosts.{host}.bridges.{name}: {name} is there and is no bridge"
        for name in declared.bridges
        if name in found.links and found.links[name].kind not in ("bridge", "openvswitch")
    ]
    sentences += _uplinks(lab, host, found)
    for program in ("ip", "ethtool") if declared.bridges or declared.nics else ():
        if program not in found.programs:
            sentences.append(f"{program} is not installed (Debian: {PACKAGES[program]})")
    if any((*bridge_steps(lab, host, found), *nic_steps(lab, host, found))):
        if not found.root:
            sentences.append("setting bridges and NICs needs root (CAP_NET_ADMIN)")
        if not found.writable:
            sentences.append(_unwritable(lab))
    return tuple(dict.fromkeys(sentences))


def _unwritable(lab: Lab) -> str:
    return f"{LabPaths(lab.state_dir, lab.name).directory} cannot be written"


def refuse(host: str, found: HostFound, sentences: Sequence[str]) -> None:
    """Refuse to touch a host that lacks something.

    :raise HostError: with every one of the sentences.
    """
    if sentences:
        far = host != "local" and not found.root
        raise HostError(
            f"{host} is not ready for this:\n  " + "\n  ".join(sentences),
            hint=f"hosts.{host} may say `user: root` or `sudo: true`" if far else "",
        )


def another_lab(lab: Lab, found: HostFound) -> Iterator[str]:
    """Whether the journal of this lab's name is another lab file's, whose things must not be taken for ours."""
    file, paths = found.journal.file, LabPaths(lab.state_dir, lab.name)
    if file and file != lab.file:
        yield (
            f"{paths.journal} is of another lab file, {file}: rename one of them or give it a state_dir of its own "
            f"(if it is the same and was moved: put its new path there)"
        )


def _programs(views: Sequence[MachineView], found: HostFound) -> Iterator[str]:
    overlays = any(disk.base for view in views for disk in view.disks)
    for program in ("ip", "ethtool", *(["qemu-img"] if overlays else [])):
        if program not in found.programs:
            yield f"{program} is not installed (Debian: {PACKAGES[program]})"
    for view in views:
        qemu = found.qemus.get(view.name)
        if qemu is None or not qemu.version:
            yield f"{qemu.program if qemu else 'QEMU'} is not installed (Debian: qemu-system-x86)"


def _networks(lab: Lab, host: str, views: Sequence[MachineView], found: HostFound) -> Iterator[str]:
    declared = lab.host(host).bridges
    taps = any(
        view.spec.backend == "qemu" and nic.backend.netdev == "tap" for view in views for nic in view.nics
    )
    used = {nic.spec.bridge: view.name for view in views for nic in view.nics if nic.spec.bridge}
    absent = [name for name in used if name not in found.links]
    if (taps or absent) and found.tun:
        yield found.tun
    for name, machine in used.items():
        if name in found.links:
            if found.links[name].kind not in ("bridge", "openvswitch"):
                yield f"{machine}: {name} is there and is no bridge"
        elif name not in declared:
            yield f"{machine}: bridge {name} is not there, and hosts.{host}.bridges does not declare it"
    for view in views:
        for nic in view.nics:
            if nic.spec.macvtap and nic.spec.macvtap not in found.links:
                yield f"{view.name}: {nic.spec.macvtap}, under its macvtap, is not there"


def _uplinks(lab: Lab, host: str, found: HostFound) -> Iterator[str]:
    """What forbids to put declared uplinks under bridges of ours, made or to be made."""
    for name, bridge in lab.host(host).bridges.items():
        there, link = found.links.get(name), found.links.get(bridge.uplink or "")
        if not bridge.uplink or (there and not is_our_link(lab, there, found.journal, found.boot)):
            continue
        if link is None and there is None:
            yield f"bridge {name}: its uplink {bridge.uplink} is not there"
        elif link is not None and link.master not in ("", name):
            yield f"bridge {name}: its uplink {bridge.uplink} is on {link.master}"


def _files(view: MachineView, found: HostFound) -> Iterator[str]:
    needed = {disk.base or disk.path: "disk image" if not disk.cdrom else "CD image" for disk in view.disks}
    if kernel := view.spec.kernel:
        needed[kernel.image] = "kernel"
        needed |= {kernel.initrd: "initrd"} if kernel.initrd else {}
    if view.code and (view.spec.backend == "qemu" or isinstance(view.spec.firmware, FirmwareFiles)):
        needed |= {view.code: "firmware (Debian: ovmf)", view.vars: "firmware variables (Debian: ovmf)"}
    for path, what in needed.items():
        if path not in found.files:
            yield f"{view.name}: no {what} at {path}"
    yield from _formats(view, found)


def _formats(view: MachineView, found: HostFound) -> Iterator[str]:
    """Images that are not of the format that their names say, which QEMU is told."""
    if "qemu-img" not in found.programs:
        return
    for disk in view.disks:
        path, form = (disk.base, disk.base_format) if disk.base else (disk.path, disk.format)
        image = found.images.get(path)
        if disk.cdrom or path not in found.files:
            continue
        overlay = found.images.get(disk.path) if disk.base else None
        if overlay is not None and overlay.backing != disk.base:
            yield (
                f"{view.name}: {disk.path} lies over {overlay.backing or 'nothing'}, and the lab file has {disk.base}: "
                "`rscvm down` removes it"
            )
        if image is None:
            yield f"{view.name}: qemu-img cannot read {path}"
        elif image.format != form:
            yield f"{view.name}: {path} is {image.format}, and its name says {form}: name it .{image.format}"


def _machine(lab: Lab, view: MachineView, found: HostFound) -> Iterator[str]:
    name, qemu = view.name, found.qemus.get(view.name)
    if view.spec.accel == "kvm" and found.accelerators and not found.accelerators.kvm_is_of_use:
        yield f"{name}: accel is kvm, and KVM is of no use here ({_kvm_trouble(found)}): `rscvm doctor` tells more"
    for nic in view.nics:
        spec = nic.spec
        for prop in spec.unknown_to(qemu.properties) if qemu and qemu.version else ():
            why = "rsc: hck" if prop in (HCK, "rsc_interval") else "the lab file"
            yield (
                f"{name}.{spec.name}: {qemu.program} {qemu.version} has no {prop}, which {why} asks for"
                if qemu
                else ""
            )
        if spec.vhost == "true" and not found.vhost:
            yield f"{name}.{spec.name}: vhost is true, and /dev/vhost-net cannot be opened (modprobe vhost_net)"
        link = found.links.get(spec.ifname) if spec.ifname else None
        running = (domain := found.domains.get(name)) is not None and domain.state != "off"
        if link is not None and not running and not is_our_link(lab, link, found.journal, found.boot):
            yield f"{name}.{spec.name}: a device {spec.ifname} is there and is not ours (set ifname)"
    yield from _elsewhere(lab, view, found)
    socket = view.socket("agent")
    if len(socket.encode()) > LONGEST_SOCKET:
        yield f"{name}: {socket} is too long a name for a socket: choose a shorter state_dir"
    domain = found.domains.get(name)
    if view.spec.backend == "libvirt" and domain is not None and not is_our_domain(lab, domain):
        yield f"{name}: a domain of that name is there and is not ours"


def _elsewhere(lab: Lab, view: MachineView, found: HostFound) -> Iterator[str]:
    """Domains that we made at another libvirt, which would write to the same disks."""
    uri = lab.host(found.name).libvirt
    for thing in found.journal.things:
        if thing.kind == "domain" and thing.name == view.name and thing.where != uri:
            yield (
                f"{view.name}: its domain was made at {thing.where}, and hosts.{found.name}.libvirt is now {uri}: "
                "put that back and `rscvm down` first"
            )


def _kvm_trouble(found: HostFound) -> str:
    accelerators = found.accelerators
    if accelerators is None:
        return "not measured"
    if isinstance(accelerators.kvm, int):
        return f"slower than TCG: {accelerators.kvm} ms against {accelerators.tcg} ms"
    return accelerators.kvm
