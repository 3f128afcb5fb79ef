"""The sample of what is handed to a TAP: on devices that carry something else, or have gone."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from provision.runtime.command import Result
from provision.verify.collect.sampling import LASTS, sample
from tests.builders import FakeHost
from tests.real.domains import until
from tests.real.hypervisor import Hypervisor

pytestmark = pytest.mark.real


@dataclass
class On(FakeHost):
    """Runs commands on a real host for whoever wants a runner."""

    host: Hypervisor = field(default_factory=Hypervisor)

    def run(self, argv: Sequence[str], *, stdin: str = "", timeout: float = 60) -> Result:
        done = self.host.run(argv, input=stdin.encode(), timeout=timeout)
        return Result("local", tuple(argv), done.returncode, done.stdout.decode(), done.stderr.decode())


def pair(host: Hypervisor, one: str, other: str) -> None:
    host.output(["ip", "link", "add", one, "up", "type", "veth", "peer", "name", other])
    host.output(["ip", "link", "set", other, "up"])
    for end in (one, other):  # else the kernel's own frames for IPv6 are among those sampled
        host.output(["sysctl", "-qw", f"net.ipv6.conf.{end}.disable_ipv6=1"])


def sent(host: Hypervisor, device: str) -> bool:
    return host.path(f"/sys/class/net/{device}/statistics/tx_packets").read_text() != "0\n"


@pytest.fixture(scope="module")
def host() -> Iterator[Hypervisor]:
    with Hypervisor() as host:
        pair(host, "ve0", "in0")
        yield host


_FLOOD = """
import socket, sys, time
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind((sys.argv[1], 0))
tag, family, protocol = bytes.fromhex(sys.argv[2]), sys.argv[3], bytes([int(sys.argv[4])])
tcp = bytes(12) + b"\\x50\\x10" + bytes(6) + bytes(1000)
packet = {
    "4": b"\\x45\\x00\\x04\\x10" + bytes(5) + protocol + bytes(10) + tcp,
    "4 fragment": b"\\x45\\x00\\x04\\x10\\x00\\x00\\x20\\x00\\x40" + protocol + bytes(10) + tcp,
    "6": b"\\x60" + bytes(3) + b"\\x03\\xfc" + protocol + bytes(33) + tcp,
    "6 with options": b"\\x60" + bytes(3) + b"\\x04\\x04\\x3c" + bytes(33) + protocol + bytes(7) + tcp,
    "short": b"\\x45",
}[family]
kind = b"\\x86\\xdd" if family[0] == "6" else b"\\x08\\x00"
frame = bytes(12) + tag + kind + packet
end = time.monotonic() + 60
while time.monotonic() < end:
    wire.send(frame)
    time.sleep(0.0005)
"""


SENT = {
    "IPv4": ("", "4", "6", "ipv4"),
    "a VLAN's": ("81000005", "4", "6", "ipv4"),
    "a VLAN's in another's": ("88a8000581000006", "6", "6", "ipv6"),
    "IPv6 with a header between": ("", "6 with options", "6", "ipv6"),
    "UDP": ("", "4", "17", None),
    "a fragment": ("", "4 fragment", "6", None),
    "short": ("", "short", "6", None),
}


def test_a_sample_tells_what_goes_out_of_each_device_and_ends(host: Hypervisor) -> None:
    """The last device is the other end of the first: what comes in by it is not what it sends."""
    floods = []
    for number, words in enumerate(SENT.values()):
        if number:
            pair(host, f"ve{number}", f"in{number}")
        argv = [sys.executable, "-c", _FLOOD, f"ve{number}", *words[:3]]
        floods.append(subprocess.Popen([*host.entering(), *argv], start_new_session=True))
    names = [*(f"ve{number}" for number in range(len(SENT))), "in0", "gone"]
    try:
        until(lambda: all(sent(host, name) for name in names[: len(SENT)]), "the floods")
        begun = time.monotonic()
        found = sample(On(host=host), [(name, "", "") for name in names])
        lasted = time.monotonic() - begun
    finally:
        for flood in floods:
            flood.kill()  # that is nsenter; what it started ends with the host
            flood.wait()
        host.run(["pkill", "-f", "wire.send"])

    assert lasted < LASTS + 3
    assert found["gone", "", ""].trouble == "No such device"
    assert found["in0", "", ""].seen == 0
    for number, (name, (*_, family)) in enumerate(SENT.items()):
        seen = found[f"ve{number}", "", ""]
        flows = {(flow.family, *{frame.data for frame in flow.frames}) for flow in seen.flows or ()}
        assert seen.seen > 0, name
        assert (flows, seen.tcp > 0) == ({(family, 1000)} if family else set(), bool(family)), name


def test_a_tap_in_another_network_namespace_is_sampled_and_only_by_the_process_that_it_was_known_by(
    host: Hypervisor,
) -> None:
    host.output(["ip", "netns", "add", "pod"])
    host.output(["ip", "-n", "pod", "link", "add", "ve0", "up", "type", "veth", "peer", "name", "ve1"])
    host.output(["ip", "-n", "pod", "link", "set", "ve1", "up"])
    argv = [*host.entering(), "ip", "netns", "exec", "pod", sys.executable, "-c", _FLOOD, "ve0", "", "4", "6"]
    with subprocess.Popen(argv, start_new_session=True) as flood:
        try:
            host.output(["sh", "-c", "ip netns exec pod sleep 60 >/dev/null 2>&1 &"])
            own = host.output(["readlink", "/proc/self/ns/net"]).strip()
            find = ["sh", "-c", "p=$(pgrep -x sleep) && echo $p $(readlink /proc/$p/ns/net)"]
            until(lambda: own not in host.run(find).stdout.decode() != "", "a process in it")
            pid, network = host.output(find).split()
            path = f"/proc/{pid}/ns/net"
            there, ours, other = ("ve0", network, path), ("ve0", "", ""), ("ve0", "net:[1]", path)

            found = sample(On(host=host), [there, ours, other])
        finally:
            flood.kill()
            host.run(["pkill", "-x", "sleep"])
            host.run(["pkill", "-f", "wire.send"])

    assert found[there].tcp > 0
    assert found[ours].tcp == 0
    assert found[other].trouble == "the process that its network namespace was known by has ended"
