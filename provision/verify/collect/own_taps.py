"""Tells which device is a NIC's TAP, by the descriptors that its QEMU holds. Pure.

A name alone may be another's: the same one in another network namespace, or one that QEMU has let go.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from provision.facts.qemu_arguments import netdevs, nics_of
from provision.host.read.processes import domain_processes
from provision.runtime.safe_text import escaped
from provision.tables.backends import INTERFACES
from provision.verify.collect.own_machine import of_process
from provision.verify.evidence import Unasked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from provision.facts.ip import Link
    from provision.facts.processes import Process, Processes
    from provision.verify.collect.host_devices import TapsRead
    from provision.verify.evidence import NicEvidence, Owner

_NOBODY_LOOKED = Unasked("QEMU was handed its TAP as a descriptor, and nobody looked which one that is")
_MACVTAP = "ifindex "
MACVTAPS = frozenset({"macvtap", "ipvtap"})
_FD = re.compile("[0-9]{1,9}")
_TOLD_FD = re.compile(r"(?:^|,)fd=([0-9]{1,9})(?![0-9])")
_TOLD_NAME = re.compile(r"(?:^|,)ifname=([^,]+)")


def has_device(nic: NicEvidence) -> bool:
    """Whether a network device of the host's stands behind a NIC."""
    return nic.kind == "direct" or (nic.kind in INTERFACES and INTERFACES[nic.kind].tap)


def with_own_tap(nic: NicEvidence, read: TapsRead) -> NicEvidence:
    """The NIC with the TAP that its QEMU holds, where it is; or with why nobody knows, in place of what it passes on.

    Evidence of rscvm 0.1.0 has no descriptors: it is taken at its word.
    """
    if nic.state == "off" or not has_device(nic):
        return nic
    if read.qemus is None:
        return nic if nic.tap else replace(nic, features=_NOBODY_LOOKED)
    process = find_process(nic.owner, read.qemus)
    if isinstance(process, str):
        return _by_name(nic, read, process)
    nic = of_process(_with_arguments(nic, process), process.argv)
    network = process.namespaces.get("net", "")
    there = read.of(network)
    name = _held(nic, process, there.links)
    if not name:
        held = ", ".join(sorted({escaped(tap) for tap in process.taps.values()})) or "none"
        why = f"none of the TAPs that QEMU (process {process.pid}) holds is this NIC's; it holds {held}"
        return replace(nic, tap=None, features=Unasked(why))
    if why := _doubtful(process, network, name, there):
        return replace(nic, tap=None, features=Unasked(why))
    own = network == (read.qemus.reader.namespaces.get("net", "") if read.qemus.reader else "")
    return replace(nic, tap=name, network="" if own else network, shown="descriptor", pid=process.pid)


def _with_arguments(nic: NicEvidence, process: Process) -> NicEvidence:
    """The NIC of a machine whose monitor is silent, with the device's switches as its QEMU was started with them."""
    if not isinstance(nic.properties, Unasked) or not isinstance(nic.virtio, Unasked) or nic.virtio.final:
        return nic
    name = nic.path.rpartition("/")[2]
    said = next((each for each in nics_of(process.argv) if name and each.id == name), None)
    if said is None:
        return nic
    how = "its process is stopped" if process.stopped else "judged by its arguments and its TAP"
    return replace(
        nic, properties=said.switches, virtio=replace(nic.virtio, reason=f"{nic.virtio.reason}; {how}")
    )


def _doubtful(process: Process, network: str, name: str, there: TapsRead) -> str:
    """Why a device of the right name may be another one: fdinfo does not tell in which network a TAP is."""
    link = there.links.get(name)
    if name.startswith(_MACVTAP):
        return f"the device of {name} in that network is no TAP: that of process {process.pid} is elsewhere"
    if link is None or link.kind in MACVTAPS:
        return ""
    if not link.tap:
        return f"the {escaped(name)} of that network is no TAP: the one of process {process.pid} is elsewhere"
    holders = there.qemus.holders if there.qemus else ()
    claims = sorted({each.pid for each in holders if (each.tap, each.network) == (name, network)})
    if len(claims) > 1:
        return f"processes {', '.join(map(str, claims))} each hold a TAP {escaped(name)}, and one of them elsewhere"
    if link.up and not link.carrier:
        return (
            f"{escaped(name)} of that network has no carrier: it was switched off, or nobody holds it and the one of "
            f"process {process.pid} is elsewhere"
        )
    return ""


