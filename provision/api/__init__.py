"""What other programs import: `from provision import check_domains, load_lab, render_domain`.

Their results are those of the command line: `document(verdicts)` is what `check --json` prints.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from provision.edges.uri import reach
from provision.edges.wiring import RealEdges
from provision.lab.file import read_lab
from provision.lab.spec import Lab
from provision.render.machine import domain_xml, qemu_argv
from provision.render.view import machine_view
from provision.runtime.errors import HostError, LabFileError, RequestError, RscvmError
from provision.verbs.check import Look, check
from provision.verify.collect.source import domain_source
from provision.verify.judge.verdict import NicVerdict
from provision.verify.report.document import as_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "HostError",
    "Lab",
    "LabFileError",
    "NicVerdict",
    "RequestError",
    "RscvmError",
    "check_domains",
    "document",
    "load_lab",
    "render_argv",
    "render_domain",
]


def check_domains(
    uri: str = "qemu:///system",
    domains: Sequence[str] = (),
    *,
    host: str = "",
    monitor: bool = True,
    observe: float = 0,
) -> list[NicVerdict]:
    """The verdict on every NIC of these domains of a libvirt, or of all; changes nothing.

    :param host: `ssh://USER@HOST` of their TAPs, where that is not the URI's.
    :param monitor: whether QEMU's monitors are asked; libvirt marks a domain as tainted by that.
    :param observe: seconds for which the TAPs are watched, two at least, with a sample of their frames at the end.
    :raise RequestError: when there is no such domain, or a URI is none.
    :raise HostError: when libvirt does not answer.
    """
    way = reach(uri, host)
    with RealEdges({way.name: way.host}, daemons={way.name: way.daemon}) as edges:
        source = domain_source(edges, way.name, domains, monitor=monitor)
        return check(source, Look(monitor=monitor, observe=observe))


def document(verdicts: Sequence[NicVerdict]) -> dict[str, Any]:
    """The verdicts as `check --json` has them (schema rscvm/check/1)."""
    return as_json(verdicts)


def load_lab(path: str | os.PathLike[str], environment: Mapping[str, str] | None = None) -> Lab:
    """The lab of a lab file; `${NAME}` in it is taken from `environment`, or from the process's own.

    :raise LabFileError: with every fault of it (`faults`: line, column, path, message).
    :raise RequestError: when the file cannot be read.
    """
    return read_lab(os.fspath(path), os.environ if environment is None else environment)


def render_domain(lab: Lab, machine: str) -> str:
    """The machine's libvirt domain XML; touches nothing.

    :raise RequestError: when the lab has no such machine.
    """
    return domain_xml(machine_view(lab, _known(lab, machine)))


def render_argv(lab: Lab, machine: str) -> list[str]:
    """The machine's QEMU command line, beginning with the program; touches nothing.

    :raise RequestError: when the lab has no such machine.
    """
    return list(qemu_argv(machine_view(lab, _known(lab, machine))))


def _known(lab: Lab, machine: str) -> str:
    if machine not in lab.machines:
        raise RequestError(f"no machine {machine} in this lab")
    return machine
