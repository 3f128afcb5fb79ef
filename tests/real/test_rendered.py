"""Rendered text under the programs that read it: libvirt's schema, libvirtd, the shell."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from lxml import etree

from provision.host.plan.domain_drift import edits
from provision.lab.file import read_lab
from provision.render.machine import domain_xml, tpm_argv
from provision.render.view import machine_view
from provision.verbs.script import machine_script as script
from tests.builders import lab_of
from tests.labs import THREE_VMS
from tests.real.conftest import HEAD, Lab, guest_machine
from tests.real.demo_guest import CMDLINE, GUEST
from tests.real.hypervisor import Hypervisor, wait_for

if TYPE_CHECKING:
    from pathlib import Path
from typing import Any

NAMES = ["windows", "windows-argv", "dut"]


@pytest.mark.parametrize("name", NAMES)
def test_domain_passes_libvirts_schema(tmp_path: Path, name: str) -> None:
    path = tmp_path / "domain.xml"
    path.write_text(domain_xml(machine_view(lab_of(THREE_VMS), name)))

    done = subprocess.run(
        ["virt-xml-validate", str(path), "domain"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_libvirtd_defines_every_kind_of_domain_and_keeps_all_of_it(
    with_libvirt: Hypervisor, tmp_path: Path
) -> None:
    """As domains of type qemu: this libvirtd has no KVM, and Hyper-V enlightenments need no KVM to be defined."""
    for name in NAMES:
        path = tmp_path / f"{name}.xml"
        text = domain_xml(machine_view(lab_of(THREE_VMS), name)).replace('type="kvm"', 'type="qemu"')
        path.write_text(text.replace('mode="host-passthrough"', 'mode="maximum"'))
        with_libvirt.virsh("define", "--validate", str(path))

        assert edits(path.read_text(), with_libvirt.virsh("dumpxml", "--inactive", name)) == ()


PAUSED = """<domain type='qemu'><name>vm</name><memory unit='MiB'>64</memory><os><type>hvm</type></os><devices><disk type='file'>
<driver type='FORM'/><source file='PATH'/><target dev='vda' bus='virtio'/></disk></devices></domain>"""


def test_libvirt_defines_no_vhdx_and_takes_one_under_an_overlay_for_raw(
    with_libvirt: Hypervisor, tmp_path: Path
) -> None:
    """Why a lab file's are refused: where this no longer holds, they need not be."""
    host, image, overlay = with_libvirt, str(tmp_path / "base.vhdx"), str(tmp_path / "over.qcow2")
    host.output(["qemu-img", "create", "-q", "-f", "vhdx", image, "8M"])
    host.output(["qemu-img", "create", "-q", "-f", "qcow2", "-b", image, "-F", "vhdx", overlay])
    for name, form, disk in (("base", "vhdx", image), ("over", "qcow2", overlay)):
        (tmp_path / f"{name}.xml").write_text(PAUSED.replace("FORM", form).replace("PATH", disk))

    refused = host.run(["virsh", "define", str(tmp_path / "base.xml")])
    host.virsh("create", "--paused", str(tmp_path / "over.xml"))
    try:
        there = etree.fromstring(host.virsh("dumpxml", "vm").encode())
    finally:
        host.virsh("destroy", "vm")

    assert refused.returncode != 0
    assert there.xpath("//backingStore/format/@type") == ["raw"]


WINDOWS_LIKE = """version: 1
hosts: {local: {bridges: {br-lab: {}}}}
machines:
  uefi:
    backend: BACKEND
    guest: windows
    firmware: uefi
    memory: 256MiB
    accel: tcg
    kernel: {image: GUEST/vmlinuz, initrd: GUEST/initrd.gz, cmdline: "CMDLINE"}
    nics: [{bridge: br-lab}]
  secure:
    backend: BACKEND
    guest: windows
    firmware: uefi-secure-boot
    TPM
    memory: 256MiB
    accel: tcg
    disks: [{image: BASE}]
    nics: [{bridge: br-lab}]
""".replace("CMDLINE", CMDLINE)


STAYS = {
    "libvirt": {"uefi_VARS.fd", "tpm2-00.permall"},
    "qemu": {"uefi.vars.fd", "secure.vars.fd", "secure.tpmstate"},
}


