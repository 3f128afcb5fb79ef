"""Checks of machines and NICs; `complaints` runs every check that there is."""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING

from provision.lab.checks.complaint import At, Complaint
from provision.lab.checks.hck import foreign_on_test_bridge, not_isolated, whole_labs
from provision.lab.checks.hosts import host_complaints
from provision.lab.expand import machines_of_labs
from provision.lab.spec import FirmwareFiles, LabFile, MachineKeys
from provision.tables.backends import BACKENDS
from provision.tables.offloads import BY_NAME, HCK, unmet
from provision.tables.profiles import PROFILES
from provision.tables.topology import ROLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from provision.lab.positions import Where


_KINDS = tuple(BACKENDS)
_UNFIT = {
    "user": "has no vnet header, so the guest is offered neither checksum nor TSO",
    "macvtap": "cannot be held wire-like, which the HCK engine needs",
    "network": "may carry other machines, whose traffic the HCK engine would break",
}
"""Why a way of doing RSC does not work on a kind of NIC, where it does not."""


def _kind(at: At) -> Iterator[Complaint]:
    given = [kind for kind in _KINDS if getattr(at.nic, kind)]
    if len(given) != 1:
        seen = " and ".join(given) or "none"
        *most, last = _KINDS
        yield at.complain("", f"needs exactly one of {', '.join(most)} and {last}, and has {seen}", *_KINDS)
    if at.machine.backend == "qemu":
        for kind in given:
            if not BACKENDS[kind].netdev:
                yield at.complain(kind, "needs backend libvirt", "backend")
    if at.nic.vlan and not at.nic.bridge:
        yield at.complain("vlan", "is for `bridge`, and one of Open vSwitch's", *_KINDS)


def _backend(at: At) -> Iterator[Complaint]:
    if not BACKENDS[at.nic.kind].device:
        for key in ("ifname", "mtu"):
            if getattr(at.nic, key):
                yield at.complain(key, "has no meaning with user: there is no TAP", *_KINDS)
        if at.nic.vhost == "true":
            yield at.complain("vhost", "needs a TAP, and user has none", *_KINDS)
        if at.nic.queues > 1:
            yield at.complain("queues", "needs a TAP, and user has none", *_KINDS)
    elif at.nic.vhost == "true" and at.machine.accel == "tcg" and at.machine.backend == "libvirt":
        yield at.complain(
            "vhost", "cannot be true with `accel: tcg`: libvirt uses vhost with KVM only", "accel", "backend"
        )


def _profile(at: At) -> Iterator[Complaint]:
    if len([kind for kind in _KINDS if getattr(at.nic, kind)]) != 1:
        return
    nic, profile = at.nic, PROFILES[at.nic.profile]
    if profile.hck_only and at.machine.purpose != "hck":
        yield at.complain("rsc", "hck needs `purpose: hck`: it breaks every other kind of traffic", "purpose")
    if nic.model != "virtio" and profile.name != "false":
        yield at.complain("rsc", f"{nic.model} has no RSC: only `rsc: false` is true of it", "model")
    elif nic.kind not in profile.backends:
        words = f"{profile.name} does not work on {nic.kind}: it {_UNFIT[nic.kind]}; say `rsc: false`"
        yield at.complain("rsc", words, *_KINDS)
    if nic.rsc_interval is not None and profile.name != "hck":
        yield at.complain("rsc_interval", "is only for `rsc: hck`", "rsc")
    if nic.mangleid and not BACKENDS[nic.kind].tap:
        yield at.complain("mangleid", f"is a setting of a TAP, and {nic.kind} has none", *_KINDS)
    elif nic.mangleid and profile.name != "true":
        yield at.complain(
            "mangleid", "is only for `rsc: true`: no other NIC is to receive large frames", "rsc"
        )


