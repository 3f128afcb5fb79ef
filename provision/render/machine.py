"""Renders a machine as libvirt domain XML and as a QEMU command line. Pure."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from provision.facts.domain import NAMESPACE
from provision.lab.identity import spec_digest
from provision.runtime.command import QEMU
from provision.runtime.errors import RequestError
from provision.runtime.templates import template

if TYPE_CHECKING:
    from provision.render.view import MachineView
    from provision.runtime.command import Argv


def printed(name: str, view: MachineView, **more: Any) -> str:
    """A machine's view in a template; XML escapes everything, the others have filters for it."""
    own = {item.name: getattr(view, item.name) for item in dataclasses.fields(view)}
    derived = {
        each: getattr(view, each)
        for each in ("nesting", "tsc", "secure", "ports", "root_ports", "scsi", "extra_sata", "socket")
    }
    is_xml = name.endswith(".xml.j2")
    return template(name, escape=is_xml, trim=not is_xml).render(**own, **derived, **more)


def domain_xml(view: MachineView, *, digest: bool = True) -> str:
    """The libvirt domain, with its HCK flags and any other property that libvirt has no word for as an override.

    :param digest: whether our mark has the digest of the machine's settings; of two texts that are to be compared neither
        has.
    """
    overrides = [nic for nic in view.nics if nic.override]
    mark = spec_digest(view.spec) if digest else ""
    return printed("domain.xml.j2", view, namespace=NAMESPACE, overrides=overrides, digest=mark)


def qemu_argv(view: MachineView, *, program: str = QEMU, foreground: bool = False) -> Argv:
    """The command line, beginning with the program; in the foreground its console is the terminal.

    :raise RequestError: when the machine has something that only libvirt can make.
    """
    _only_libvirt(view)
    text = printed("qemu.argv.j2", view, program=program, foreground=foreground)
    return tuple(line for line in text.splitlines() if line)


def _only_libvirt(view: MachineView) -> None:
    missing = [f"{nic.backend.name} (nic {nic.spec.name})" for nic in view.nics if not nic.backend.netdev]
    missing += ["tpm"] if view.spec.tpm else []
    missing += [] if "q35" in view.spec.machine else [f"machine {view.spec.machine}"]
    if missing:
        raise RequestError(
            f"{view.name} cannot be started by QEMU alone: {', '.join(missing)} needs libvirt",
            hint="render it --as xml",
        )
