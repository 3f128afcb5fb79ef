"""What an ordinary user of a host can do without end hides no machine of the others: descriptors, sockets, arguments."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.real.foreign import BARE_QEMU
from tests.real.hypervisor import Hypervisor, wait_for

pytestmark = pytest.mark.real

MANY = """
import os, resource, signal, socket, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (19_000, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
def first():
    at = f"/tmp/{os.getpid()}"
    os.mkdir(at)
    os.chdir(at)
    one = socket.socket(socket.AF_UNIX)
    one.bind("x" * 100)
    one.listen()
    os.unlink("x" * 100)
    os.rmdir(at)
    return one
for _ in range(5):
    if not os.fork():
        held = [WHAT for _ in range(18_000)]
        open(f"/run/crowd{os.getpid()}", "w").close()
        signal.pause()
signal.pause()
"""
LOUD = "cp $(command -v tail) /run/qemu-loud; said=$(seq 100000 180000); : >/run/crowd1; exec /run/qemu-loud -q -f /dev/null $said"
BROOD = "cp $(command -v tail) /run/qemu-many; for i in $(seq 2100); do /run/qemu-many -f /dev/null & done; : >/run/crowd1; wait"
PYTHON = [sys.executable, "-c"]
# How many make it up, what each runs, and how many machines of it are told of as unknown.
CROWDS: dict[str, tuple[int, list[str], int]] = {
    "descriptors of the TUN device": (
        5,
        [*PYTHON, MANY.replace("WHAT", 'os.open("/dev/net/tun", os.O_RDWR)')],
        0,
    ),
    "sockets that listen": (5, [*PYTHON, MANY.replace("WHAT", "first()")], 0),
    "a QEMU with a command line of 560 KB": (1, ["sh", "-c", LOUD], 1),
    "thousands of QEMUs": (1, ["sh", "-c", BROOD], 50),
}


@pytest.fixture(scope="module")
def host() -> Iterator[Hypervisor]:
    with Hypervisor() as made:
        made.output(["chmod", "0777", "/run"])
        made.output(["sh", "-ec", BARE_QEMU])
        yield made


def verdicts(host: Hypervisor) -> dict[str, dict[str, Any]]:
    done = host.run([sys.executable, "-m", "provision", "check", "--json"], timeout=240)
    assert done.stdout, done.stderr.decode()
    return {nic["machine"]: nic for nic in json.loads(done.stdout)["nics"]}


@pytest.mark.parametrize("crowd", CROWDS)
def test_a_crowd_of_one_user_hides_nobody_elses_machine(host: Hypervisor, crowd: str) -> None:
    alone = verdicts(host)
    many, argv, told = CROWDS[crowd]
    nobody = ["setpriv", "--reuid=65534", "--clear-groups", "--"]
    with subprocess.Popen([*host.entering(), *nobody, *argv], stderr=subprocess.DEVNULL) as evil:
        try:
            crowded = host.path("/run").glob
            wait_for(lambda: len([*crowded("crowd*")]) == many, time.monotonic() + 120, "the crowd")
            found = verdicts(host)
        finally:
            host.run(["pkill", "-KILL", "-u", "65534"])
            evil.wait(10)
            host.output(["sh", "-c", "rm -f /run/crowd*"])

    assert found["vm"] == alone["vm"]
    assert [nic["verdict"] for name, nic in found.items() if name != "vm"] == ["unknown"] * told