def find_process(owner: Owner, qemus: Processes) -> Process | str:
    """The QEMU that a machine runs in, or why it is not known."""
    same = (each for each in qemus.found if each.pid == owner.pid and each.is_qemu)
    found = [each for each in same if owner.started in (None, each.started)]
    if not found and owner.socket:  # its kernel did not tell who listens, or whoever handed QEMU the socket
        found = _listening(owner.socket, qemus)
    elif owner.pid is None:
        found = domain_processes(owner.domain, owner.uuid, qemus)
    if len(found) == 1:
        return found[0]
    if qemus.reader and qemus.reader.uid:
        return "only root sees which TAP QEMU holds (sudo)"
    return (
        "its QEMU is not seen on this host" if not found else "more than one QEMU says to be this machine's"
    )


def _listening(socket: str, qemus: Processes) -> list[Process]:
    """Who holds a socket that listens at a path, in whichever network; many may say a path, and each holds its own."""
    inodes = {inode for each in qemus.networks.values() for inode in each.listening.get(socket, ())}
    return [each for each in qemus.found if each.is_qemu and each.sockets & inodes]


def _held(nic: NicEvidence, process: Process, links: Mapping[str, Link]) -> str:
    """The TAP among a QEMU's own that is the NIC's; empty where that is not known."""
    by_index = {f"{_MACVTAP}{link.index}": link.name for link in links.values() if link.kind in MACVTAPS}
    taps = {fd: by_index.get(tap, tap) for fd, tap in process.taps.items()}
    if nic.told:  # by the monitor: what the arguments say may have been plugged out since
        return _told(nic.told, taps)
    there = {
        key: said for key, said in netdevs(process.argv).items() if said.get("type") in ("tap", "bridge")
    }
    said = {each["ifname"] for each in there.values() if "ifname" in each}
    renamed = bool(said - {*taps.values()})  # then any of them may bear another's name by now
    known: dict[str, str] = {}
    for key, each in there.items():
        fds = [int(fd) for fd in (each.get("fds") or each.get("fd", "")).split(":") if _FD.fullmatch(fd)]
        names = {taps.get(fd, "") for fd in fds} if fds or renamed else {each.get("ifname", "")}
        if len(names) == 1 and "" not in names:
            known[key] = names.pop()
    if nic.netdev in known:
        return known[nic.netdev]
    left = {*taps.values()} - {*known.values()}
    if nic.tap in left and not renamed:
        return nic.tap or ""
    alone = nic.netdev in there and there.keys() - known.keys() == {nic.netdev}
    return left.pop() if len(left) == 1 and alone else ""


def _told(words: str, taps: Mapping[int, str]) -> str:
    """The TAP that the monitor's words for a netdev mean: by its descriptor, by the name that it was opened with, or the only one."""
    names = {taps.get(int(fd), "") for fd in _TOLD_FD.findall(words)}
    name = _TOLD_NAME.search(words)
    if not names and name and name[1] in taps.values():
        names = {name[1]}
    held = {*taps.values()}
    return names.pop() if len(names) == 1 else held.pop() if len(held) == 1 else ""


def _by_name(nic: NicEvidence, read: TapsRead, why: str) -> NicEvidence:
    """What may be read without root: the device of that name, where it bears the guest's address or our mark."""
    link = read.links.get(nic.tap or "")
    reader = read.qemus.reader if read.qemus else None
    marked = (
        link is not None
        and link.alias.split(" ")[:1] == ["rscvm"]
        and link.alias.split(" ")[2:3] == [nic.machine]
    )
    guests = link is not None and link.address == f"fe{nic.mac[2:]}".lower()
    if reader is not None and reader.uid and (marked or guests):
        return replace(nic, shown="name")
    return replace(nic, tap=None, features=Unasked(why))
