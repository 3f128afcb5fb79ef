"""The sample of what is handed to a TAP: on devices that carry something else, or have gone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from provision.runtime.command import Result
from provision.verify.collect.traffic import sample_tcp
from provision.verify.evidence import Traffic
from tests.builders import FakeHost, nic
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


BULK = Traffic(5000, 5000 * 1514, 1.0, 1500)
_FLOOD = """
import socket, sys, time
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind((sys.argv[1], 0))
protocol = bytes([int(sys.argv[2])])
frame = bytes(12) + b"\\x08\\x00" + bytes(9) + protocol + bytes(1400)
end = time.monotonic() + 60
while time.monotonic() < end:
    wire.send(frame)
"""


@pytest.mark.parametrize(
    ("device", "protocol", "share"),
    [("ve0", 6, 1.0), ("ve0", 17, 0.0), ("ve1", 6, None)],
    ids=["tcp out", "udp out", "nothing but in"],
)
def test_a_sample_tells_what_goes_out_and_ends(device: str, protocol: int, share: float | None) -> None:
    with Hypervisor() as host:
        host.output(["ip", "link", "add", "ve0", "up", "type", "veth", "peer", "name", "ve1"])
        host.output(["ip", "link", "set", "ve1", "up"])
        for end in ("ve0", "ve1"):  # else the kernel's own frames for IPv6 are among those sampled
            host.output(["sysctl", "-qw", f"net.ipv6.conf.{end}.disable_ipv6=1"])
        argv = [*host.entering(), sys.executable, "-c", _FLOOD, device, str(protocol)]
        with subprocess.Popen(argv, start_new_session=True) as flood:
            try:
                until(lambda: host.links()["ve0"]["operstate"] == "UP", "a link")
                asked = [nic(tap="ve0", traffic=BULK), nic(tap="gone", traffic=BULK)]

                [seen, gone] = sample_tcp(On(host=host), asked)

                assert flood.poll() is None
            finally:
                flood.kill()  # that is nsenter; what it started ends with the host

    assert isinstance(seen.traffic, Traffic)
    assert isinstance(gone.traffic, Traffic)
    assert seen.traffic.tcp == share
    assert gone.traffic.tcp is None
