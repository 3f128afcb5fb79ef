"""Records samples of frames at a TAP, for the unit tests of what they tell.

`python -m tests.real.record_frames` writes tests/fixtures/frames-6.18 anew, where the kernel is that; it needs root and
`make guest`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from provision.tables.offloads import MANGLEID
from provision.verify.collect.sampling import sampling
from tests.real.hypervisor import Hypervisor
from tests.real.wired import Lab

KEPT = Path(__file__).parent.parent / "fixtures" / "frames-6.18"
WIRE = "ip netns exec wire "
IPERF = "iperf3 -t 4 -c "
IPV6 = "fe80::5054:ff:fe12:3456%"
SENDER = f"{WIRE}{sys.executable} tests/real/tcp_sender.py sw-eno2 52:54:00:12:34:56 10.77.0.9 10.77.0.2 "
TIMEOUT = "echo {} >/sys/class/net/eno2/gro_flush_timeout; echo {} >/sys/class/net/eno2/napi_defer_hard_irqs"
TBF = WIRE + "tc qdisc replace dev sw-eno2 root tbf rate {} burst 1600 latency 50ms"
NO_TBF = WIRE + "tc qdisc del dev sw-eno2 root"
MTU = (
    "for d in br0 fwpr fwln fwbr tap0 eno2; do ip link set $d mtu {}; done; "
    + WIRE
    + "ip link set sw-eno2 mtu {}"
)
CASES = {
    "host": ("true", IPERF + "10.77.0.2", "true"),
    "outside": ("true", WIRE + IPERF + "10.77.0.2", "true"),
    "outside-ipv6": ("true", f"{WIRE}{IPERF}{IPV6}sw-eno2", "true"),
    "host-8mbit": ("true", IPERF + "10.77.0.2 -b 8M", "true"),
    "outside-8mbit": (TBF.format("8mbit"), WIRE + IPERF + "10.77.0.2", NO_TBF),
    "outside-1gbit": (TBF.format("1gbit"), WIRE + IPERF + "10.77.0.2", NO_TBF),
    "gro-off": ("ethtool -K eno2 gro off", WIRE + IPERF + "10.77.0.2", "ethtool -K eno2 gro on"),
    "gro-off-ipv6": ("ethtool -K eno2 gro off", f"{WIRE}{IPERF}{IPV6}sw-eno2", "ethtool -K eno2 gro on"),
    "fixed-id": (TIMEOUT.format(200000, 2), SENDER + "fixed 4", "true"),
    "fixed-id-mangled": (f"ethtool -K tap0 {MANGLEID} on", SENDER + "fixed 4", f"ethtool -K tap0 {MANGLEID} off"),
    "fixed-id-slow": ("true", SENDER + "fixed 4 0.001", TIMEOUT.format(0, 0)),
    "fixed-id-one-by-one": ("true", SENDER + "fixed 4", "true"),
    "counted-one-by-one": ("true", SENDER + "counted 4", "true"),
    "small-writes": ("true", IPERF + "10.77.0.2 -N -l 400 -b 50M", "true"),
    "udp": ("true", IPERF + "10.77.0.2 -u -b 200M -l 1400", "true"),
    "jumbo": (MTU.format(9000, 1500), WIRE + IPERF + "10.77.0.2", "true"),
    "jumbo-gro-off": ("ethtool -K eno2 gro off", WIRE + IPERF + "10.77.0.2", "ethtool -K eno2 gro on; " + MTU.format(1500, 1500)),
}  # fmt: skip
"""By name: what is done before, what sends meanwhile, and what is done after."""


def main() -> None:
    KEPT.mkdir(exist_ok=True)
    with Hypervisor() as host, tempfile.TemporaryDirectory() as folder:
        lab = Lab(host, Path(folder))
        host.output(["ping", "-c", "1", "-W", "5", "10.77.0.2"])
        host.output(["sh", "-ec", f"{WIRE} ping -c 1 -W 5 10.77.0.2"])
        for name, (before, sends, after) in CASES.items():
            host.output(["sh", "-ec", before])
            sending = subprocess.Popen(
                [*host.entering(), "sh", "-c", sends], stdout=subprocess.DEVNULL, start_new_session=True
            )
            time.sleep(1)  # past the slow start: what is kept is a stream as it runs
            count = lab.counted()
            told = host.output(sampling([("tap0", "", "")]).argv)
            frames, octets = (now - then for now, then in zip(lab.counted(), count, strict=True))
            sending.wait()
            host.output(["sh", "-ec", after])
            (KEPT / f"{name}.json").write_text(told)
            sys.stdout.write(f"{name}: {frames} frames of {octets / max(frames, 1):.0f} bytes\n")


if __name__ == "__main__":
    main()
