"""What the soak kills, and the host that it does that on: machines of ours that stay up, and others' beside them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import NAMESPACE_DNS, uuid5

from tests.real.conftest import HEAD, guest_machine
from tests.real.foreign import domain_xml

BACKENDS = ("qemu", "libvirt")
BROKEN = "<model type='virtio'/><driver><guest tso4='off'/></driver><target dev='broken0'/>"
HEALTHY = "<model type='virtio'/><target dev='healthy0'/>"
RESTART = ("fix", "--connect", "qemu:///system", "broken", "--restart", "--wait", "120")
NIC = """version: 1
hosts: {local: {nics: {eth0: {coalesce: {rx-frames: 16}, features: {generic-receive-offload: on}}}}}
"""
THEIRS = """
ip link add br0 type bridge
ip link set br0 up
ip tuntap add dev eth0 mode tap
ethtool -K eth0 gro off
ip tuntap add dev theirs0 mode tap
ip link set theirs0 master br0 alias "somebody's"
virsh -q define "$1/healthy.xml"
virsh -q define "$1/broken.xml"
virsh -q start healthy
"""
NO_TSO = "tx-tcp-segmentation off tx-tcp6-segmentation off"
Command = tuple[str, ...]


@dataclass(frozen=True)
class Scenario:
    """What is killed, from which state, and what must put all right afterwards."""

    name: str
    command: Command
    """rscvm's arguments."""
    before: tuple[str, ...] = ()
    """What the host's shell does first."""
    after: tuple[Command, ...] = ()
    """rscvm's arguments, each to end with 0."""
    weight: int = 2


def write_files(at: Path) -> tuple[list[str], list[str]]:
    """Lab files and domains; returned are the labs that are to stay up, without and with their guests' drivers."""
    for number, (name, inner) in enumerate((("healthy", HEALTHY), ("broken", BROKEN)), 1):
        (at / name).mkdir()
        xml = domain_xml(at / name, inner).replace("00:00:00:01", f"00:00:00:0{number}")
        uuid = f"<name>{name}</name><uuid>{uuid5(NAMESPACE_DNS, name)}</uuid>"
        (at / f"{name}.xml").write_text(xml.replace("<name>vm</name>", uuid))
    (at / "nic.yaml").write_text(NIC)
    bare = HEAD.replace("br-lab: {address: 10.9.0.1/24}", "")
    for backend in BACKENDS:
        disk = f"disks: [{{image: {at}/base.qcow2}}]"
        nics = f"[{{bridge: b-{backend}}}, {{tap: on}}]"
        head = HEAD.replace("br-lab", f"b-{backend}")
        engine = f"[{{tap: on, ifname: d-{backend}, rsc: hck}}]"
        kept, net = f"[{{bridge: bk-{backend}, ifname: k-{backend}}}]", f"10.9.{78 + BACKENDS.index(backend)}"
        ours = HEAD.replace("br-lab", f"bk-{backend}").replace("10.9.0", net)
        switch = f"rsc.ip={net}.2/24"
        for kind, text in {
            "machines": head + guest_machine(backend, f"vm-{backend}", nics=nics, more=disk),
            "dut": bare + guest_machine(backend, f"dut-{backend}", nics=engine, more="purpose: hck"),
            "kept": ours + guest_machine(backend, f"kept-{backend}", nics=kept, switch=switch),
        }.items():
            (at / f"{kind}-{backend}.yaml").write_text(text)
    labs = [[str(at / f"{kind}-{backend}.yaml") for backend in BACKENDS] for kind in ("dut", "kept")]
    return labs[0], labs[1]


def break_domain(at: Path) -> str:
    """A script that gives a domain back the offload that its definition has off, and lets it boot."""
    console = at / "broken" / "console"
    return f"""
        virsh -q domstate broken | grep -q off || virsh -q destroy broken
        virsh -q define {at}/broken.xml
        : >{console}
        virsh -q start broken
        for i in $(seq 600); do ! grep -q 'rscvm-guest: ready' {console} || break; sleep 0.1; done"""


def scenarios(at: Path) -> Iterator[Scenario]:
    """All that changes a host."""
    quietly = f"{sys.executable} -m provision %s >/dev/null 2>&1"
    for backend in BACKENDS:
        lab, dut, kept = (str(at / f"{kind}-{backend}.yaml") for kind in ("machines", "dut", "kept"))
        up, down, arm = ("up", lab, "--no-check"), ("down", lab), ("up", dut, "--no-check")
        off = (f"ethtool -K k-{backend} {NO_TSO}",)
        yield Scenario(f"up {backend}", up, after=(down,), weight=4)
        yield Scenario(f"down {backend}", down, (quietly % " ".join(up),), (down,), weight=4)
        yield Scenario(f"apply TAP {backend}", ("apply", kept), off, (("apply", kept),))
        yield Scenario(f"fix LAB {backend}", ("fix", kept), off, (("fix", kept),))
        measure = ("bench", kept, f"kept-{backend}", "--pairs", "1", "--seconds", "1")
        yield Scenario(f"bench {backend}", measure, after=(measure,), weight=1)
        yield Scenario(f"hck disarm {backend}", ("hck", "disarm", dut, "--restart"), after=(arm,))
    apply, back = ("apply", str(at / "nic.yaml")), ("down", str(at / "nic.yaml"))
    yield Scenario("apply NIC", apply, after=(back,), weight=4)
    yield Scenario("down NIC", back, (quietly % " ".join(apply),), (back,))
    fix = ("fix", "--connect", "qemu:///system", "healthy")
    yield Scenario("fix domain", fix, (f"ethtool -K healthy0 {NO_TSO}",), (fix,))
    yield Scenario("fix --restart", RESTART, (break_domain(at),), (RESTART,), weight=1)
