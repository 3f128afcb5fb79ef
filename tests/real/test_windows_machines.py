"""A Windows 11 and a Server 2025 as `up` makes them with both backends, read back by their monitors, and taken down."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from provision.lab.file import read_lab
from provision.tables.offloads import HCK, OFFLOADS
from tests.real.conftest import Lab
from tests.real.hypervisor import Hypervisor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.real

# As an expert would write them, but small, and with nothing to boot.
LAB = """version: 1
machines:
  win11:
    backend: BACKEND
    guest: windows
    memory: 256MiB
    vcpus: 8
    cpu: {sockets: 1, cores: 4, threads: 2}
    accel: tcg
    firmware: uefi-secure-boot
    tpm: true
    disks:
      - {image: DIR/win11.img, format: qcow2}
      - {image: DIR/data.qcow2, overlay: false, bus: scsi}
      - {block: BLOCK, bus: scsi}
    cdroms: [DIR/virtio-win.iso]
    nics:
      - {bridge: br-lab, queues: 4, rx_queue_size: 1024}
      - {bridge: br-lab, rsc: false}
  server2025:
    backend: BACKEND
    guest: windows
    memory: 256MiB
    vcpus: 4
    accel: tcg
    firmware: uefi
    disks:
      - {image: DIR/server.qcow2}
MANY
    nics: [{bridge: br-lab, mtu: 1400}]
"""
MANY = [f"{bus}{at}.img" for bus, count in (("sata", 7), ("scsi", 9)) for at in range(count)]
"""More than a SATA controller has ports, and more than libvirt puts on a SCSI controller by itself."""
BLOCK = "/dev/rscvm-disk"
LOOP = r"""
mknod /dev/loop-control c 10 237
device=$(losetup --find)
device=${device% (lost)} # which later ones add where there is no such file
mknod "$device" b 7 "${device#/dev/loop}"
losetup "$device" "$1"
mknod "$2" b 7 "${device#/dev/loop}"
echo "$device"
"""
READ = """
import json, sys
from contextlib import nullcontext
from provision.edges.qmp import QmpSocket
from provision.runtime.places import ANYBODY

class Domain:
    def ahead(self, questions: object) -> None:
        pass

    def execute(self, command, arguments=None):
        import libvirt, libvirt_qemu
        there = libvirt.open("qemu:///system").lookupByName(sys.argv[2])
        said = json.dumps({"execute": command, "arguments": arguments or {}})
        return json.loads(libvirt_qemu.qemuMonitorCommand(there, said, 0))["return"]

with QmpSocket(sys.argv[1], ANYBODY) if sys.argv[1] else nullcontext(Domain()) as qmp:
    def plain(path):
        rows = qmp.execute("qom-list", {"path": path})
        names = [row["name"] for row in rows if row["type"].partition("<")[0] not in ("child", "link")]
        return {name: qmp.execute("qom-get", {"path": path, "property": name}) for name in names}
    asked = ("status", "hotpluggable-cpus", "memory-size-summary", "tpm", "block", "pci", "named-block-nodes")
    found = {each: qmp.execute("query-" + each) for each in asked}
    found["types"] = sorted(row["type"][6:-1] for row in qmp.execute("qom-list", {"path": "/machine/peripheral"}))
    found["nics"] = {alias: plain("/machine/peripheral/" + alias) for alias in sys.argv[3:]}
print(json.dumps(found))
"""
BY_NATURE = {"addr", "busnr", "legacy-addr", "netdev", "parent_bus"}
"""What of a NIC differs by backend: where the device sits (its bus the firmware has numbered), and what its netdev is called."""
PROTOCOLS = {"file": "raw", "host_device": "raw"}
"""What a raw image goes by where a later libvirt puts no driver of the format before that of the file."""
PLUG = """
import sys
from provision.edges.qmp import QmpSocket
from provision.runtime.places import ANYBODY
with QmpSocket(sys.argv[1], ANYBODY) as qmp:
    qmp.execute("device_add", {"driver": "virtio-net-pci", "bus": sys.argv[2], "id": sys.argv[2] + "-nic"})
