"""Reads what is there on a host: devices, the journal, QEMU processes and domains. Changes nothing."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from provision.facts.ethtool_features import FeaturesRead
from provision.facts.processes import Processes
from provision.host.journal import Journal, parse_journal
from provision.host.read.devices import FEATURES, LINKS
from provision.host.read.ovs import read_ovs
from provision.host.read.processes import QEMUS, our_machines, processes_question, taps_held
from provision.host.state import Inventory
from provision.lab.identity import machine_uuid
from provision.lab.paths import LabPaths
from provision.runtime.command import Run, shell
from provision.runtime.errors import HostError, UnreadableError
from provision.runtime.questions import Question, ask
from provision.runtime.safe_text import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.host.journal import Thing
    from provision.lab.spec import Lab
    from provision.runtime.command import Result
    from provision.runtime.protocols import Domain, ReadingEdges
    from provision.runtime.questions import Answers

_ABSENT = 44
"""How our script says that there is no journal, which is not the same as one that cannot be read."""

_JOURNAL = f'if [ -e "$1" ]; then cat -- "$1"; else exit {_ABSENT}; fi'
_BRIDGE_FILTER = "cat /proc/sys/net/bridge/bridge-nf-call-*tables 2>/dev/null; true"
_UUID = re.compile("[0-9a-f-]{36}")

SCRIPTS = {"journal": _JOURNAL, "filter": _BRIDGE_FILTER}
"""Every constant script above, for the linter."""


def _boot(answer: Result) -> str:
    """:raise UnreadableError: when the kernel does not tell; then little else could be believed."""
    found = answer.out.strip()
    if not _UUID.fullmatch(found):
        raise UnreadableError(f"{answer.host}'s boot", answer.out + answer.err)
    return found


def _journal(answer: Result) -> Journal:
    """The journal, also one that cannot be read."""
    if answer.status == _ABSENT:
        return Journal()
    if not answer.ok:
        return Journal(trouble=f"what `up` noted of this lab cannot be read: {quoted(answer.err)}")
    try:
        return parse_journal(answer.out)
    except HostError as error:
        return Journal(trouble=with_hint(error))


BOOT = Question(Run(("cat", "/proc/sys/kernel/random/boot_id")), _boot)
"""Tells one boot of a host from another."""

_FILTER = Question(shell(_BRIDGE_FILTER), lambda answer: "1" in answer.out)


class InventoryQuestions:
    """What is asked about these machines, and what the answers come to."""

    def __init__(self, lab: Lab, host: str, names: Sequence[str]) -> None:
        """Of no machines only the host's own devices and the journal are asked."""
        self._lab, self._host, self._names = lab, host, names
        self._paths = LabPaths(lab.state_dir, lab.name)
        self._journal = Question(shell(_JOURNAL, self._paths.journal), _journal)
        self._processes = processes_question(map(self._paths.pidfile, names))

    @property
    def questions(self) -> list[Question[Any]]:
        """Every question, for the one batch that they go in."""
        guests = self._names or any(machine.host == self._host for machine in self._lab.machines.values())
        own: list[Question[Any]] = [LINKS, self._journal, BOOT, _FILTER]
        held = [QEMUS] if any(map(self._is_libvirts, self._lab.machines)) else []
        return [*own, *([self._processes] if self._names else []), *held, *([FEATURES] if guests else [])]

    def inventory(self, answers: Answers, edges: ReadingEdges, *, domains: bool = True) -> Inventory:
        """The inventory; libvirt is asked for the machines' domains, unless it is known not to answer.

        :raise HostError: when something cannot be read, or libvirt does not answer.
        """
        journal = answers[self._journal]
        running = answers.get(self._processes, Processes(None))
        return Inventory(
            name=self._host,
            boot=answers[BOOT],
            journal=journal,
            links=answers[LINKS],
            features=answers.get(FEATURES, FeaturesRead({})).devices,
            bridge_filter=answers[_FILTER],
            processes=our_machines(running, self._paths, self._names),
            domains=self.domains(edges, journal.things) if domains else {},
            held={
                name: taps_held(name, machine_uuid(self._lab, name), answers.get(QEMUS, None))
                for name in filter(self._is_libvirts, self._lab.machines)
            },
            ovs=read_ovs(edges.host(self._host), answers[LINKS]),
        )

    def domains(self, edges: ReadingEdges, made: Sequence[Thing]) -> dict[str, Domain]:
        """The machines' domains; libvirt is left alone where no machine is or was its."""
        once = {thing.name for thing in made if thing.kind == "domain"}
        mine = [name for name in self._names if name in once or self._is_libvirts(name)]
        if not mine:
            return {}
        libvirt = edges.libvirt(self._host)
        found = ((name, libvirt.domain(name)) for name in mine)
        return {name: domain for name, domain in found if domain is not None}

    def _is_libvirts(self, name: str) -> bool:
        machine = self._lab.machines.get(name)
        return machine is not None and machine.backend == "libvirt" and machine.host == self._host


def read_inventory(
    edges: ReadingEdges, lab: Lab, host: str, names: Sequence[str], *, lenient: bool = False
) -> Inventory:
    """What is there on a host of these machines, and its devices, in one round trip besides libvirt's and Open vSwitch's.

    :param lenient: whether the rest is told of a host whose libvirt does not answer.
    :raise HostError: when the host or its libvirt does not answer.
    """
    about = InventoryQuestions(lab, host, names)
    answers = ask(edges.host(host), about.questions)
    there = about.inventory(answers, edges, domains=not lenient)
    if not lenient:
        return there
    try:
        return replace(there, domains=about.domains(edges, there.journal.things))
    except HostError as error:
        return replace(there, silent=with_hint(error))


def with_hint(error: HostError) -> str:
    """What happened and what to do, in one."""
    return f"{error} ({error.hint})" if error.hint else str(error)