def _hck(at: At) -> Iterator[Complaint]:
    nic = at.nic
    if nic.profile != "hck" or nic.model != "virtio":
        return
    if nic.vlan:
        yield at.complain(
            "vlan",
            "is of Open vSwitch, and what else its bridge carries cannot be seen: not for `rsc: hck`",
            "rsc",
        )
    if nic.vhost == "true":
        yield at.complain(
            "vhost", "must not be true with `rsc: hck`: vhost carries packets past QEMU's engine", "rsc"
        )
    if nic.queues > 1:
        yield at.complain("queues", f"must be 1 with `rsc: hck`, not {nic.queues}", "rsc")
    on = frozenset(name for name, is_on in nic.wanted().items() if is_on)
    if need := unmet(BY_NAME[HCK], on):
        yield at.complain("offloads", f"must leave {need} on with `rsc: hck`: the engine needs it", "rsc")


def _needs(at: At) -> Iterator[Complaint]:
    if at.nic.model != "virtio":
        for key in ("offloads", "rx_queue_size"):
            if getattr(at.nic, key):
                yield at.complain(key, f"is for virtio, and this NIC is {at.nic.model}", "model")
        if at.nic.queues > 1:
            yield at.complain("queues", f"must be 1 on {at.nic.model}", "model")
        if at.nic.vhost == "true":
            yield at.complain("vhost", f"is for virtio, and this NIC is {at.nic.model}", "model")
        return
    wanted = at.nic.wanted()
    on = frozenset(name for name, is_on in wanted.items() if is_on)
    for name in on - {HCK}:
        if need := unmet(BY_NAME[name], on):
            where = (*at.where, "offloads", *((name,) if name in at.nic.offloads else ()))
            reads = tuple((*at.where, "offloads", part) for part in need.split(" or "))
            yield Complaint(where, f"{name} needs {need}, which is off", (*reads, (*at.where, "rsc")))
    if at.nic.queues > 1 and not wanted["ctrl_vq"]:
        yield at.complain("queues", "more than one needs ctrl_vq, which is off", "offloads")


_NIC_CHECKS: tuple[Callable[[At], Iterator[Complaint]], ...] = (_kind, _backend, _profile, _hck, _needs)


def _nics(file: LabFile, whole: LabFile) -> Iterator[At]:
    """Every NIC, also those that labs make; a fault of these is said of the role that they are made of."""
    made = machines_of_labs(file)
    for name, machine in whole.machines.items():
        where: Where = ("labs", *made[name]) if name in made else ("machines", name)
        for index, nic in enumerate(machine.nics):
            yield At((*where, "nics", index), name, machine, nic)


def _twice(nics: Sequence[At]) -> Iterator[Complaint]:
    """MACs are one to the file, TAP names one to the host, NIC names one to the machine."""
    seen: dict[tuple[str, str, str], At] = {}
    for at in nics:
        keys = {
            "name": ("name", at.name, at.nic.name),
            "mac": ("mac", "", at.nic.mac),
            "ifname": ("ifname", at.machine.host, at.nic.ifname),
        }
        for key, unique in keys.items():
            first = seen.setdefault(unique, at)
            if not unique[2] or first is at:
                continue
            complaint = at.complain(key, f"{unique[2]} is already that of {first.called}")
            yield Complaint(complaint.where, complaint.message, ((*first.where, key), (*first.where, "name")))
            if key == "name":
                break  # what is derived from the name is then the same, too


def _taken_names(nics: Sequence[At], whole: LabFile) -> Iterator[Complaint]:
    """A TAP must not bear the name of another device that the file knows on its host."""
    devices = {(at.machine.host, at.nic.bridge) for at in nics}
    for name, host in whole.hosts.items():
        uplinks = (bridge.uplink for bridge in host.bridges.values())
        devices.update((name, device) for device in (*host.bridges, *host.nics, *uplinks))
    for at in nics:
        if at.nic.ifname and (at.machine.host, at.nic.ifname) in devices:
            yield at.complain("ifname", f"{at.nic.ifname} is the name of a bridge or NIC of that host")


