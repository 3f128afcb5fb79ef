"""Collects every NIC of every QEMU that runs on a host, whoever started it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from provision.facts.processes import Network
from provision.facts.qemu_arguments import MOST_NICS, monitors, nics_of
from provision.host.read.processes import LIBVIRT, LISTENING
from provision.runtime.errors import HostError, LostError, UnreadableError
from provision.runtime.parallel import side_by_side
from provision.runtime.protocols import Holder
from provision.runtime.questions import ask
from provision.runtime.safe_text import escaped
from provision.verify.collect.argument_nics import nic_by_arguments
from provision.verify.collect.bare_qemu import collect_bare
from provision.verify.collect.machines import collect_domain
from provision.verify.collect.monitor import UNWANTED
from provision.verify.collect.own_taps import find_process
from provision.verify.evidence import UNKNOWN, NicEvidence, Owner, Unasked, named_apart

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from provision.facts.processes import Process, Processes
    from provision.facts.qemu_arguments import ListeningMonitor
    from provision.runtime.protocols import Domain, ReadingEdges

_AT_ONCE = 4
"""libvirtd takes five requests of a connection at a time (max_client_requests)."""


def collect_every(
    edges: ReadingEdges, host: str, names: Sequence[str], *, monitor: bool
) -> list[NicEvidence]:
    """Every NIC of the host's QEMUs, of these machines or of all: each by its libvirt, its monitor, or its arguments.

    :raise HostError: when nobody's processes can be seen there.
    """
    read = ask(edges.host(host), [LISTENING])[LISTENING]
    if read is None:
        raise HostError("the evidence does not have it: the QEMUs of the host")
    labels = _labels([process for process in read.found if process.is_qemu])
    chosen = [each for each in read.found if each.pid in labels and (not names or labels[each.pid] in names)]
    domains = _domains(edges, host, read, chosen)

    def collected(index: str) -> list[NicEvidence]:
        process = chosen[int(index)]
        owner = Owner(process.pid, started=process.started)
        domain = domains.get(process.pid)
        if isinstance(domain, str) or domain is None:
            nics = _bare(edges, host, (process, read), domain if monitor else UNWANTED.reason)
        else:
            nics = collect_domain(edges, host, domain, monitor=monitor)
        return [
            replace(nic, machine=labels[process.pid], owner=owner, pid=process.pid, run="") for nic in nics
        ]

    outcomes = side_by_side([str(index) for index in range(len(chosen))], collected, at_once=_AT_ONCE)
    nics: list[NicEvidence] = []
    for process, outcome in zip(chosen, outcomes, strict=True):
        broken = [] if outcome.error is None else _told_by_arguments(host, process, str(outcome.error))
        owner = Owner(process.pid, started=process.started)
        nics += outcome.value or [replace(nic, machine=labels[process.pid], owner=owner) for nic in broken]
    return nics


def collect_at(edges: ReadingEdges, host: str, socket: str) -> list[NicEvidence]:
    """Every NIC of the QEMU that listens at a socket; where somebody else holds that, by its arguments.

    :raise HostError: when no QEMU answers, and none is seen that listens there.
    """
    with edges.monitor(host, socket) as monitor:
        owner = Owner(monitor.peer, socket=socket)
        try:
            return collect_bare(monitor, host, owner)
        except LostError:
            raise
        except HostError as error:
            read = ask(edges.host(host), [LISTENING])[LISTENING]
            process = find_process(owner, read) if read else ""
            if isinstance(process, str):
                raise
            nics = _told_by_arguments(host, process, str(error))
            label = _labels([process])[process.pid]
            owner = Owner(process.pid, started=process.started)
            return [replace(nic, machine=label, owner=owner) for nic in nics]


def _labels(processes: Sequence[Process]) -> dict[int, str]:
    """What each machine is called, by its pid: as it calls itself, with its pid where several do so, else by its pid alone."""
    count = Counter(process.machine for process in processes)
    return {
        process.pid: str(process.pid)
        if not process.machine
        else escaped(process.machine)
        if count[process.machine] == 1
        else f"{escaped(process.machine)} ({process.pid})"
        for process in sorted(processes, key=lambda each: each.pid)
    }


def _domains(
    edges: ReadingEdges, host: str, read: Processes, chosen: Sequence[Process]
) -> Mapping[int, Domain | str]:
    """By pid, the domain that libvirt's pidfile says runs there, or why libvirt does not tell of it."""
    pids = {
        said: path.rpartition("/")[2].removesuffix(".pid")
        for path, said in read.noted.items()
        if any(at in path for at in LIBVIRT)
    }
    names = {each.pid: each.machine for each in chosen if pids.get(str(each.pid)) == each.machine}
    if not names:
        return {}
    try:
        found = {domain.name: domain for domain in edges.libvirt(host).domains(sorted(names.values()))}
    except HostError as error:
        return dict.fromkeys(names, f"its libvirt does not answer: {error}")
    return {pid: found.get(name, "its libvirt does not know it") for pid, name in names.items()}


