"""What a machine is (processors, queues, the host's kernel), as a real QEMU and kernel tell it."""

from __future__ import annotations

import json
import os
import sys

import pytest

from tests.real.hypervisor import Hypervisor

pytestmark = pytest.mark.real

SOCKET = "/run/someone.sock"
LOOK = """
import json, sys
from provision.edges.wiring import RealEdges
from provision.runtime.places import Target
from provision.verbs.check import Look, check
from provision.verify.collect.source import bare_source, every_source

with RealEdges({"local": Target("local")}) as edges:
    for source in (bare_source(edges, "local", sys.argv[1]), every_source(edges, "local", monitor=False)):
        [nic] = [verdict.evidence for verdict in check(source, Look())]
        print(json.dumps([nic.kernel, nic.vcpus, nic.cores, nic.queues, nic.rx_queue_size]))
"""


def test_a_real_qemu_is_told_by_its_monitor_and_its_arguments() -> None:
    with Hypervisor() as host:
        host.output(
            [
                *(
                    "qemu-system-x86_64",
                    "-machine",
                    "q35,accel=tcg",
                    "-S",
                    "-m",
                    "64",
                    "-nodefaults",
                    "-display",
                    "none",
                ),
                *(
                    "-smp",
                    "4,sockets=1,cores=2,threads=2",
                    "-netdev",
                    "tap,id=n0,ifname=t0,queues=3,script=no,downscript=no",
                ),
                *("-device", "virtio-net-pci,id=net0,netdev=n0,mq=on,rx_queue_size=512"),
                *("-qmp", f"unix:{SOCKET},server=on,wait=off", "-daemonize"),
            ]
        )
        by_monitor, by_arguments = map(
            json.loads, host.output([sys.executable, "-c", LOOK, SOCKET]).splitlines()
        )

    assert by_monitor == by_arguments == [os.uname().release, 4, 2, 3, 512]
