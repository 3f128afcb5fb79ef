"""Lab files as text: of machines, of a test lab, and small ones made of parts that are accepted or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from provision.lab.expand import lab_test_bridges
from provision.lab.load import parse_lab
from provision.runtime.errors import LabFileError
from tests.builders import lab_of

if TYPE_CHECKING:
    from provision.lab.spec import Lab
    from provision.runtime.errors import Fault

THREE_VMS = r"""
version: 1
hosts: {local: {bridges: {br-lab: {address: 10.9.0.1/24, mtu: 9000}}}}
machines:
  windows:
    guest: windows
    memory: 8GiB
    vcpus: 4
    firmware: uefi-secure-boot
    tpm: true
    disks: [{image: /srv/windows.qcow2}, {image: /srv/data.raw, bus: sata, overlay: false}]
    cdroms: [/srv/virtio-win.iso]
    nics:
      - {bridge: br-lab, queues: 4, rx_queue_size: 1024, mtu: 9000, vhost: true}
      - {macvtap: eno1}
      - {user: true, rsc: false}
      - {bridge: br-lab, model: e1000e}
  windows-argv:
    backend: qemu
    guest: windows
    memory: 8GiB
    firmware: {code: /srv/CODE.fd, vars: /srv/VARS.fd}
    disks: [{image: "/srv/a,b<&'.qcow2"}, {image: /srv/data.raw, bus: sata, overlay: false}]
    cdroms: [/srv/1.iso, /srv/2.iso, /srv/3.iso, /srv/4.iso, /srv/5.iso, /srv/6.iso]
    nics: [{bridge: br-lab, queues: 4, rx_queue_size: 1024, mtu: 9000}, {user: true, rsc: false}]
  dut:
    backend: qemu
    purpose: hck
    accel: tcg
    guest: linux
    memory: 512MiB
    kernel: {image: /srv/vmlinuz, initrd: /srv/initrd.gz, cmdline: "console=ttyS0 a=<&>,$(x) 'y'"}
    nics:
      - {bridge: br-hck, rsc: hck}
      - {tap: true, rsc: false}
      - {bridge: br-lab, offloads: {guest_tso4: false, host_uso: false, ctrl_guest_offloads: false}}
"""

HLK_ROLE = "{guest: windows, memory: 4GiB, disks: [{image: /srv/win.qcow2}]BACKEND}"
HLK = f"""\
version: 1
labs:
  rsc: {{topology: hlk-two-machine, controller: {HLK_ROLE}, dut: {HLK_ROLE}, support: {HLK_ROLE}}}
"""

HOST = "hosts: {h: {address: h.example.org}}\n"
ROLE = "guest: linux, memory: 1GiB"
ROLES = f"dut: {{{ROLE}}}"
NIC = "machines.m.nics[0]"


def hlk(backend: str = "libvirt", **changes: str) -> Lab:
    text = HLK.replace("BACKEND", f", backend: {backend}")
    for old, new in changes.items():
        text = text.replace(old, new)
    return lab_of(text)


def networks(lab: Lab) -> tuple[str, str]:
    """The control and the test bridge."""
    [(_, test)] = lab_test_bridges(lab.name, lab)
    return next(name for name in lab.host("local").bridges if name != test), test


def load(text: str) -> Lab:
    hosts = "" if "hosts:" in text else HOST
    return parse_lab(f"version: 1\n{text}\n{hosts}", "lab.yaml", "/srv/lab", {})


def refused(text: str) -> tuple[Fault, ...]:
    with pytest.raises(LabFileError) as caught:
        load(text)
    assert len(str(caught.value).splitlines()) == len(caught.value.faults), "a fault is one line"
    return caught.value.faults


def machine(keys: str, name: str = "m") -> str:
    return f"machines:\n  {name}: {{{ROLE}, {keys}}}\n"


def dut_only(keys: str, name: str = "r") -> str:
    return f"labs:\n  {name}: {{topology: dut-only, {keys}}}\n"