def _bare(
    edges: ReadingEdges, host: str, at: tuple[Process, Processes], why: str | None
) -> list[NicEvidence]:
    """By its monitor, where that is its own and nobody holds it; else by its arguments, with the reason."""
    process, read = at
    socket = None
    if why is None:
        socket, why = _own_monitor(process, read)
    if socket is not None:
        try:
            with edges.monitor(host, socket, Holder(process.pid, process.uid)) as monitor:
                return collect_bare(monitor, host, Owner(process.pid, process.started))
        except (HostError, UnreadableError) as error:
            why = str(error)
    return _told_by_arguments(host, process, why)


_MANY = Unasked(
    f"its command line has more than {MOST_NICS} NICs: from this one on none is looked at", final=True
)


def _told_by_arguments(host: str, process: Process, why: str) -> list[NicEvidence]:
    """As it was started; of one that is stopped the TAP tells nothing."""
    said = "; its process is stopped" if process.stopped else "; judged by its arguments and its TAP"
    unasked = Unasked(f"{why}{said}", final=True, chosen=not process.stopped)
    machine = (host, process.machine, "running", UNKNOWN)
    why_of = {MOST_NICS: _MANY}
    nics = [
        nic_by_arguments(machine, nic, index, why_of.get(index, unasked))
        for index, nic in enumerate(nics_of(process.argv))
    ]
    return named_apart(nics)


def _own_monitor(process: Process, read: Processes) -> tuple[str | None, str]:
    """Where a QMP monitor of this very process listens, or why there is none that we may use."""
    reason = "it has no QMP monitor that listens at a path or on TCP"
    network = read.networks.get(process.namespaces.get("net", ""), Network())
    for offered in monitors(process.argv):
        if offered.human:
            reason = (
                "its monitor speaks to people (HMP), and it has no other that listens at a path or on TCP"
            )
        elif refused := _out_of_reach(offered, process, read.reader):
            reason = f"its QMP monitor {refused}"
        else:
            for place in offered.places:
                inodes = network.listening.get(place, frozenset())
                if inodes and (inodes <= process.sockets or (offered.path and inodes & process.sockets)):
                    return place, ""
            where = escaped(offered.path) or f"port {offered.port} of the loopback address"
            reason = f"what listens at {where} is not this process's own socket"
    return None, reason


def _out_of_reach(offered: ListeningMonitor, process: Process, reader: Process | None) -> str:
    """Why a monitor cannot be reached from where we are; empty where it can."""
    own = {} if reader is None else reader.namespaces
    if offered.port is not None:
        other = process.namespaces.get("net") != own.get("net", "")
        return "listens on TCP in another network namespace" if other else ""
    if not offered.path.startswith("/"):
        return "listens at a path relative to where it was started (--qmp takes that path)"
    other = process.namespaces.get("mnt") != own.get("mnt", "")
    return "is at a path of another mount namespace" if other else ""
