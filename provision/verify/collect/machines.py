"""Collects every NIC of a lab's machines or of a domain, all but what their TAPs tell."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from provision.facts.domain import DomainFacts, DomainNic, parse_domain
from provision.facts.qemu import switches_on
from provision.facts.qemu_arguments import QUEUE_SIZE
from provision.host.state import BRIDGE_FILTER
from provision.lab.paths import LabPaths
from provision.runtime.errors import HostError, UnreadableError
from provision.runtime.parallel import foreseen, side_by_side
from provision.runtime.places import Listener
from provision.runtime.protocols import Domain
from provision.runtime.safe_text import escaped
from provision.tables.backends import BACKENDS
from provision.tables.models import LIBVIRTS_VIRTIO, is_qemus_virtio
from provision.tables.offloads import HCK
from provision.verify.collect.argument_nics import nics_past_libvirt, with_arguments
from provision.verify.collect.bare_qemu import nics_besides
from provision.verify.collect.monitor import PERIPHERAL, UNWANTED, clamped, with_monitor, without_monitor
from provision.verify.collect.next_start import with_definitions
from provision.verify.collect.own_machine import of_domain
from provision.verify.collect.untold_machines import untold, why_untold
from provision.verify.evidence import UNKNOWN, Cut, Machine, NicEvidence, Owner, Unasked, named_apart

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from provision.host.state import Inventory
    from provision.lab.spec import Lab
    from provision.runtime.protocols import Monitor, ReadingEdges


def _lab_nics(lab: Lab, machine: Machine) -> Iterator[NicEvidence]:
    """A machine's NICs as the lab file has them."""
    spec = lab.machines[machine.name]
    for nic in spec.nics:
        row = BACKENDS[nic.kind]
        tap = nic.ifname if row.device else None
        running = machine.state != "off"
        yield NicEvidence(
            machine.host,
            machine.name,
            nic.name,
            nic.mac,
            tap if running else None,
            nic.profile,
            machine.purpose,
            machine.state,
            row.interface,
            nic.model,
            nic.profile == "hck",
            path=f"{PERIPHERAL}/ua-{nic.name}",
            owner=machine.owner,
            netdev=f"host-{nic.name}",
            bridge=nic.bridge or "",
            mtu=nic.mtu,
            vhost_asked=nic.vhost == "true",
            vcpus=spec.vcpus,
            cores=spec.topology.sockets * spec.topology.cores,
            queues=nic.queues,
            rx_queue_size=nic.rx_queue_size or QUEUE_SIZE,
            defined_in=spec.backend,
        )


def _domain_nic(machine: Machine, facts: DomainFacts, index: int, nic: DomainNic) -> NicEvidence:
    ours = {alias: (name, rsc) for name, alias, rsc in (facts.mark.nics if facts.mark else ())}
    name, rsc = ours.get(nic.alias, (nic.alias or f"net{index}", None))
    tap = (nic.target or None) if machine.state != "off" else None
    misnamed = nic.model if nic.model not in LIBVIRTS_VIRTIO and is_qemus_virtio(nic.model) else ""
    made = NicEvidence(
        machine.host,
        machine.name,
        name,
        nic.mac,
        tap,
        rsc,
        machine.purpose,
        machine.state,
        nic.kind,
        "virtio" if misnamed or nic.model in LIBVIRTS_VIRTIO else nic.model,
        nic.rsc_asked,
        path=f"{PERIPHERAL}/{nic.alias}",
        owner=machine.owner,
        netdev=f"host{nic.alias}",
        bridge=nic.bridge,
        mtu=nic.mtu,
        misnamed=misnamed,
        standby=nic.standby,
        vhost_asked=nic.vhost_asked,
        queues=nic.queues or 1,
        rx_queue_size=nic.rx_queue_size or QUEUE_SIZE,
        defined_in="libvirt",
        cuts=(Cut("xml", "<link state='down'/> in its live XML"),) if nic.link_down else (),
    )
    return of_domain(made, facts)


def nics_in_xml(host: str, name: str, text: str) -> list[NicEvidence]:
    """Every NIC of a domain, by its XML alone, of which nobody says whether it runs.

    :raise UnreadableError: when the text is no domain XML.
    """
    facts = parse_domain(text)
    machine = Machine(host, name, "unknown", facts.mark.purpose if facts.mark else None)
    nics = [_domain_nic(machine, facts, index, nic) for index, nic in enumerate(facts.nics)]
    return named_apart([*nics, *nics_past_libvirt(machine, facts, Domain(name, machine.state, text, ""))])


