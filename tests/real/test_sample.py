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


@pytest.fixture(scope="module")
def host() -> Iterator[Hypervisor]:
    with Hypervisor() as host:
        host.output(["ip", "link", "add", "ve0", "up", "type", "veth", "peer", "name", "ve1"])
        host.output(["ip", "link", "set", "ve1", "up"])
        for end in ("ve0", "ve1"):  # else the kernel's own frames for IPv6 are among those sampled
            host.output(["sysctl", "-qw", f"net.ipv6.conf.{end}.disable_ipv6=1"])
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


@pytest.mark.parametrize(
    ("device", "words", "family"),
    [
        ("ve0", ("", "4", "6"), "ipv4"),
        ("ve0", ("81000005", "4", "6"), "ipv4"),
        ("ve0", ("88a8000581000006", "6", "6"), "ipv6"),
        ("ve0", ("", "6 with options", "6"), "ipv6"),
        ("ve0", ("", "4", "17"), None),
        ("ve0", ("", "4 fragment", "6"), None),
        ("ve0", ("", "short", "6"), None),
        ("ve1", ("", "4", "6"), ""),
    ],
    ids=[
        "IPv4",
        "a VLAN's",
        "a VLAN's in another's",
        "IPv6 with a header between",
        "UDP",
        "a fragment",
        "short",
        "coming in",
    ],
)
def test_a_sample_tells_what_goes_out_and_ends(
    host: Hypervisor, device: str, words: tuple[str, ...], family: str | None
) -> None:
    argv = [*host.entering(), sys.executable, "-c", _FLOOD, device, *words]
    with subprocess.Popen(argv, start_new_session=True) as flood:
        try:
            begun = time.monotonic()
            found = sample(On(host=host), [("ve0", "", ""), ("gone", "", "")])
            lasted = time.monotonic() - begun

            assert flood.poll() is None
        finally:
            flood.kill()  # that is nsenter; what it started ends with the host
            host.run(["pkill", "-f", "wire.send"])

    seen, gone = found.values()
    assert lasted < LASTS + 3
    assert gone.trouble == "No such device"
    assert (seen.seen > 0) is (family != "")
    assert (seen.tcp > 0) is bool(family)
    assert {(flow.family, {frame.data for frame in flow.frames} == {1000}) for flow in seen.flows or ()} == (
        {(family, True)} if family else set()
    )


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
