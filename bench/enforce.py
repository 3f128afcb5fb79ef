"""How long `tx` is on at a test TAP after its guest has negotiated anew: `hck enforce` against a loop by hand."""

from __future__ import annotations

import fcntl
import os
import select
import socket
import struct
import subprocess
import sys
import time
from array import array
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from bench.compare import Figure
from tests.real.conftest import Lab
from tests.real.enforced import Dut, dut, enforcing
from tests.real.hypervisor import Hypervisor
from tests.real.remote import REMOTE, remote_site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EACH = 10
"""Renegotiations of each side in a round."""
_LONGEST, _QUIET = 10.0, 0.5
"""Seconds within which a renegotiation or what undoes it is heard of, and after which nothing more comes."""
_PEER = "a loop there that looks by `ethtool -k` every 100 ms"
_BY_HAND = """
while :; do
    case $(ethtool -k "$1") in *tx-checksum-ip-generic:\\ on*) ethtool -K "$1" tx off ;; esac
    sleep 0.1
done
"""
_SIOCETHTOOL, _ETHTOOL_GTXCSUM, _RTMGRP_LINK = 0x8946, 0x16, 1
_INDEX = 20
"""Where a message about a link has its ifindex: behind nlmsghdr (16) and 4 bytes of ifinfomsg."""


def listen(tap: str) -> None:
    """Print the clock and whether `tx` is on, at each event that the kernel tells of a device."""
    with suppress(
        PermissionError
    ):  # who comes late would take less time for both than there was between them
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    index, asked = socket.if_nametoindex(tap), socket.socket()
    heard = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    heard.bind((0, _RTMGRP_LINK))
    print("listening", flush=True)
    while True:
        message, now = heard.recv(1 << 16), time.perf_counter()
        if struct.unpack_from("i", message, _INDEX)[0] == index:
            value = array("I", (_ETHTOOL_GTXCSUM, 0))
            fcntl.ioctl(asked, _SIOCETHTOOL, struct.pack("16sP16x", tap.encode(), value.buffer_info()[0]))
            print(now, value[1], flush=True)


@contextmanager
def _running(host: Hypervisor, *argv: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program on a host, which ends with the block."""
    words = [*host.entering(), *argv]
    with subprocess.Popen(words, bufsize=0, stdout=subprocess.PIPE, start_new_session=True) as process:
        try:
            yield process
        finally:
            found = [pid for pid, there in host.processes().items() if there == argv]
            host.run(["kill", "-9", *map(str, found)])


class _Events:
    """What is heard of the TAP."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        if process.stdout is None:
            raise RuntimeError("it has no pipe")
        self._from = process.stdout
        self._line()

    def _line(self, seconds: float = _LONGEST) -> str:
        """The next line; empty where none comes."""
        return self._from.readline().decode() if select.select([self._from], [], [], seconds)[0] else ""

    def next(self) -> tuple[float, int]:
        """When, and whether `tx` is on."""
        if not (line := self._line()):
            raise RuntimeError(f"nothing was heard within {_LONGEST:g} s")
        return float(line.split()[0]), int(line.split()[1])

    def quiet(self) -> None:
        """Wait until nothing more comes."""
        while self._line(_QUIET):
            pass


def _delays(machine: Dut, events: _Events) -> list[float]:
    """Seconds from the event that tells that `tx` is on to the one that tells that it is off again, each time."""
    found = []
    events.quiet()
    for number in range(EACH):
        machine.runs(f"ethtool -K eth0 rx-gro-hw {'on' if number % 2 else 'off'}")
        (begun, on), (ended, off) = events.next(), events.next()
        if (on, off) != (1, 0):
            raise RuntimeError(f"tx was {on} and then {off}, and not on and then off")
        found.append(ended - begun)
    return found


def _rounds(near: Hypervisor, lab: Lab, machine: Dut, times: int) -> tuple[list[float], list[float]]:
    """The peer's delays and ours, so many rounds of each in turn; `near` is where rscvm runs."""
    if (up := lab.run("up", "--no-check")).returncode:
        raise RuntimeError(up.stderr)
    machine.until_asked()
    peer: list[float] = []
    ours: list[float] = []
    with _running(machine.host, sys.executable, "-m", "bench.enforce", machine.tap) as listener:
        events = _Events(listener)
        for _ in range(times):
            with _running(machine.host, "sh", "-c", _BY_HAND, "sh", machine.tap):
                peer += _delays(machine, events)
            with enforcing(near, lab.path) as enforced:
                enforced.until("kept")
                ours += _delays(machine, events)
                enforced.end()
    return peer, ours


def _written(folder: Path, host: str, login: str) -> Path:
    path = folder / "lab.yaml"
    bridges = "bridges: {br-hck: {}}"
    path.write_text(
        f"version: 1\nhosts: {{{host}: {{{login}{bridges}}}}}\nmachines:\n{dut('qemu', host=host)}"
    )
    return path


def measure_enforce(folder: Path, times: int) -> list[Figure]:
    """Measure here, and over SSH."""
    found = []
    with Hypervisor() as host:
        found.append(_rounds(host, Lab(host, _written(folder, "local", "")), Dut(host), times))
    at = folder / "enforce"
    at.mkdir()
    with remote_site(at) as site:
        login = f"address: {REMOTE}, user: root, identity: {at / 'id'}, known_hosts: {at / 'known_hosts'}, "
        there = Lab(site.client, _written(at, "hv", login))
        found.append(_rounds(site.client, there, Dut(site.remote), times))
    return [
        Figure(f"`tx` off again at a test TAP, {where}", _PEER, tuple(peer), tuple(ours))
        for where, (peer, ours) in zip(("here", "over SSH"), found, strict=True)
    ]


if __name__ == "__main__":
    listen(sys.argv[1])