"""
BACKENDS = ("qemu", "libvirt")
BRIDGE = 0x0604
"""The PCI class of a root port."""


@pytest.fixture(scope="module")
def host() -> Iterator[Hypervisor]:
    """A host with a libvirtd."""
    with Hypervisor() as host:
        host.start_libvirtd()
        yield host


@pytest.fixture(scope="module")
def files(host: Hypervisor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The images, the block device and the bridge that the machines name."""
    directory = tmp_path_factory.mktemp("images")
    for name, form in (("win11.img", "qcow2"), ("data.qcow2", "qcow2"), ("server.qcow2", "qcow2"), ("virtio-win.iso", "raw"), ("disk", "raw"), *((name, "raw") for name in MANY)):  # fmt: skip
        host.output(["qemu-img", "create", "-q", "-f", form, str(directory / name), "8M"])
    device = host.output(["sh", "-euc", LOOP, "sh", str(directory / "disk"), BLOCK]).strip()
    host.output(["ip", "link", "add", "br-lab", "up", "type", "bridge"])
    try:
        yield directory
    finally:
        host.output(["losetup", "-d", device])


def lab_text(files: Path, backend: str) -> str:
    many = (f"      - {{image: DIR/{name}, overlay: false, bus: {name[:4]}}}" for name in MANY)
    words = {"MANY": "\n".join(many), "BACKEND": backend, "DIR": str(files), "BLOCK": BLOCK}
    text = LAB
    for old, new in words.items():
        text = text.replace(old, new)
    return text


def read(host: Hypervisor, backend: str, name: str, aliases: list[str]) -> dict[str, Any]:
    """What a machine's monitor says of it."""
    socket = f"/var/lib/rscvm/lab/{name}.qmp" if backend == "qemu" else ""
    found: dict[str, Any] = json.loads(host.output([sys.executable, "-c", READ, socket, name, *aliases]))
    return found


def plug(host: Hypervisor, backend: str, name: str) -> list[int]:
    """Put a NIC into each of eight spare ports of a running machine, and tell how each command ended."""
    if backend == "libvirt":
        argv = ["virsh", "attach-interface", name, "bridge", "br-lab", "--model", "virtio", "--live"]
        return [host.run(argv).returncode for _ in range(8)]
    socket = f"/var/lib/rscvm/lab/{name}.qmp"
    return [host.run([sys.executable, "-c", PLUG, socket, f"port-spare{at}"]).returncode for at in range(8)]


@pytest.fixture(scope="module")
def seen(host: Hypervisor, files: Path) -> dict[str, dict[str, Any]]:
    """Both machines of each backend as they are read back, and how every command ended."""
    found: dict[str, dict[str, Any]] = {}
    path = files / "lab.yaml"
    there = Lab(host, path)
    for backend in BACKENDS:
        path.write_text(lab_text(files, backend))
        machines, before = read_lab(str(path)).machines, host.snapshot()
        up = there.run("up", "--no-check")
        assert up.returncode == 0, up.stderr
        each = found[backend] = {
            name: read(host, backend, name, [f"ua-{nic.name}" for nic in machine.nics])
            for name, machine in machines.items()
        }
        each["argv"] = {pid: words for pid, words in host.processes().items() if "qemu-system" in words[0]}
        each["plan"] = there.run("plan", "--exit-code")
        each["plugged"] = [ended for name in machines for ended in plug(host, backend, name)]
        each["down"] = there.run("down")
        each["traces"] = (before, host.snapshot())
    return found


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_second_plan_is_empty_eight_nics_can_be_plugged_in_and_down_leaves_no_trace(
    seen: dict[str, dict[str, Any]], backend: str
) -> None:
    there = seen[backend]
    before, after = there["traces"]

    assert there["plan"].returncode == 0, there["plan"].stdout
    assert there["plugged"] == [0] * 16
    assert there["down"].returncode == 0, there["down"].stderr
    assert after.links.keys() == before.links.keys()
    assert (after.files, after.domains, after.processes) == (before.files, before.domains, before.processes)


