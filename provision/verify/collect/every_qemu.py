"""Collects every NIC of every QEMU that runs on a host, whoever started it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from provision.facts.processes import Network
from provision.facts.qemu_arguments import MOST_NICS, nics_of, taps_in
from provision.facts.qemu_sockets import agent_socket, monitors
from provision.host.read.processes import LEFT_OUT, LIBVIRT, LISTENING
from provision.runtime.errors import HostError, LostError, UnreadableError
from provision.runtime.parallel import side_by_side
from provision.runtime.places import Listener
from provision.runtime.questions import ask
from provision.runtime.safe_text import escaped, short
from provision.verify.collect.argument_nics import nic_by_arguments
from provision.verify.collect.bare_qemu import collect_bare
from provision.verify.collect.machines import collect_domain
from provision.verify.collect.monitor import UNWANTED
from provision.verify.collect.own_taps import find_process
from provision.verify.evidence import Machine, NicEvidence, Owner, Unasked, named_apart

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from provision.facts.processes import Process, Processes
    from provision.facts.qemu_sockets import ListeningMonitor
    from provision.runtime.protocols import Domain, ReadingEdges, SocketMonitor

_MOST_QEMUS = 2000
_MOST_OF_A_HOST = 10_000
"""NICs; a host that tells of more lies."""
_MOST_LEFT_OUT = 50
_AT_ONCE = 4
"""libvirtd takes five requests of a connection at a time (max_client_requests)."""
_MANY = Unasked(
    f"its command line has more than {MOST_NICS} NICs: from this one on none is looked at", final=True
)
_LINK_UNTOLD = "whether `set_link` has its cable out only its monitor could tell"


@dataclass(frozen=True, slots=True)
class _Host:
    """A host, and the QEMUs that were seen on it."""

    edges: ReadingEdges
    name: str
    read: Processes


def collect_every(
    edges: ReadingEdges, host: str, names: Sequence[str], *, monitor: bool
) -> list[NicEvidence]:
    """Every NIC of the host's QEMUs, of these machines or of all: each by its libvirt, its monitor, or its arguments.

    :raise HostError: when nobody's processes can be seen there.
    """
    read = ask(edges.host(host), [LISTENING])[LISTENING]
    if read is None:
        raise HostError("the evidence does not have it: the QEMUs of the host")
    there = _Host(edges, host, read)
    labels = _labels([process for process in read.found if process.is_qemu])
    wanted = [each for each in read.found if each.pid in labels and (not names or labels[each.pid] in names)]
    chosen = wanted[:_MOST_QEMUS]
    domains = _domains(there, chosen)

    def collected(index: str) -> list[NicEvidence]:
        process = chosen[int(index)]
        domain = domains.get(process.pid)
        if isinstance(domain, str) or domain is None:
            nics = _bare(there, process, domain if monitor else UNWANTED.reason)
            nics = [replace(nic, defined_in="libvirt") for nic in nics] if domain else nics
        else:
            nics = collect_domain(edges, host, domain, monitor=monitor)
        # Whether it runs anew is asked by libvirt's names, and these machines go by labels of ours.
        return [replace(nic, pid=process.pid, run="") for nic in _owned(nics, process, labels)]

    outcomes = side_by_side([str(index) for index in range(len(chosen))], collected, at_once=_AT_ONCE)
    nics: list[NicEvidence] = []
    for process, outcome in zip(chosen, outcomes, strict=True):
        if len(nics) > _MOST_OF_A_HOST:
            why = f"{host} tells of more than {_MOST_OF_A_HOST} NICs"
            return [*nics[:_MOST_OF_A_HOST], _unread(host, "all that follow", why)]
        if outcome.error is None:
            nics += outcome.value or ()
        else:
            told = _told_by_arguments(host, process, str(outcome.error))
            nics += _owned(told, process, labels)
    return [*nics, *_left_out(there, wanted[_MOST_QEMUS:], named=bool(names))]


def _left_out(there: _Host, beyond: Sequence[Process], *, named: bool) -> Iterator[NicEvidence]:
    """NICs that stand for all of the processes that were not read, or not looked at."""
    if beyond:
        why = f"{there.name} tells of {len(beyond)} QEMUs more than the {_MOST_QEMUS} that are looked at"
        yield _unread(there.name, f"{len(beyond)} more", why)
    why = "its command line is longer than any QEMU's, or its user has more of them than one host runs"
    paths = [] if named else there.read.noted.get(LEFT_OUT, "").split()[:_MOST_LEFT_OUT]
    yield from (_unread(there.name, path.rpartition("/")[2], why) for path in paths)


def _unread(host: str, machine: str, why: str) -> NicEvidence:
    nic = NicEvidence(
        host, short(machine, 100), "unknown", "", None, None, None, "running", "unknown", "virtio"
    )
    return replace(nic, properties=Unasked(why, final=True), virtio=Unasked(why, final=True))


def _owned(nics: Sequence[NicEvidence], process: Process, labels: Mapping[int, str]) -> list[NicEvidence]:
    """A process's NICs, as those of its machine."""
    owner = Owner(process.pid, started=process.started, uid=process.uid, agent=agent_socket(process.argv))
    return [
        replace(
            nic,
            machine=labels[process.pid],
            owner=replace(owner, domain=nic.owner.domain, uuid=nic.owner.uuid, monitor=nic.owner.socket),
        )
        for nic in nics
    ]


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
            if read is None or isinstance(process, str):
                raise
            nics = _told_by_arguments(host, process, str(error), silent=_is_silent(error, process, read))
            return _owned(nics, process, _labels([process]))


