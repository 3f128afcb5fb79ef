"""What a host lacks for machines: programs, images, bridges, names that are taken. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.facts.qemu import Emulator
from provision.host.marks import STRANGER, is_our_domain, is_our_link
from provision.host.plan.resolved import resolved_view
from provision.host.plan.steps import HOST
from provision.host.preflight.hck_isolation import not_isolated
from provision.host.preflight.networks import network_obstacles
from provision.host.preflight.nics import nic_obstacles
from provision.host.preflight.rights import unless_root
from provision.lab.expand import who_says
from provision.lab.paths import LONGEST_SOCKET, LabPaths
from provision.lab.spec import FORMATS, FirmwareFiles
from provision.runtime.command import PACKAGES, QEMU, RELAYS, SWTPM, SWTPM_SETUP
from provision.runtime.errors import HostError
from provision.tables.offloads import HCK

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from provision.host.plan.steps import Plan
    from provision.host.state import HostState, Inventory
    from provision.lab.spec import Lab
    from provision.render.view import MachineView


def missing(lab: Lab, names: Sequence[str], state: HostState, plan: Plan) -> tuple[str, ...]:
    """One sentence for each thing that stands in the way of `up`, whose plan for these machines this is.

    What stands in the way of whoever asks alone is a `Right`. Of what only libvirt could tell nothing is said where it
    is silent.
    """
    host = state.name
    views = [resolved_view(lab, name, state) for name in names]
    sentences = [
        *_journal(lab, state),
        *_programs(views, state),
        *_networks(lab, host, views, state),
        *network_obstacles(lab, views, state),
    ]
    sentences += missing_for_settings(lab, state, plan)
    if names and not state.access.writable:
        sentences.append(_unwritable(lab, state))
    if host != "local" and not state.access.programs & {*RELAYS}:
        sentences += (
            f"{view.name}: QEMU's monitor is reached by one of {', '.join(RELAYS)}, and none of them is installed"
            for view in views
            if view.spec.backend == "qemu"
        )
    sentences += not_isolated(lab, views, state)
    for view in views:
        sentences += _files(view, state)
        sentences += _machine(lab, view, state)
    return tuple(dict.fromkeys(sentences))


def missing_for_settings(lab: Lab, state: HostState, plan: Plan) -> tuple[str, ...]:
    """One sentence for each thing that stands in the way of a host's own settings, which are in this plan."""
    host = state.name
    sentences = [*_journal(lab, state), *nic_obstacles(lab, host, state)]
    declared = lab.host(host)
    sentences += [
        f"{who_says(lab, host, name)}: {name} is there and is no bridge"
        for name in declared.bridges
        if name in state.links and not _is_bridge(name, state)
    ]
    sentences += _uplinks(lab, host, state)
    for program in ("ip", "ethtool") if declared.bridges or declared.nics else ():
        if program not in state.access.programs:
            sentences.append(f"{program} is not installed (Debian: {PACKAGES[program]})")
    if any(step.scope == HOST for step in plan.steps):
        if not state.access.root:
            sentences.append(unless_root(state, "setting bridges and NICs needs root (CAP_NET_ADMIN)"))
        if not state.access.writable:
            sentences.append(_unwritable(lab, state))
    return tuple(dict.fromkeys(sentences))


def _is_bridge(name: str, state: HostState) -> bool:
    return state.links[name].kind == "bridge" or name in state.ovs.bridges


def _unwritable(lab: Lab, state: HostState) -> str:
    return unless_root(state, f"{LabPaths(lab.state_dir, lab.name).directory} cannot be written")


def refuse(host: str, state: HostState, sentences: Sequence[str]) -> None:
    """Refuse to touch a host that lacks something.

    :raise HostError: with every one of the sentences.
    """
    if sentences:
        far = host != "local" and not state.access.root
        raise HostError(
            f"{host} is not ready for this:\n  " + "\n  ".join(sentences),
            hint=f"hosts.{host} may say `user: root` or `sudo: true`" if far else "",
        )


def _journal(lab: Lab, state: HostState) -> Iterator[str]:
    for sentence in journal_obstacles(lab, state):
        yield unless_root(state, sentence) if state.journal.trouble else sentence


