"""Renders a machine as libvirt domain XML and as a QEMU command line. Pure."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from provision.facts.domain_tree import NAMESPACE
from provision.lab.identity import spec_digest
from provision.runtime.command import QEMU, SWTPM
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
        for each in ("features", "tsc", "secure", "ports", "root_ports", "scsi", "extra_sata", "socket")
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


def tpm_argv(view: MachineView) -> Argv:
    """The command line of the swtpm that a bare QEMU's TPM is; it goes into the background, and ends with its QEMU.

    :raise RequestError: when a path has a comma, at which swtpm's options end, whatever is before it.
    """
    paths = view.paths
    if "," in paths.directory:
        raise RequestError(
            f"{view.name} can have no TPM on backend qemu: swtpm takes no path with a comma, and has {paths.directory}",
            hint="give the lab file a `state_dir` without one",
        )
    return (
        SWTPM,
        "socket",
        "--tpm2",
        "--tpmstate",
        f"backend-uri=file://{paths.tpm_state(view.name)}",
        "--ctrl",
        f"type=unixio,path={view.socket('tpm')},mode=0600",
        "--terminate",
        "--daemon",
        "--pid",
        f"file={paths.tpm_pidfile(view.name)}",
    )


def _only_libvirt(view: MachineView) -> None:
    missing = [f"{nic.backend.name} (nic {nic.spec.name})" for nic in view.nics if not nic.backend.netdev]
    missing += [] if "q35" in view.spec.machine else [f"machine {view.spec.machine}"]
    if missing:
        raise RequestError(
            f"{view.name} cannot be started by QEMU alone: {', '.join(missing)} needs libvirt",
            hint="render it --as xml",
        )