def _as_running(machine: Machine, facts: DomainFacts, index: int, nic: DomainNic) -> NicEvidence:
    """A NIC of a definition, were its machine running."""
    purpose = facts.mark.purpose if facts.mark else None
    return _domain_nic(replace(machine, state="running", purpose=purpose), facts, index, nic)


def unread_domain(host: str, domain: Domain, why: str) -> NicEvidence:
    """A NIC that stands for all of a domain's, of which nothing is known."""
    unread = Unasked(why, final=True)
    nic = NicEvidence(host, domain.name, "unknown", "", None, None, None, domain.state, "unknown", "virtio")
    return replace(nic, properties=unread, virtio=unread, run=domain.run)


_ALIAS = re.compile("[A-Za-z0-9_.-]{0,128}")
"""What libvirt gives, and takes from others; it becomes part of a path in QEMU."""
_LONGEST = 1024
"""Characters of a device's name, a MAC address, a model, with much room."""


def _believable(name: str, facts: DomainFacts) -> None:
    """See that libvirt tells of devices as it does.

    :raise UnreadableError: when it has not told this.
    """
    for nic in facts.nics:
        if not _ALIAS.fullmatch(nic.alias):
            raise UnreadableError(f"{escaped(name)}'s XML: an alias that libvirt does not give", nic.alias)
        if max(map(len, (nic.kind, nic.model, nic.mac, nic.target, nic.bridge))) > _LONGEST:
            raise UnreadableError(f"{escaped(name)}'s XML: a name longer than any", nic.alias)


def collect_domain(
    edges: ReadingEdges, host: str, domain: Domain, *, monitor: bool = True
) -> list[NicEvidence]:
    """Every NIC of a libvirt domain; without `monitor` what only QEMU could tell stays unasked.

    A domain whose XML cannot be read has a NIC all the same, of which nothing is known, so that it is not passed over.
    """
    try:
        facts = parse_domain(domain.live_xml)
        _believable(domain.name, facts)
    except UnreadableError as error:
        return [unread_domain(host, domain, domain.trouble or str(error))]
    machine = Machine(
        host,
        domain.name,
        domain.state,
        facts.mark.purpose if facts.mark else None,
        Owner(domain=domain.name, uuid=facts.uuid),
    )
    there = [_domain_nic(machine, facts, index, nic) for index, nic in enumerate(facts.nics)]
    nics = [replace(nic, run=domain.run) for nic in named_apart(there)]
    nics = with_definitions(nics, domain, partial(_as_running, machine))
    past = [replace(nic, run=domain.run) for nic in nics_past_libvirt(machine, facts, domain)]
    if domain.state == "off" or not (facts.nics or facts.arguments):
        return named_apart([*nics, *past])
    if not monitor:
        asked_for = any(switches_on(HCK, word) for word in facts.arguments)
        blind = [replace(nic, properties=UNWANTED, virtio=UNWANTED) for nic in nics]
        blind = [replace(nic, rsc_asked=nic.rsc_asked or asked_for) for nic in blind]
        return named_apart([*blind, *(replace(nic, virtio=UNWANTED) for nic in past)])
    try:
        qemu = edges.libvirt(host).monitor(domain.name)
    except HostError as error:
        return named_apart([without_monitor(nic, error) for nic in (*nics, *past)])
    return named_apart(_asked(qemu, machine, facts, nics, past))


def _asked(
    qemu: Monitor,
    machine: Machine,
    facts: DomainFacts,
    nics: Sequence[NicEvidence],
    past: Sequence[NicEvidence],
) -> list[NicEvidence]:
    """The NICs with what QEMU tells of them, and those of its that libvirt does not tell of."""
    asked = [with_monitor(nic, qemu) for nic in nics]
    if facts.nics:
        asked = [_with_queue(nic, qemu, said) for nic, said in zip(asked, facts.nics, strict=True)]
        for nic in asked:
            if isinstance(nic.virtio, Unasked) and not nic.virtio.final:
                # A monitor that is silent would cost its deadline once more.
                return [*asked, *(replace(each, virtio=nic.virtio) for each in past)]
    found = nics_besides(qemu, machine, {nic.path for nic in asked})
    more = [with_monitor(nic, qemu) for nic in past] if found is None else with_arguments(found, past)
    return [*asked, *more]