def test_firmware_and_tpm_work_and_their_state_is_kept_with_the_disks(
    hypervisor: Hypervisor, backend: str, tmp_path: Path
) -> None:
    """UEFI boots the demo guest to ready; secure boot, which it is not signed for, starts, with a TPM."""
    base = tmp_path / "base.qcow2"
    hypervisor.output(["qemu-img", "create", "-q", "-f", "qcow2", str(base), "8M"])
    path = tmp_path / "lab.yaml"
    words = {"BACKEND": backend, "GUEST": str(GUEST), "BASE": str(base), "TPM": "tpm: true"}
    text = WINDOWS_LIKE
    for old, new in words.items():
        text = text.replace(old, new)
    path.write_text(text)
    there = Lab(hypervisor, path)

    def state() -> set[str]:
        kept = "find /var/lib/libvirt/qemu/nvram /var/lib/libvirt/swtpm /var/lib/rscvm/lab -type f"
        return set(hypervisor.output(["sh", "-c", f"{kept} 2>/dev/null; true"]).split())

    def programs(name: str) -> list[tuple[str, ...]]:
        return [words for words in hypervisor.processes().values() if words[0].endswith(name)]

    ready = there.run("up", "uefi", "--wait", "90")
    secure = there.run("up", "secure", "--no-check")
    tpms = programs("swtpm")
    kept = there.run("down", "--keep-disks")
    stays = {name.rpartition("/")[2] for name in state()}
    left = programs("swtpm")
    again = there.run("up", "--no-check")
    gone = there.run("down")

    assert (ready.returncode, secure.returncode, kept.returncode) == (0, 0, 0), ready.stderr + secure.stderr
    assert (len(tpms), left) == (1, [])
    assert stays >= STAYS[backend]
    assert (again.returncode, gone.returncode) == (0, 0), again.stderr
    assert state() == set()


def while_script_runs(hypervisor: Hypervisor, path: Path, log: Path) -> dict[str, dict[str, Any]]:
    """The host's devices while the script's guest runs, which is then told to power off."""
    with log.open("wb") as console:
        running = subprocess.Popen(
            [*hypervisor.entering(), "sh", str(path)],
            stdin=subprocess.PIPE, stdout=console, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        keyboard = running.stdin
        assert keyboard is not None
        try:
            wait_for(
                lambda: "rscvm-guest: ready" in log.read_text(errors="replace"),
                time.monotonic() + 60,
                "the guest's console",
            )
            during = hypervisor.links()
            again = hypervisor.run(["sh", str(path)])
            assert (again.returncode, again.stderr) == (3, b"vm runs already\n")
            assert hypervisor.snapshot().files.keys() >= {f"lab/vm.{end}" for end in ("qmp", "tpm", "tpmpid")}
            keyboard.write(b"poweroff -f\n")
            keyboard.flush()
            assert running.wait(30) == 0
        finally:
            keyboard.close()
            if running.poll() is None:
                os.killpg(running.pid, signal.SIGKILL)
                running.wait(10)
    return during


def test_a_scripts_machine_runs_and_leaves_nothing(hypervisor: Hypervisor, tmp_path: Path) -> None:
    base = tmp_path / "base.qcow2"
    hypervisor.output(["qemu-img", "create", "-q", "-f", "qcow2", str(base), "8M"])
    lab = tmp_path / "lab.yaml"
    lab.write_text(
        HEAD
        + guest_machine(
            "qemu",
            "vm",
            nics="[{bridge: br-lab, queues: 2}]",
            more=f"disks: [{{image: {base}}}]\n    tpm: true",
        )
    )
    lab.write_text(lab.read_text().replace("accel: tcg", "accel: auto"))
    text = script(read_lab(str(lab)), "vm")
    path = tmp_path / "vm.sh"
    path.write_text(text)
    before = hypervisor.snapshot()
    view = machine_view(read_lab(str(lab)), "vm")
    left = f"mkdir -p {view.paths.directory} && umask 077 && {shlex.join(tpm_argv(view))}"
    hypervisor.output(["sh", "-c", left])  # as of a run that was killed before its QEMU came

    during = while_script_runs(hypervisor, path, tmp_path / "console")

    assert {"br-lab", read_lab(str(lab)).machines["vm"].nics[0].ifname} <= during.keys()
    after = hypervisor.snapshot()
    assert (after.links, after.processes) == (before.links, before.processes)
    assert {name for name in after.files if not name.endswith((".qcow2", ".tpmstate"))} <= {"lab"}


TPM = """version: 1
machines: {vm: {backend: qemu, guest: linux, memory: 64MiB, accel: tcg, firmware: bios, tpm: true}}
"""


@pytest.mark.parametrize("how", ["kill -9", "as if it had not come"])
def test_a_tpm_whose_qemu_ended_otherwise_leaves_nothing_either(
    hypervisor: Hypervisor, tmp_path: Path, how: str
) -> None:
    path = tmp_path / "lab.yaml"
    path.write_text(TPM)
    there, before = Lab(hypervisor, path), hypervisor.snapshot()
    assert there.run("up", "--no-check").returncode == 0
    [qemu] = [pid for pid, words in hypervisor.processes().items() if "qemu" in words[0]]
    if how != "kill -9":  # one that nobody connects to nor has noted, as if the start had been cut off
        [argv] = [words for words in hypervisor.processes().values() if words[0].endswith("swtpm")]
        hypervisor.output(
            [
                "sh",
                "-c",
                'kill -9 "$1"; rm -f /var/lib/rscvm/lab/vm.tpmstarted; shift; "$@"',
                "sh",
                str(qemu),
                *argv,
            ]
        )
    else:
        hypervisor.output(["kill", "-9", str(qemu)])

    again = there.run("up", "--no-check")
    tpms = [words for words in hypervisor.processes().values() if words[0].endswith("swtpm")]
    down = there.run("down")

    assert (again.returncode, down.returncode) == (0, 0), again.stderr + down.stderr
    assert len(tpms) == 1
    assert hypervisor.snapshot() == before