def _is_silent(error: Exception, process: Process, read: Processes) -> bool:
    """Whether a monitor that nobody else has does not answer, and not one whose words are others than QMP's."""
    return not isinstance(error, UnreadableError) and not _is_held(process, read)


def _is_held(process: Process, read: Processes) -> bool:
    """Whether a monitor of this process has taken a client; ours waits in its queue, where it was not taken."""
    network = read.networks.get(process.namespaces.get("net", ""), Network())
    offered = (place for monitor in monitors(process.argv) if not monitor.human for place in monitor.places)
    return any(network.connected.get(place, frozenset()) & process.sockets for place in offered)


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


def _domains(there: _Host, chosen: Sequence[Process]) -> Mapping[int, Domain | str]:
    """By pid, the domain that libvirt's pidfile says runs there, or why libvirt does not tell of it."""
    pids = {
        said: path.rpartition("/")[2].removesuffix(".pid")
        for path, said in there.read.noted.items()
        if any(at in path for at in LIBVIRT)
    }
    names = {each.pid: each.machine for each in chosen if pids.get(str(each.pid)) == each.machine}
    if not names:
        return {}
    try:
        found = {
            domain.name: domain for domain in there.edges.libvirt(there.name).domains(sorted(names.values()))
        }
    except HostError as error:
        return dict.fromkeys(names, f"its libvirt does not answer: {error}")
    return {pid: found.get(name, "its libvirt does not know it") for pid, name in names.items()}


def _bare(there: _Host, process: Process, why: str | None) -> list[NicEvidence]:
    """By its monitor, where that is its own and nobody holds it; else by its arguments, with the reason.

    :param why: why its monitor is left alone; None where it is not.
    """
    socket = None
    if why is None:
        socket, why = _own_monitor(process, there.read)
    if socket is not None:
        try:
            listener = Listener(process.pid, process.uid)
            with there.edges.monitor(there.name, socket, listener) as monitor:
                return _by_monitor(monitor, there, process, socket)
        except HostError as error:
            why = str(error)
    return _told_by_arguments(there.name, process, why)


def _by_monitor(monitor: SocketMonitor, there: _Host, process: Process, socket: str) -> list[NicEvidence]:
    """By what its monitor tells; else by its arguments, whose TAP tells nothing where it is QEMU itself that is silent."""
    try:
        return collect_bare(monitor, there.name, Owner(process.pid, process.started, socket))
    except LostError:
        raise
    except (HostError, UnreadableError) as error:
        silent = _is_silent(error, process, there.read)
        return _told_by_arguments(there.name, process, str(error), silent=silent)


def _told_by_arguments(host: str, process: Process, why: str, *, silent: bool = False) -> list[NicEvidence]:
    """As it was started; its TAP tells in the monitor's place, but not of a QEMU that may be at work no more.

    :param silent: whether nobody else has its monitor, and it does not answer.
    """
    how = "judged by its arguments and its TAP"
    if silent:
        how = "nobody else holds that monitor: QEMU itself is silent"
    if process.stopped:
        how = "its process is stopped"
    unasked = Unasked(f"{why}; {how}", final=True, chosen=not (silent or process.stopped))
    machine = Machine(host, process.machine, "running")
    told = [
        nic_by_arguments(machine, nic, index, unasked if index < MOST_NICS else _MANY)
        for index, nic in enumerate(nics_of(process.argv))
    ]
    nics = [replace(nic, notes=(*nic.notes, _LINK_UNTOLD)) for nic in told]
    return named_apart([*nics, *_untold(host, process, nics)])


def _untold(host: str, process: Process, nics: Sequence[NicEvidence]) -> Iterator[NicEvidence]:
    """A NIC of which nothing is known, where there must be one that the arguments do not have."""
    taps = {*process.taps.values()}
    more = len(taps) > taps_in(process.argv)
    if more or "-readconfig" in process.argv:
        names = ", ".join(sorted(map(escaped, taps - {nic.tap for nic in nics})))
        why = (
            f"it holds {names or 'TAPs'}, of which its arguments do not tell"
            if more
            else "its -readconfig may have NICs of its own"
        )
        unknown = Unasked(f"{why}, and its monitor could not be asked", final=True)
        yield NicEvidence(
            host, process.machine, "unknown", "", None, None, None, "running", "unknown", "virtio",
            properties=unknown, virtio=unknown,
        )  # fmt: skip


def _own_monitor(process: Process, read: Processes) -> tuple[str | None, str]:
    """Where a QMP monitor of this very process listens, or why there is none that we may use."""
    reason = "it has no QMP monitor that listens at a path or on TCP"
    network = read.networks.get(process.namespaces.get("net", ""), Network())
    for offered in monitors(process.argv):
        if offered.human:
            reason = (
                "its monitor speaks to people (HMP), and it has no other that listens at a path or on TCP"
            )
        elif refused := offered.refused or _out_of_reach(offered, process, read.reader):
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