def _every_machine(file: LabFile, whole: LabFile) -> Iterator[tuple[Where, str, Where, MachineKeys]]:
    """Machines and the roles of labs: where each stands, its host and where that is said, and its keys."""
    made = machines_of_labs(file)
    for name, machine in file.machines.items():
        yield ("machines", name), machine.host, ("machines", name, "host"), machine
    for name, lab in file.labs.items():
        for role in ROLES:
            if keys := getattr(lab, role):
                called = f"{name}-{role}"
                yield (
                    ("labs", name, role),
                    lab.host,
                    ("labs", name, "host"),
                    whole.machines[called] if called in made else keys,
                )


def _machines(file: LabFile, whole: LabFile) -> Iterator[Complaint]:
    for where, host, said, machine in _every_machine(file, whole):
        if machine.tpm and machine.backend == "qemu":
            yield Complaint(
                (*where, "tpm"), "needs backend libvirt, which runs swtpm", ((*where, "backend"),)
            )
        yield from (_bare_qemu if machine.backend == "qemu" else _libvirt)(where, machine)
        if machine.boots_with == "uefi-secure-boot" and "q35" not in machine.machine:
            yield Complaint((*where, "firmware"), "secure boot needs machine q35", ((*where, "machine"),))
        if host == "local":
            continue
        if not file.state_dir.startswith("/"):
            yield Complaint(("state_dir",), f"must be absolute: {where[1]} is on another host", (said,))
        for inner, path in _paths(machine):
            if path is not None and not path.startswith("/"):
                yield Complaint((*where, *inner), f"must be absolute: it is a path on {host}", (said,))


def _libvirt(where: Where, machine: MachineKeys) -> Iterator[Complaint]:
    """Images of a format that libvirt does not know: it defines none, and takes one under an overlay for raw."""
    for at, disk in enumerate(machine.disks):
        if disk.form == "vhdx":
            words = (
                "is vhdx, which libvirt does not know: `qemu-img convert` it to qcow2, or use backend qemu"
            )
            yield Complaint((*where, "disks", at, "image"), words, ((*where, "backend"),))


_MOST_PORTS = 232
"""Root ports that q35 has room for: 8 in each of the slots 2 to 30."""


def _bare_qemu(where: Where, machine: MachineKeys) -> Iterator[Complaint]:
    """What only libvirt lays out: machine types without PCIe, and more devices than one level of root ports takes."""
    backend = ((*where, "backend"),)
    if "q35" not in machine.machine:
        yield Complaint(
            (*where, "machine"), f"must be a q35 for backend qemu, not {machine.machine}", backend
        )
    devices = len(getattr(machine, "nics", ())) + sum(disk.bus == "virtio" for disk in machine.disks) + 2
    if devices > _MOST_PORTS:
        yield Complaint(
            where,
            f"has {devices} PCIe devices, and backend qemu has room for {_MOST_PORTS}",
            backend,
            at_key=True,
        )


def _paths(machine: MachineKeys) -> Iterator[tuple[Where, str | None]]:
    """Every path of a machine that is on its host, and where it stands."""
    yield from ((("disks", i, "image"), disk.image) for i, disk in enumerate(machine.disks))
    yield from ((("cdroms", i), path) for i, path in enumerate(machine.cdroms))
    if machine.kernel:
        yield ("kernel", "image"), machine.kernel.image
        yield ("kernel", "initrd"), machine.kernel.initrd
    if isinstance(machine.firmware, FirmwareFiles):
        yield ("firmware", "code"), machine.firmware.code
        yield ("firmware", "vars"), machine.firmware.vars


def complaints(stem: str, file: LabFile, whole: LabFile) -> Iterator[Complaint]:
    """Every fault between the values of a lab file whose name is `stem`; `whole` is what its labs expand it to."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", stem):
        yield Complaint(
            (), f"the file's name {stem!r} names the lab: 1 to 63 of letters, digits, `.`, `_` and `-`"
        )
    nics = tuple(_nics(file, whole))
    yield from chain.from_iterable(check(at) for at in nics for check in _NIC_CHECKS)
    yield from _twice(nics)
    yield from _taken_names(nics, whole)
    yield from not_isolated(nics, file)
    yield from foreign_on_test_bridge(stem, nics, file)
    yield from _machines(file, whole)
    yield from host_complaints(file)
    yield from whole_labs(file)
