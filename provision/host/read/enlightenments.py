"""Asks what a host can tell a Windows of its hypervisor: libvirt, QEMU itself, and the module of KVM."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from provision.facts.hyperv import (
    EXPANSION,
    MODULE_FILES,
    Named,
    parse_cpu_expansion,
    parse_domain_capabilities,
    parse_kvm_module,
    parse_tsc_frequency,
)
from provision.runtime.command import NOT_FOUND, Run
from provision.runtime.errors import HostError, LostError
from provision.runtime.questions import Question
from provision.runtime.safe_text import short
from provision.tables.enlightenments import ENLIGHTENMENTS
from provision.tables.guests import GUESTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from provision.facts.hyperv import KvmModule
    from provision.lab.spec import Lab, Machine
    from provision.runtime.command import Result
    from provision.runtime.protocols import LibvirtReader, ReadingEdges
    from provision.runtime.questions import Answers

_SECONDS = "20"
_LATE = 124
"""The status of `timeout` when it had to end the command."""
_ENDED = {NOT_FOUND: "there is no QEMU", _LATE: f"QEMU did not answer within {_SECONDS} s"}
_QEMU = ("-machine", "none", "-accel", "kvm", "-nodefaults", "-no-user-config", "-display", "none", "-S", "-qmp", "stdio")  # fmt: skip
_MODEL = {"type": "full", "model": {"name": "max", "props": {"hv-passthrough": True}}}
_ASKED = "".join(
    json.dumps(command) + "\n"
    for command in (
        {"execute": "qmp_capabilities"},
        {"execute": "query-cpu-model-expansion", "id": EXPANSION, "arguments": _MODEL},
        {"execute": "quit"},
    )
)
_MODULE = Question(Run(("grep", "-s", "", *MODULE_FILES)), lambda answer: parse_kvm_module(answer.out))
"""`grep` names the file of each line, and fails where one of them is missing, as always."""


def _of_qemu(answer: Result) -> Named:
    if answer.status in _ENDED:
        return Named(trouble=_ENDED[answer.status])
    if not answer.ok:
        return Named(
            trouble=short(answer.err.strip().rpartition("\n")[2], 200) or "QEMU ended when it was asked"
        )
    return Named(parse_cpu_expansion(answer.out))


def _of_libvirt(libvirt: LibvirtReader, machine: str) -> Named:
    try:
        domains, host = libvirt.capabilities("kvm", machine)
    except LostError:
        raise
    except HostError as error:  # it has no KVM, which is no obstacle to `accel: auto`
        return Named(trouble=str(error))
    return Named(parse_domain_capabilities(domains), parse_tsc_frequency(host))


def _with_unnamed(libvirt: Named, qemu: Named) -> Named:
    """What libvirt names, with what it knows and cannot name where QEMU has that."""
    if libvirt.names is None:
        return libvirt
    unnamed = {row.name for row in ENLIGHTENMENTS if not row.named}
    return Named(libvirt.names | ((qemu.names or frozenset()) & unnamed), libvirt.tsc)


def _wants(machine: Machine) -> bool:
    asks = GUESTS[machine.guest].hyperv or machine.nested or machine.topology.threads > 1
    return machine.accel != "tcg" and asks


class EnlightenmentQuestions:
    """What is asked for the machines that may have enlightenments or nest, and what the answers come to."""

    def __init__(self, edges: ReadingEdges, lab: Lab, host: str, emulators: Mapping[str, str]) -> None:
        """Ask libvirt at once; `emulators` are the QEMUs that would run the machines.

        :raise LostError: when libvirt hangs up.
        """
        wanting = {name: lab.machines[name] for name in emulators if _wants(lab.machines[name])}
        self._programs = {name: emulators[name] for name in wanting}
        self._qemus = {
            program: Question(Run(("timeout", _SECONDS, program, *_QEMU), _ASKED), _of_qemu)
            for program in sorted({*self._programs.values()})
        }
        kinds = {name: row.machine for name, row in wanting.items() if row.backend == "libvirt"}
        told = {kind: _of_libvirt(edges.libvirt(host), kind) for kind in sorted({*kinds.values()})}
        self._told = {name: told[kind] for name, kind in kinds.items()}

    @property
    def questions(self) -> Sequence[Question[Any]]:
        """Every question; none where no machine has anything of it."""
        return [*self._qemus.values(), _MODULE] if self._qemus else []

    def named(self, answers: Answers) -> Mapping[str, Named]:
        """What each machine can have, by its name.

        :raise UnreadableError: when QEMU said something else.
        """
        return dict(self._named(answers))

    def _named(self, answers: Answers) -> Iterator[tuple[str, Named]]:
        for name, program in self._programs.items():
            qemu = answers[self._qemus[program]]
            yield name, _with_unnamed(self._told[name], qemu) if name in self._told else qemu

    def module(self, answers: Answers) -> KvmModule | None:
        """The processor's KVM, where it was asked for and is loaded."""
        return answers.get(_MODULE, None)