def journal_obstacles(lab: Lab, state: Inventory) -> Iterator[str]:
    """Whether the journal cannot be read, or is another lab file's, whose things must not be taken for ours."""
    file, paths = state.journal.file, LabPaths(lab.state_dir, lab.name)
    if state.journal.trouble:
        yield state.journal.trouble
    if file and file != lab.file:
        yield (
            f"{paths.journal} is of another lab file, {file}: rename one of them or give it a state_dir of its own "
            f"(if it is the same and was moved: put its new path there)"
        )


def _programs(views: Sequence[MachineView], state: HostState) -> Iterator[str]:
    overlays = any(disk.base for view in views for disk in view.disks)
    tpms = {view.spec.backend for view in views if view.spec.tpm}
    emulators = {"qemu": [SWTPM], "libvirt": [SWTPM, SWTPM_SETUP]}  # libvirt has it make certificates
    tools = dict.fromkeys(program for backend in sorted(tpms) for program in emulators[backend])
    for program in ("ip", "ethtool", *(["qemu-img"] if overlays else []), *tools):
        if program not in state.access.programs:
            yield f"{program} is not installed (Debian: {PACKAGES[program]})"
    for view in views:
        qemu = state.capabilities.qemus.get(view.name)
        if not _is_untold(view, state) and (qemu is None or not qemu.version):
            yield f"{qemu.program if qemu else 'QEMU'} is not installed (Debian: qemu-system-x86)"


def _is_untold(view: MachineView, state: HostState) -> bool:
    """Whether only libvirt knows of a machine, and does not answer."""
    return bool(state.silent) and view.spec.backend == "libvirt"


def _networks(lab: Lab, host: str, views: Sequence[MachineView], state: HostState) -> Iterator[str]:
    declared = lab.host(host).bridges
    taps = any(
        view.spec.backend == "qemu" and nic.backend.netdev == "tap" for view in views for nic in view.nics
    )
    used = {nic.spec.bridge: view.name for view in views for nic in view.nics if nic.spec.bridge}
    absent = [name for name in used if name not in state.links]
    if (taps or absent) and state.access.tun:
        yield unless_root(state, state.access.tun)
    for name, machine in used.items():
        if name in state.links:
            if not _is_bridge(name, state):
                yield f"{machine}: {name} is there and is no bridge"
        elif name not in declared:
            yield f"{machine}: bridge {name} is not there, and hosts.{host}.bridges does not declare it"
    for view in views:
        for nic in view.nics:
            if nic.spec.macvtap and nic.spec.macvtap not in state.links:
                yield f"{view.name}: {nic.spec.macvtap}, under its macvtap, is not there"


def _uplinks(lab: Lab, host: str, state: HostState) -> Iterator[str]:
    """What forbids to put declared uplinks under bridges of ours, made or to be made."""
    for name, bridge in lab.host(host).bridges.items():
        there, link = state.links.get(name), state.links.get(bridge.uplink or "")
        if not bridge.uplink or (there and not is_our_link(lab, there, state.journal)):
            continue
        if link is None and there is None:
            yield f"bridge {name}: its uplink {bridge.uplink} is not there"
        elif link is not None and link.master not in ("", name):
            yield f"bridge {name}: its uplink {bridge.uplink} is on {link.master}"


_DISKS = {"image": "disk image", "block": "block device", "cdrom": "CD image"}


def _files(view: MachineView, state: HostState) -> Iterator[str]:
    needed = {disk.base or disk.path: _DISKS[disk.kind] for disk in view.disks}
    if kernel := view.spec.kernel:
        needed[kernel.image] = "kernel"
        needed |= {kernel.initrd: "initrd"} if kernel.initrd else {}
    if view.code and (view.spec.backend == "qemu" or isinstance(view.spec.firmware, FirmwareFiles)):
        needed |= {view.code: "firmware (Debian: ovmf)", view.vars: "firmware variables (Debian: ovmf)"}
    for path, what in needed.items():
        if path in state.hidden:
            yield unless_root(state, f"{view.name}: whether {path} ({what}) is there cannot be seen")
        elif path not in state.files:
            yield f"{view.name}: no {what} at {path}"
    for disk in view.disks:
        if disk.kind == "block" and disk.path in state.files - state.blocks:
            yield f"{view.name}: {disk.path} is no block device: say `image:`"
    yield from _formats(view, state)


