"""What was recorded of a real host (fixtures/recorded-host), and the lab files it was recorded with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from provision.host.apply import deadman, lock
from provision.host.plan import commands, making
from provision.host.read import capabilities, host, inventory, nics, processes
from provision.lab.paths import LabPaths
from provision.lab.spec import Lab
from provision.runtime.templates import shipped_text
from tests.builders import FIXTURES, lab_of

RECORDED = FIXTURES / "recorded-host"
LAB_TEXT = """\
version: 1
hosts: {local: {bridges: {br-lab: {address: 10.9.0.1/24}}}}
machines:
  vm: &machine
    backend: qemu
    guest: linux
    firmware: uefi
    memory: 256MiB
    kernel: {image: /srv/vmlinuz, initrd: /srv/initrd.gz, cmdline: console=ttyS0}
    disks: [{image: /srv/base.qcow2}]
    nics: [{bridge: br-lab, ifname: tap0, mac: "52:54:00:12:34:56"}]
  dom:
    <<: *machine
    backend: libvirt
    nics: [{bridge: br-lab, ifname: tap1, mac: "52:54:00:12:34:57"}]
"""
NIC_TEXT = "version: 1\nhosts: {local: {nics: {eth0: {features: {generic-receive-offload: on}}}}}\n"
PATHS = LabPaths("/var/lib/rscvm", "lab")
OVERLAYS = (PATHS.overlay("vm", 0), PATHS.overlay("dom", 0))
THEIR_FILES = (
    "/srv/base.qcow2", "/srv/vmlinuz", "/srv/initrd.gz",
    "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd",
)  # fmt: skip
"""What was there before, and is needed."""
_MODULES = (deadman, making, commands, capabilities, host, inventory, nics, processes)
_NAMES = {text: name for module in _MODULES for name, text in module.SCRIPTS.items()} | {
    lock.HOLD: "hold",
    host._OPENS: "opens",
}
_PROBE = shipped_text("accelerators.sh")


def changed_lab(*changes: tuple[str, str], text: str = LAB_TEXT) -> Lab:
    """The recorded lab file, with some of its words replaced."""
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return lab_of(text)


LAB, NIC_LAB = lab_of(LAB_TEXT), lab_of(NIC_TEXT)
WITHOUT_VM = LAB.model_copy(update={"machines": {"dom": LAB.machines["dom"]}})
"""The lab file once it has lost a machine."""


def asked(argv: Sequence[str]) -> tuple[str, ...]:
    """A command, or the name of a script of ours and its arguments; one that tolerates stands for what it runs."""
    if tuple(argv[:2]) != ("sh", "-c"):
        return tuple(argv)
    name = "probe" if argv[2].startswith(_PROBE) else _NAMES[argv[2]]
    return tuple(argv[4:]) if name == "tolerant" else (name, *argv[4:])


def is_tolerated(argv: Sequence[str]) -> bool:
    """Whether it ends with status 0 whatever the program's own is."""
    return commands._TOLERANT in argv[:3]


def recorded(name: str) -> Any:
    """A document of the recording."""
    text = (RECORDED / name).read_text()
    return json.loads(text) if name.endswith(".json") else text


def rows(name: str) -> dict[str, Any]:
    """What the recording has of each device, by its name."""
    return {row["ifname"]: row for row in recorded(name)}