CPUS = {
    "win11": {(0, core, thread) for core in range(4) for thread in range(2)},
    "server2025": {(0, core, 0) for core in range(4)},
}
DEVICES = {
    "win11": {"pcie-root-port": 15, "virtio-net-pci": 2, "virtio-blk-pci": 1, "virtio-scsi-pci": 1, "scsi-hd": 2, "ide-cd": 1, "virtio-rng-pci": 1, "virtio-serial-pci": 1, "qemu-xhci": 1},
    "server2025": {"pcie-root-port": 14, "ich9-ahci": 1, "virtio-net-pci": 1, "virtio-blk-pci": 1, "virtio-scsi-pci": 1, "scsi-hd": 9, "ide-hd": 7, "virtio-rng-pci": 1, "virtio-serial-pci": 1, "qemu-xhci": 1},
}  # fmt: skip
OWN = "/var/lib/rscvm/lab"
DISKS = {
    "win11": [(f"{OWN}/win11-0.qcow2", "qcow2", False), ("DIR/data.qcow2", "qcow2", False), (BLOCK, "raw", True), ("DIR/virtio-win.iso", "raw", False)],
    "server2025": [(f"{OWN}/server2025-0.qcow2", "qcow2", False), *((f"DIR/{name}", "raw", False) for name in MANY)],
}  # fmt: skip


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ["win11", "server2025"])
def test_every_property_is_read_back(
    seen: dict[str, dict[str, Any]], files: Path, backend: str, name: str
) -> None:
    there, machine = seen[backend][name], read_lab(str(files / "lab.yaml")).machines[name]

    props = [cpu["props"] for cpu in there["hotpluggable-cpus"]]
    assert {(cpu["socket-id"], cpu["core-id"], cpu["thread-id"]) for cpu in props} == CPUS[name]
    assert there["memory-size-summary"]["base-memory"] == machine.memory
    types = list(there["types"])
    if "pcie-pci-bridge" in types:  # libvirt's, for a second SATA controller, with a port for it
        types.remove("pcie-root-port")
    assert {kind: types.count(kind) for kind in DEVICES[name]} == DEVICES[name]
    assert ("pcie-pci-bridge" in types) is (backend == "libvirt" and "ich9-ahci" in types)
    assert [tpm["model"] for tpm in there["tpm"]] == (["tpm-crb"] if machine.tpm else [])
    blocks = [each["inserted"] for each in there["block"] if "inserted" in each]
    flash = [each["file"] for each in blocks if "OVMF_CODE" in each["file"]]
    assert flash == [f"/usr/share/OVMF/OVMF_CODE_4M{'.ms' if machine.tpm else ''}.fd"]
    disks = [
        (each["file"], PROTOCOLS.get(each["drv"], each["drv"]), each["cache"]["direct"]) for each in blocks
    ]
    assert [disk for disk in disks if "OVMF" not in disk[0] and not disk[0].endswith(".fd")] == [
        (path.replace("DIR", str(files)), form, direct) for path, form, direct in DISKS[name]
    ]
    for nic in machine.nics:
        device = there["nics"][f"ua-{nic.name}"]
        wanted = {key: on for key, on in nic.wanted().items() if key in device}
        assert {row.name for row in OFFLOADS if row.everywhere} - {HCK} <= wanted.keys()
        assert {key: device[key] for key in wanted} == wanted
        assert (device["mac"], device["host_mtu"]) == (nic.mac, nic.mtu or 0)
        assert (device["mq"], device["rx_queue_size"]) == (nic.queues > 1, nic.rx_queue_size or 256)


@pytest.mark.parametrize("name", ["win11", "server2025"])
def test_both_backends_make_the_same_nics_behind_the_same_ports(
    seen: dict[str, dict[str, Any]], name: str
) -> None:
    qemu, libvirt = (seen[backend][name] for backend in BACKENDS)

    for alias, device in qemu["nics"].items():
        other = libvirt["nics"][alias]
        assert {key for key in device.keys() | other.keys() if device.get(key) != other.get(key)} <= BY_NATURE
    ports = [
        [
            (each["slot"], each["function"])
            for bus in machine["pci"]
            for each in bus["devices"]
            if each["class_info"]["class"] == BRIDGE
        ]
        for machine in (qemu, libvirt)
    ]
    bridge = "pcie-pci-bridge" in libvirt["types"]
    assert ports[0] == ports[1][: -1 if bridge else None]


def test_what_a_guest_trims_goes_back_from_overlays_qcow2_and_block_devices(
    seen: dict[str, dict[str, Any]],
) -> None:
    [argv] = [words for words in seen["qemu"]["argv"].values() if "guest=win11,debug-threads=on" in words]
    drives = [word for word in argv if word.startswith("if=none")]

    assert ["discard=unmap" in word for word in drives] == [True, True, True, False]
    assert ["aio=native" in word for word in drives] == [False, False, True, False]
