"""Where there was no NIC to judge: what there was instead, in words, and where the machines may be."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from provision.cli.libvirts import reached
from provision.cli.output import complain
from provision.edges.uri import LOCAL, system_uri
from provision.runtime.errors import RscvmError
from provision.runtime.safe_text import short

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from provision.cli.output import Output
    from provision.cli.targets import Machines
    from provision.verify.collect.source import MachineSource
    from provision.verify.judge.verdict import NicVerdict

_NAMES = 200
"""Characters of names in a sentence."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """Why nothing was checked, and what to do."""

    words: str
    hint: str = ""

    def say(self) -> None:
        """Say it on stderr: it is no result."""
        complain(f"nothing was checked: {self.words}", hint=self.hint)


SAVED = Nothing("there is no NIC in what was given")
_EVERYWHERE = "machines that are off are not looked for: `rscvm check --connect qemu:///system` has libvirt's"
ALL_OFF = Nothing("none of these machines runs", "without --running what their next start will do is told")


def without_nic(machines: Sequence[str]) -> str:
    """That these machines have no NIC."""
    if not machines:
        return "the lab file has no machine"
    names = short(", ".join(machines), _NAMES)
    return f"{names} has no NIC" if len(machines) == 1 else f"none of these machines has a NIC: {names}"


def those_off(found: Sequence[NicVerdict]) -> str:
    """Where machines that are off are told, if there is a libvirt of which some run; it is not asked for that."""
    hosts = {each.evidence.host for each in found if each.evidence.defined_in == "libvirt"}
    uri = "qemu:///system" if hosts == {LOCAL} else "URI"
    return (
        f"machines that are off are not in this: `rscvm check --connect {uri}` has libvirt's" if hosts else ""
    )


def why_nothing(output: Output, asked: Machines, sources: Mapping[str, MachineSource]) -> Nothing:
    """Why sources without any NIC had none; of a user's own libvirt without machines the system's is looked into.

    :raise HostError: when a libvirt that has answered does so no more.
    """
    if not (asked.names or asked.connect or asked.qmp):
        where = short(", ".join(sources), _NAMES)
        return Nothing(
            f"no QEMU with a NIC is seen on {where}",
            _EVERYWHERE
            if os.geteuid() == 0 and not asked.hosts
            else "whoever is not root there sees only their own",
        )
    machines = [name for source in sources.values() for name in source.machines()]
    if machines or not asked.connect:
        return Nothing(without_nic(machines))
    if len(asked.connect) > 1:
        return Nothing(f"none of these has a machine: {short(', '.join(asked.connect), _NAMES)}")
    empty = f"{short(asked.connect[0], _NAMES)} has no machine"
    system = system_uri(asked.connect[0])
    if not system:
        return Nothing(
            empty, "a user's own machines are at qemu:///session, as that user; a QEMU without libvirt: --qmp"
        )
    look = f"`rscvm check --connect {short(system, _NAMES)}`"
    try:
        with reached(output, system, asked.host) as (name, edges):
            there = len(edges.libvirt(name).domains(()))
    except RscvmError as error:
        return Nothing(empty, f"the system's libvirt is another, and could not be asked: {error}; {look}")
    return Nothing(
        empty, f"{there} machine{'s are' if there > 1 else ' is'} under {system}: {look}" if there else ""
    )
