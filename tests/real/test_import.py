"""A domain of a real libvirtd becomes a lab file, and that a domain which libvirt has for the same machine."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from provision.facts.domain_compare import differences
from tests.builders import FIXTURES
from tests.real.conftest import Lab
from tests.real.demo_guest import CMDLINE, GUEST
from tests.real.hypervisor import Hypervisor, wait_for

VIRT_INSTALL = FIXTURES / "domains" / "virt-install-4.1.0"
NAMES = {"linux": "debian12", "windows": "win2k22", "kernel": "direct", "network": "netvm"}

GUESTS_DOMAIN = f"""\
<domain type='qemu'>
  <name>by-hand</name>
  <memory unit='MiB'>192</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>{GUEST}/vmlinuz</kernel>
    <initrd>{GUEST}/initrd</initrd>
    <cmdline>{CMDLINE}</cmdline>
  </os>
  <features><acpi/><apic/></features>
  <devices>
    <interface type='bridge'>
      <mac address='52:54:00:12:34:56'/>
      <source bridge='br-lab'/>
      <model type='virtio'/>
    </interface>
    <serial type='pty'/>
  </devices>
</domain>
"""


def dumped(host: Hypervisor, name: str) -> str:
    return host.virsh("dumpxml", "--inactive", name)


@pytest.mark.parametrize("style", NAMES)
def test_what_virt_install_made_comes_back_the_same_in_libvirts_own_words(
    style: str, with_libvirt: Hypervisor, tmp_path: Path
) -> None:
    """libvirt adds to the rendered domain nothing by which it differs more, and nothing less, than the notes say."""
    lab = Lab(with_libvirt, tmp_path / "lab.yaml")
    with_libvirt.virsh("define", str(VIRT_INSTALL / f"{style}.xml"))
    original = dumped(with_libvirt, NAMES[style])

    imported = lab.rscvm("import", NAMES[style], "-o", str(lab.path), "--json")
    rendered = lab.run("render", "--as", "xml")
    assert (imported.returncode, rendered.returncode) == (0, 0), imported.stderr + rendered.stderr
    (tmp_path / "again.xml").write_text(rendered.stdout.replace(f"<name>{NAMES[style]}<", "<name>again<"))
    with_libvirt.virsh("define", "--validate", str(tmp_path / "again.xml"))

    found = {(row.path, row.was, row.now) for row in differences(original, dumped(with_libvirt, "again"))}
    noted = {(note["path"], note["was"], note["now"]) for note in json.loads(imported.stdout)["notes"]}
    assert found == noted


def test_a_running_domain_is_imported_and_its_machine_takes_its_place(
    with_libvirt: Hypervisor, tmp_path: Path
) -> None:
    """The network that the running domain is on, a name that is taken, and in the end a guest that negotiates."""
    lab = Lab(with_libvirt, tmp_path / "lab.yaml")
    with_libvirt.output(["ip", "link", "add", "br-lab", "up", "type", "bridge"])
    network = "<network><name>lan</name><forward mode='bridge'/><bridge name='br-lab'/></network>"
    (tmp_path / "net.xml").write_text(network)
    with_libvirt.virsh("net-create", str(tmp_path / "net.xml"))
    domain = GUESTS_DOMAIN.replace("type='bridge'", "type='network'").replace(
        "bridge='br-lab'", "network='lan'"
    )
    (tmp_path / "domain.xml").write_text(domain)
    with_libvirt.virsh("define", str(tmp_path / "domain.xml"))
    with_libvirt.virsh("start", "by-hand")
    before = dumped(with_libvirt, "by-hand")

    imported = lab.rscvm("import", "by-hand", "-o", str(lab.path))
    refused = lab.run("up", "--no-check")
    assert dumped(with_libvirt, "by-hand") == before
    with_libvirt.virsh("destroy", "by-hand")
    with_libvirt.virsh("undefine", "by-hand")
    up = lab.run("up", "--wait", "90")

    assert (imported.returncode, imported.stdout.partition(":")[0]) == (0, str(lab.path)), imported.stderr
    assert "network: lan" in lab.path.read_text()
    assert refused.returncode == 3
    assert "a domain of that name is there and is not ours" in refused.stderr
    every = lab.run("check", "-l").stdout
    assert (up.returncode, "52:54:00:12:34:56" in every, "READY" in up.stdout) == (0, True, True), up.stderr
    lab.run("down")


def test_a_transient_domain_is_imported_as_it_runs(with_libvirt: Hypervisor, tmp_path: Path) -> None:
    lab = Lab(with_libvirt, tmp_path / "lab.yaml")
    with_libvirt.output(["ip", "link", "add", "br-lab", "up", "type", "bridge"])
    (tmp_path / "domain.xml").write_text(GUESTS_DOMAIN)
    with_libvirt.virsh("create", str(tmp_path / "domain.xml"), "--paused")

    imported = lab.rscvm("import", "by-hand", "--connect", "qemu:///system")

    assert imported.returncode == 0, imported.stderr
    assert "as it runs, for it has no definition" in imported.stdout
    assert "vnet" not in imported.stdout
    with_libvirt.virsh("destroy", "by-hand")
    wait_for(lambda: "by-hand" not in with_libvirt.virsh("list", "--name"), time.monotonic() + 10, "its end")
    gone = lab.rscvm("import", "by-hand")
    assert (gone.returncode, "no domain by-hand at qemu:///system" in gone.stderr) == (2, True)
