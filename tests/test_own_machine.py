"""What a NIC's machine is: its processors and queues by XML and arguments, and its host's kernel."""

from __future__ import annotations

import json
from typing import Any

import pytest

from provision.facts.domain import parse_domain
from provision.facts.pasted_kernel import pasted_kernel
from provision.facts.qemu_arguments import nics_of
from provision.facts.qemu_machine import ArgumentMachine, parse_machine
from provision.verify.collect.own_machine import of_domain, of_process
from provision.verify.collect.taps import with_tap
from provision.verify.evidence import NicEvidence
from tests.builders import nic
from tests.topologies import BRIDGE, NIC, TAP, read

DEVICE = "virtio-net-pci,netdev=n0,id=net0"


def argv(*words: str) -> tuple[str, ...]:
    return ("qemu-system-x86_64", *words)


def bare(**changes: Any) -> NicEvidence:
    return nic(path="/machine/peripheral/net0", **changes)


@pytest.mark.parametrize(
    ("words", "machine"),
    [
        ((), ArgumentMachine(1, 1)),
        (("-smp", "8"), ArgumentMachine(8, 8)),
        (("-smp", "8,sockets=8,cores=1,threads=1"), ArgumentMachine(8, 8)),
        (("-smp", "cpus=8,sockets=1,cores=4,threads=2"), ArgumentMachine(8, 4)),
        (("-smp", "2,maxcpus=64,sockets=1,dies=1,cores=32,threads=2"), ArgumentMachine(64, 32)),
        (("-smp", "sockets=2,cores=3,threads=2"), ArgumentMachine(12, 6)),
        (("-smp", "4", "-smp", "threads=2"), ArgumentMachine(4, 2)),
        (("-smp", "no,threads=2"), ArgumentMachine(None, None)),
        (("-smp", "0"), ArgumentMachine(None, None)),
        (("-smp", "4,threads=0"), ArgumentMachine(4, 4)),
    ],
)
def test_a_machine_by_its_arguments(words: tuple[str, ...], machine: ArgumentMachine) -> None:
    assert parse_machine(argv(*words)) == machine


def test_of_arguments_that_are_not_seen_nothing_is_told() -> None:
    assert parse_machine(()) == ArgumentMachine()


@pytest.mark.parametrize(
    ("netdev", "device", "queues", "size"),
    [
        ("tap,id=n0", DEVICE, 1, 256),
        ("tap,id=n0,queues=4", f"{DEVICE},mq=on", 4, 256),
        ("tap,id=n0,queues=4", DEVICE, 1, 256),  # its guest is offered no VIRTIO_NET_F_MQ
        ("tap,id=n0,fds=30:31:32", f"{DEVICE},mq=on,vectors=8,rx_queue_size=1024", 3, 1024),
        (
            '{"type":"tap","fds":"30:31","vhost":true,"vhostfds":"32:33","id":"n0"}',
            '{"driver":"virtio-net-pci","mq":true,"vectors":6,"rx_queue_size":512,"netdev":"n0","id":"net0"}',
            2,
            512,
        ),
        ("tap,id=n0,queues=many", f"{DEVICE},mq=on,rx_queue_size=0", 1, 256),
    ],
)
def test_queues_by_arguments(netdev: str, device: str, queues: int, size: int) -> None:
    words = argv("-netdev", netdev, "-device", device)

    [found] = nics_of(words)
    assert (found.queues, found.rx_queue_size) == (queues, size)
    told = of_process(bare(), words)
    assert (told.queues, told.rx_queue_size) == (queues, size)


def test_arguments_tell_only_what_nothing_else_has_told() -> None:
    words = argv("-smp", "8,threads=2", "-netdev", "tap,id=n0", "-device", DEVICE)

    told = of_process(bare(), words)
    assert (told.vcpus, told.cores, told.queues) == (8, 4, 1)
    told = of_process(bare(vcpus=2, cores=1, queues=2, rx_queue_size=512), words)
    assert (told.vcpus, told.cores, told.queues, told.rx_queue_size) == (2, 1, 2, 512)
    assert of_process(nic(), words).queues is None  # no telling which device it is


@pytest.mark.parametrize(
    ("topology", "cores"),
    [("", 8), ("<cpu><topology sockets='1' dies='1' cores='4' threads='2'/></cpu>", 4), ("<cpu><topology threads='0'/></cpu>", 8),
     ("<cpu><topology threads='x'/></cpu>", 8)],
)  # fmt: skip
def test_a_machine_by_its_xml(topology: str, cores: int) -> None:
    facts = parse_domain(
        f"<domain type='kvm'><name>d</name><vcpu>8</vcpu>{topology}<devices>"
        "<interface type='bridge'><model type='virtio'/><driver queues='4' rx_queue_size='1024'/></interface></devices></domain>"
    )

    told = of_domain(nic(), facts)
    assert (told.vcpus, told.cores) == (8, cores)
    assert (facts.nics[0].queues, facts.nics[0].rx_queue_size) == (4, 1024)


def test_the_hosts_kernel_comes_with_its_taps() -> None:
    there = read([TAP, BRIDGE, NIC], release="6.6.45\n")

    assert with_tap(nic(), there).kernel == "6.6.45"


UNAME = "Linux hv1 6.6.45 #1 SMP PREEMPT_DYNAMIC x86_64 GNU/Linux"


@pytest.mark.parametrize(
    ("lines", "release"),
    [
        ([UNAME], "6.6.45"),
        ([f"root@hv1:~# uname -a; {UNAME}"], "6.6.45"),
        (
            [
                "Linux pve-02 7.0.0-3-pve #1 SMP PREEMPT_DYNAMIC PMX 7.0.0-3 (2026-04-21T22:56Z) x86_64 GNU/Linux"
            ],
            "7.0.0-3-pve",
        ),
        ([UNAME, UNAME], "6.6.45"),
        ([UNAME, UNAME.replace("6.6.45", "6.6.46")], ""),
        (["Linux 6.6.45", "kernel 6.6.45 #1", "Linux version 6.6 #1", "Linuxx h 6.6.45 #1"], ""),
        ([json.dumps({"Linux": "6.6.45"})], ""),
    ],
)
def test_a_pasted_kernel_is_that_of_uname(lines: list[str], release: str) -> None:
    assert pasted_kernel(lines) == release
