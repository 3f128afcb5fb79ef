"""What a physical NIC's driver answers, over the real OpenSSH client: the ground of what we do on one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.hypervisor import Hypervisor
from tests.real.physical import NIC, PhysicalHost, physical_host

CAPTURED = Path(__file__).parent.parent / "fixtures" / "ethtool-6.1"


@pytest.fixture(scope="module")
def physical(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PhysicalHost]:
    """One host for this file: it boots in seconds, which add up."""
    with Hypervisor() as near, physical_host(near, tmp_path_factory.mktemp("physical")) as host:
        yield host


def coalescing(host: PhysicalHost) -> list[str]:
    return host.output("ethtool", "-c", NIC).splitlines()


def test_coalescing_is_as_captured_and_can_be_changed(physical: PhysicalHost) -> None:
    fresh = (CAPTURED / "coalesce-e1000e.txt").read_text().splitlines()
    assert "rx-usecs: 3" in fresh
    assert coalescing(physical) == fresh

    physical.output("ethtool", "-C", NIC, "rx-usecs", "30")
    changed = coalescing(physical)
    physical.output("ethtool", "-C", NIC, "rx-usecs", "3")

    assert changed == ["rx-usecs: 30" if line == "rx-usecs: 3" else line for line in fresh]
    assert coalescing(physical) == fresh


def test_adaptive_coalescing_is_refused(physical: PhysicalHost) -> None:
    refused = physical.run("ethtool", "-C", NIC, "adaptive-rx", "on")

    assert refused.returncode == 1
    assert "cannot modify an unsupported parameter" in refused.stderr


def test_this_ethtool_has_no_json_for_coalescing(physical: PhysicalHost) -> None:
    refused = physical.run("ethtool", "--json", "-c", NIC)

    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == (CAPTURED / "coalesce-json-refused.txt").read_text()


def test_software_gro_can_be_switched_off(physical: PhysicalHost) -> None:
    def gro() -> object:
        return json.loads(physical.output("ethtool", "--json", "-k", NIC))[0]["generic-receive-offload"]

    physical.output("ethtool", "-K", NIC, "gro", "off")
    off = gro()
    physical.output("ethtool", "-K", NIC, "gro", "on")

    assert off == {"active": False, "fixed": False, "requested": False}
    assert gro() == {"active": True, "fixed": False, "requested": True}


def test_what_a_host_is_asked_has_answers(physical: PhysicalHost) -> None:
    links = {
        link["ifname"]: link
        for link in json.loads(physical.output("ip", "-json", "-details", "-stats", "address", "show"))
    }

    assert links[NIC]["operstate"] == "UP"
    assert physical.output("stat", "--printf", r"%n\0", "--", "/") == "/\0"
    assert physical.output("sh", "-c", "command -v grep base64 flock setsid mktemp head dirname").split()
    assert physical.run("test", "-c", "/dev/net/tun").returncode == 0


def test_nobody_gets_in_without_the_key(physical: PhysicalHost, tmp_path: Path) -> None:
    physical.near.output(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")])
    words = [str(tmp_path / "other") if word == str(physical.identity) else word for word in physical.ssh()]

    done = physical.near.run([*words, "true"])

    assert done.returncode == 255
    assert b"Permission denied (publickey)" in done.stderr


def test_nothing_is_left_when_it_ends(tmp_path: Path) -> None:
    with Hypervisor() as near:
        before = near.snapshot()
        with physical_host(near, tmp_path) as host:
            assert host.pid in near.processes()

        assert near.snapshot() == before
