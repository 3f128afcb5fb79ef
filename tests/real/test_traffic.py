"""What traffic alone shows, on real devices: slow senders, senders of one IP ID, and jumbo TAPs."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from provision.tables.offloads import MANGLEID
from tests.real.hypervisor import Hypervisor, wait_for
from tests.real.record_frames import CASES, IPERF, MTU, SENDER, TIMEOUT, WIRE
from tests.real.wired import Lab

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def lab(guest: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    assert guest.is_dir()
    with Hypervisor() as host:
        lab = Lab(host, tmp_path_factory.mktemp("traffic"))
        host.output(["ping", "-c", "1", "-W", "5", "10.77.0.2"])
        host.output(["sh", "-c", f"{WIRE} ping -c 1 -W 5 10.77.0.2"])
        yield lab


@contextmanager
def sending(lab: Lab, words: str) -> Iterator[None]:
    """While somebody sends, for as long as is looked."""
    sender = wait_for(lambda: _sender(lab, words), time.monotonic() + 30, "somebody who sends")
    assert sender is not None
    try:
        yield
        assert sender.poll() is None, "it ended before it was looked at"
    finally:
        lab.host.run(["pkill", "-f", "tcp_sender.py|iperf3 -t"])
        sender.wait(20)


def _sender(lab: Lab, words: str) -> subprocess.Popen[bytes] | None:
    """Somebody who goes on sending; None where the server is still busy with the one before."""
    argv = [*lab.host.entering(), "sh", "-c", f"exec {words}"]
    sender = subprocess.Popen(argv, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        sender.wait(1)
    except subprocess.TimeoutExpired:
        return sender
    return None


def looked(lab: Lab, words: str) -> tuple[int, dict[str, Any], float]:
    """Exit status, the NIC, and the mean frame meanwhile."""
    argv = [
        sys.executable,
        "-m",
        "provision",
        "check",
        "--json",
        "--observe",
        "2",
        "--qmp",
        str(lab.folder / "vm.qmp"),
    ]
    with sending(lab, words.replace("-t 4", "-t 60").replace("fixed 4", "fixed 60")):
        before = lab.counted()
        done = lab.host.run(argv, timeout=60)
        frames, octets = (now - then for now, then in zip(lab.counted(), before, strict=True))
    assert done.stdout, done.stderr.decode()
    [nic] = json.loads(done.stdout)["nics"]
    return done.returncode, nic, octets / max(frames, 1)


@pytest.mark.parametrize("name", ["host-8mbit", "outside-8mbit"])
def test_a_slow_sender_is_no_fault(lab: Lab, name: str) -> None:
    before, words, after = CASES[name]
    lab.host.output(["sh", "-ec", before])
    try:
        status, nic, mean = looked(lab, words)
    finally:
        lab.host.output(["sh", "-ec", after])

    assert (status, nic["verdict"], nic["cause"]) == (0, "ready", None)
    assert nic["ladder"][-1]["ipv4"] == {"host-8mbit": "pass", "outside-8mbit": "unknown"}[name]
    assert nic["ladder"][-1]["ipv6"] == "unknown"
    assert mean < 1600 or name == "host-8mbit"


def test_a_sender_of_one_ip_id_is_named_and_mended(lab: Lab) -> None:
    lab.host.output(["sh", "-ec", TIMEOUT.format(200_000, 2)])
    try:
        status, nic, cut = looked(lab, SENDER + "fixed 4")
        lab.host.output(["ethtool", "-K", "tap0", MANGLEID, "on"])
        mended, after, whole = looked(lab, SENDER + "fixed 4")
    finally:
        lab.host.output(["ethtool", "-K", "tap0", MANGLEID, "off"])
        lab.host.output(["sh", "-ec", TIMEOUT.format(0, 0)])

    assert (status, nic["cause"]) == (1, "fixed-id-sender")
    assert nic["families"] == {
        "ipv4": {"verdict": "not-ready", "cause": "fixed-id-sender"},
        "ipv6": {"verdict": "ready", "cause": None},
    }
    assert nic["fix"][0].startswith(f"`ethtool -K tap0 {MANGLEID} on`")
    assert cut < 1600
    assert (mended, after["verdict"], after["ladder"][-1]["ipv4"]) == (0, "ready", "pass")
    assert whole > 8 * cut


def test_a_jumbo_tap_is_told_by_the_segments_of_what_it_carries(lab: Lab) -> None:
    lab.host.output(["sh", "-ec", MTU.format(9000, 1500)])
    try:
        _, whole, _ = looked(lab, f"{WIRE}{IPERF}10.77.0.2")
        lab.host.output(["ethtool", "-K", "eno2", "gro", "off"])
        status, cut, mean = looked(lab, f"{WIRE}{IPERF}10.77.0.2")
    finally:
        lab.host.output(["ethtool", "-K", "eno2", "gro", "on"])
        lab.host.output(["sh", "-ec", MTU.format(1500, 1500)])

    assert whole["ladder"][-1]["ipv4"] == "pass"
    assert (status, cut["cause"], cut["ladder"][-1]["ipv4"]) == (1, "gro-off", "unknown")
    assert "1 flow in frames of one segment, back to back" in cut["ladder"][-1]["seen"]
    assert mean < 1600
