"""Machines that somebody else made: a domain under a hypervisor's libvirtd, with rscvm beside it, and a bare QEMU."""

from __future__ import annotations

import json
import time
from subprocess import CompletedProcess
from typing import TYPE_CHECKING, Any

from tests.real.demo_guest import CMDLINE, GUEST
from tests.real.hypervisor import Hypervisor, wait_for
from tests.real.preloaded import rscvm

if TYPE_CHECKING:
    from pathlib import Path

BARE_QEMU = """
exec qemu-system-x86_64 -S -M q35,accel=tcg -nodefaults -display none -daemonize -name vm \\
    -netdev tap,id=n,ifname=t0,script=no,downscript=no -device virtio-net-pci,netdev=n \\
    -qmp unix:/run/qmp,server=on,wait=off
"""

URI = "qemu:///system"
GOOD = "<model type='virtio'/>"
OVERRIDE = """<qemu:override><qemu:device alias='ua-nic'><qemu:frontend>
<qemu:property name='guest_rsc_ext' type='bool' value='true'/>
<qemu:property name='rsc_interval' type='unsigned' value='1000000'/>
</qemu:frontend></qemu:device></qemu:override>"""


def domain_xml(folder: Path, inner: str = GOOD, *, switch: str = "", override: str = "") -> str:
    return f"""<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>vm</name><memory unit='MiB'>192</memory>
  <metadata><x:mark xmlns:x='urn:x'>kept <!-- as it is --> &amp; whole</x:mark></metadata>
  <os><type arch='x86_64' machine='q35'>hvm</type>
    <kernel>{GUEST}/vmlinuz</kernel><initrd>{GUEST}/initrd</initrd>
    <cmdline>{CMDLINE} {switch}</cmdline></os>
  <features><acpi/></features><cpu mode='maximum'/>
  <devices>
    <controller type='usb' model='qemu-xhci'/>
    <interface type='bridge'><mac address='52:54:00:00:00:01'/><source bridge='br0'/>{inner}
      <alias name='ua-nic'/></interface>
    <serial type='file'><source path='{folder}/console'/></serial>
    <graphics type='vnc' passwd='geheim'/><memballoon model='none'/>
  </devices>
  {override}
</domain>"""


class Vm:
    """One running domain, and rscvm beside it."""

    def __init__(self, host: Hypervisor, folder: Path, xml: str = "", *, transient: bool = False) -> None:
        self.host, self.folder, self.state = host, folder, folder / "state"
        file = folder / "vm.xml"
        file.write_text(xml or domain_xml(folder))
        host.output(["ip", "link", "add", "br0", "type", "bridge"])
        host.output(["ip", "link", "set", "br0", "up"])
        if not transient:
            host.virsh("define", str(file))
        host.virsh(*(("create", str(file)) if transient else ("start", "vm")))
        wait_for(self.booted, time.monotonic() + 60, "the guest to have done what it does at boot")

    def booted(self) -> bool:
        console = self.folder / "console"
        return console.exists() and "rscvm-guest: ready" in console.read_text(errors="replace")

    def definition(self) -> str:
        return self.host.virsh("dumpxml", "--inactive", "--security-info", "vm")

    def tap(self) -> str:
        return self.host.virsh("domiflist", "vm").split()[0]

    def ethtool(self, *words: str) -> None:
        self.host.output(["ethtool", "-K", self.tap(), *words])

    def fix(self, *arguments: str, as_json: bool = True) -> tuple[CompletedProcess[str], dict[str, Any]]:
        words = [*arguments, "--json"] if as_json else arguments
        told = rscvm(
            self.host, "fix", "--connect", URI, "vm", *words, env={"XDG_STATE_HOME": str(self.state)}
        )
        return told, json.loads(told.stdout) if as_json and told.stdout else {}

    def backups(self) -> list[Path]:
        return sorted((self.state / "rscvm" / "backups").glob("*"))