def _formats(view: MachineView, state: HostState) -> Iterator[str]:
    """Images that are not of the format that their names say, which QEMU is told."""
    if "qemu-img" not in state.access.programs:
        return
    for disk in view.disks:
        path, form = (disk.base, disk.base_format) if disk.base else (disk.path, disk.format)
        image = state.capabilities.images.get(path)
        if disk.kind == "cdrom" or path not in state.files or (not disk.base and form == "raw"):
            continue
        overlay = state.capabilities.images.get(disk.path) if disk.base else None
        if overlay is not None and overlay.backing != disk.base:
            yield (
                f"{view.name}: {disk.path} lies over {overlay.backing or 'nothing'}, and the lab file has {disk.base}: "
                "`rscvm down` removes it"
            )
        if image is None:
            yield unless_root(
                state, f"{view.name}: qemu-img cannot read {path}{'' if disk.base else f' as {form}'}"
            )
        elif image.format != form:
            known = image.format in FORMATS and not (
                image.format == "vhdx" and view.spec.backend == "libvirt"
            )
            what = (
                f"say `format: {image.format}`"
                if known
                else f"`qemu-img convert -O qcow2 {path} FILE`, and say that"
            )
            yield f"{view.name}: {path} is {image.format}, and is taken for {form}: {what}"


def _machine(lab: Lab, view: MachineView, state: HostState) -> Iterator[str]:
    name, qemu = view.name, state.capabilities.qemus.get(view.name, Emulator(QEMU))
    if (
        view.spec.accel == "kvm"
        and state.capabilities.accelerators
        and not state.capabilities.accelerators.kvm_is_of_use
    ):
        yield f"{name}: accel is kvm, and KVM is of no use here ({_kvm_trouble(state)}): `rscvm doctor` tells more"
    for nic in view.nics:
        spec = nic.spec
        for prop in spec.unknown_to(qemu.properties) if qemu.version else ():
            why = "rsc: hck" if prop in (HCK, "rsc_interval") else "the lab file"
            yield f"{name}.{spec.name}: {qemu.program} {qemu.version} has no {prop}, which {why} asks for"
        if spec.vhost == "true" and not state.access.vhost:
            yield unless_root(
                state,
                f"{name}.{spec.name}: vhost is true, and /dev/vhost-net cannot be opened (modprobe vhost_net)",
            )
        link = state.links.get(spec.ifname) if spec.ifname else None
        running = (domain := state.domains.get(name)) is not None and domain.state != "off"
        known = running or _is_untold(view, state)
        if link is not None and not known and not is_our_link(lab, link, state.journal):
            yield f"{name}.{spec.name}: a device {spec.ifname} is there and is not ours (set ifname)"
    yield from _elsewhere(lab, view, state)
    socket = view.socket("agent")
    if len(socket.encode()) > LONGEST_SOCKET:
        yield f"{name}: {socket} is too long a name for a socket: choose a shorter state_dir"
    domain = state.domains.get(name)
    if view.spec.backend == "libvirt" and domain is not None and not is_our_domain(lab, domain):
        yield f"{name}: {STRANGER}"


def _elsewhere(lab: Lab, view: MachineView, state: HostState) -> Iterator[str]:
    """Domains that we made at another libvirt, which would write to the same disks."""
    uri = lab.host(state.name).libvirt
    for thing in state.journal.things:
        if thing.kind == "domain" and thing.name == view.name and thing.where != uri:
            yield (
                f"{view.name}: its domain was made at {thing.where}, and hosts.{state.name}.libvirt is now {uri}: "
                "put that back and `rscvm down` first"
            )


def _kvm_trouble(state: HostState) -> str:
    accelerators = state.capabilities.accelerators
    if accelerators is None:
        return "not measured"
    if isinstance(accelerators.kvm, int):
        return f"slower than TCG: {accelerators.kvm} ms against {accelerators.tcg} ms"
    return accelerators.kvm.words