def _with_queue(nic: NicEvidence, monitor: Monitor, said: DomainNic) -> NicEvidence:
    """The NIC with a note where QEMU made its queue smaller than its XML has it."""
    if isinstance(nic.virtio, Unasked):
        return nic
    try:
        return replace(nic, notes=(*nic.notes, *clamped(monitor, nic.path, said.tx_queue_size)))
    except HostError:
        return nic


def _collect_process(edges: ReadingEdges, lab: Lab, machine: Machine, *, monitor: bool) -> list[NicEvidence]:
    """Every NIC of a machine that runs, or should, as a QEMU of our own."""
    paths = LabPaths(lab.state_dir, lab.name)
    socket = paths.socket(machine.name, "qmp")
    machine = replace(
        machine, owner=replace(machine.owner, agent=paths.socket(machine.name, "agent"), monitor=socket)
    )
    if machine.state == "off":
        return list(_lab_nics(lab, machine))
    if not monitor:
        return [replace(nic, properties=UNWANTED, virtio=UNWANTED) for nic in _lab_nics(lab, machine)]
    try:
        with edges.monitor(machine.host, socket, Listener(machine.owner.pid)) as qemu:
            status = qemu.execute("query-status")
            if isinstance(status, dict) and status.get("running") is False:
                machine = replace(machine, state="paused")
            return [with_monitor(nic, qemu) for nic in _lab_nics(lab, machine)]
    except HostError as error:
        return [without_monitor(nic, error) for nic in _lab_nics(lab, machine)]


def _gone(lab: Lab, there: Sequence[NicEvidence], machine: Machine) -> Iterator[NicEvidence]:
    """NICs of the lab file that the domain does not have: somebody has edited it."""
    for nic in _lab_nics(lab, machine):
        if nic.path not in {found.path for found in there}:
            alias = nic.path.removeprefix(f"{PERIPHERAL}/")
            missing = Unasked(f"the domain has no NIC {alias}", final=True)
            yield replace(nic, tap=None, properties=missing, virtio=missing)


def _lab_machine(
    edges: ReadingEdges, lab: Lab, name: str, *, state: Inventory, monitor: bool
) -> list[NicEvidence]:
    """Every NIC of one machine of a lab."""
    spec = lab.machines[name]
    domain = state.domains.get(name)
    if spec.backend == "libvirt" and (told := why_untold(lab, name, state)):
        return untold(_lab_nics(lab, Machine(state.name, name, "unknown", spec.purpose)), told)
    if spec.backend == "libvirt" and domain is not None:
        there = collect_domain(edges, state.name, domain, monitor=monitor)
        return [*there, *_gone(lab, there, Machine(state.name, name, domain.state, spec.purpose))]
    pidfile = LabPaths(lab.state_dir, lab.name).pidfile(name)
    process = state.processes.get(pidfile) if spec.backend == "qemu" else None
    status, owner = ("running", Owner(process.pid)) if process else ("off", UNKNOWN)
    machine = Machine(state.name, name, status, spec.purpose, owner)
    return _collect_process(edges, lab, machine, monitor=monitor)


def _lost(lab: Lab, host: str, name: str, error: HostError) -> list[NicEvidence]:
    """The NICs of a machine that led us astray."""
    machine = Machine(host, name, "running", lab.machines[name].purpose)
    return [without_monitor(nic, error) for nic in _lab_nics(lab, machine)]


def collect_lab(
    edges: ReadingEdges, lab: Lab, names: Sequence[str], state: Inventory, *, monitor: bool = True
) -> list[NicEvidence]:
    """Every NIC of these machines on one host, in the lab file's order, but for what their TAPs tell."""
    nics: list[NicEvidence] = []
    for name in names:
        [outcome] = side_by_side([name], partial(_lab_machine, edges, lab, state=state, monitor=monitor))
        there: list[NicEvidence] = foreseen(outcome, partial(_lost, lab, state.name, name))
        nics += there
    return [
        replace(nic, notes=(*nic.notes, BRIDGE_FILTER))
        if nic.hck and nic.state != "off" and state.bridge_filter
        else nic
        for nic in nics
    ]
