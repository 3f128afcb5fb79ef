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

TWO_TAPS = """
exec qemu-system-x86_64 -S -M q35,accel=tcg -nodefaults -display none -daemonize -name two \\
    -netdev tap,id=n,ifname=t1,script=no,downscript=no -device virtio-net-pci,netdev=n \\
    -netdev tap,id=m,ifname=t2,script=no,downscript=no -device virtio-net-pci,netdev=m \\
    -qmp tcp:127.0.0.1:4444,server=on,wait=off
"""
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
QUEUES = """
import ctypes, fcntl, os, resource, signal, struct
resource.setrlimit(resource.RLIMIT_NOFILE, (19_000, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
assert not ctypes.CDLL(None).unshare(0x10000000 | 0x40000000)  # CLONE_NEWUSER | CLONE_NEWNET
for number in range(9_998):
    tap = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tap, 0x400454CA, struct.pack("16sH22x", b"q%d" % (number // 250), 0x0002 | 0x1000 | 0x0100))
open("/run/crowd1", "w").close()
signal.pause()
"""
NAMED = "cp $(command -v perl) /run/qemu-perl; exec "
FILES = r"""
my $at = "/dev/tap0"; mkdir $at;
for (1..18) { $at .= "/" . "a" x 200; mkdir $at or die; }
my @held; for (1..300) { open my $file, ">", "$at/f$_" or die; push @held, $file; }
open my $there, ">", "/run/crowd1"; sleep 1000;
"""
PATHS = r"""
use Socket;
sub bound { socket my $one, AF_UNIX, SOCK_STREAM, 0; bind $one, pack_sockaddr_un($_[0]) or die; listen $one, 1; $one; }
sub inode { (my $is = readlink "/proc/self/fd/" . fileno $_[0]) =~ s/[^0-9]//g; $is; }
mkdir "/run/crowd-d"; chdir "/run/crowd-d";
socket my $mine, AF_UNIX, SOCK_STREAM, 0;
my $port = bound("a\n0: 0100007F:115C 00000000:0000 0A a b c d e " . inode($mine) . " x");
open my $rows, "<", "/proc/net/unix"; my ($theirs) = join("", <$rows>) =~ m,00010000 0001 01 +([0-9]+) /run/qmp,;
my $way = "b\n0: 3 00000000 00000000 0001 03 $theirs "; mkdir $way; mkdir "$way/run"; my $client = bound("$way/run/qmp");
open my $there, ">", "/run/crowd1"; sleep 1000;
"""
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
    "queues of TAPs": (1, [*PYTHON, QUEUES], 0),
    "files in the place of macvtaps": (
        1,
        ["unshare", "-Urm", "sh", "-c", f"mount -t tmpfs x /dev; {NAMED} /run/qemu-perl /run/files.pl"],
        0,
    ),
    "line breaks in the paths of sockets": (2, ["sh", "-c", f"{NAMED} /run/qemu-perl -e '{PATHS}'"], 0),
}


@pytest.fixture(scope="module")
def host() -> Iterator[Hypervisor]:
    with Hypervisor() as made:
        made.output(["chmod", "0777", "/run"])
        made.output(["sh", "-ec", BARE_QEMU])
        made.output(["sh", "-ec", TWO_TAPS])
        made.path("/run/files.pl").write_text(
            FILES
        )  # perl opens /dev/null for what stands on its command line
        yield made


def verdicts(host: Hypervisor) -> dict[str, dict[str, Any]]:
    done = host.run([sys.executable, "-m", "provision", "check", "--json"], timeout=240)
    assert done.stdout, done.stderr.decode()
    return {f"{nic['machine']}.{nic['nic']}": nic for nic in json.loads(done.stdout)["nics"]}


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
            host.output(["sh", "-c", "rm -rf /run/crowd*"])

    assert len(alone) == 3
    assert {name: nic for name, nic in found.items() if name in alone} == alone
    assert [nic["verdict"] for name, nic in found.items() if name not in alone] == ["unknown"] * told
