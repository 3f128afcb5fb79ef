"""What stands in the way of a NIC's settings is said before anything is touched."""

from __future__ import annotations

from typing import Any

import pytest

from provision.facts.ip import Link
from provision.host.preflight.nics import nic_obstacles
from provision.host.state import HostState
from tests.hosts import lacking_for_settings
from tests.nics import composed_coalesce, failed, found, lab_with

OBSTACLES = [
    ("{features: {no-such: on}}", {}, "features.no-such: the NIC has no such feature"),
    ("{features: {gro: on}}", {}, "features.gro: say generic-receive-offload, as `ethtool -k` prints it"),
    ("{features: {large-receive-offload: on}}", {}, "large-receive-offload: its driver has it fixed off"),
    ("{features: {large-receive-offload: off}}", {}, ""),
    ("{coalesce: {rx-frames: 8}}", {}, "coalesce.rx-frames: the driver does not support it"),
    ("{coalesce: {adaptive-rx: on}}", {}, "coalesce.adaptive-rx: the driver does not support it"),
    ("{coalesce: {adaptive-rx: off, rx-usecs: 30}}", {}, ""),
    ("{coalesce: {rx-usecs: on}}", {}, "coalesce.rx-usecs: must be a number"),
    ("{coalesce: {adaptive-rx: 1}}", {"coalesce": composed_coalesce()}, "adaptive-rx: must be true or false"),
    (
        "{coalesce: {rx-usecs: 3}}",
        {"coalesce": failed("netlink error: Operation not supported"), "coalesce_json": failed("also")},
        "coalesce.rx-usecs: netlink error: Operation not supported",
    ),
    ("{features: {ntuple-filters: on}}", {"features": ""}, "eth0: its features cannot be read: cannot read"),
    ("{features: {ntuple-filters: on}}", {"features": "[]"}, "cannot be read: ethtool says nothing of it"),
    (
        "{features: {ntuple-filters: on}}",
        {"features": failed("sh: 1: ethtool: not found", 127)},
        "cannot be read: ethtool is not installed",
    ),
    ("{persist: link}", {"permanent": "Permanent address: not set\n"}, "needs a permanent MAC address"),
    ("{persist: link, features: {tx-nocache-copy: on}}", {}, "persist: link cannot keep it: systemd's"),
    ("{persist: link}", {"link": "[Match]\nOriginalName=eth0\n"}, "where somebody has a file that is not ours"),
    ("{persist: link}", {"naming": "# /run/systemd/network/10-netplan-eth0.link\n[Link]\n"},
     "10-netplan-eth0.link applies to the NIC and sorts before 10-rscvm-lab-eth0.link"),
    ("{persist: link}", {"naming": "# /usr/lib/systemd/network/99-default.link\n[Link]\n"}, ""),
    ("{persist: none}", {"link": "[Match]\nOriginalName=eth0\n"}, ""),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "answers", "words"), OBSTACLES)
def test_what_stands_in_the_way_is_said_before_anything_is_touched(
    settings: str, answers: dict[str, Any], words: str
) -> None:
    lab = lab_with(settings)
    obstacles = list(nic_obstacles(lab, "hv", found(lab, **answers)))

    assert [words in obstacle for obstacle in obstacles] == ([True] if words else [])
    assert all(obstacle.startswith("hosts.hv.nics.eth0") for obstacle in obstacles)
    assert set(obstacles) <= set(lacking_for_settings(lab, found(lab, **answers)))


def test_a_device_that_is_not_there() -> None:
    lab = lab_with("{}")

    assert list(nic_obstacles(lab, "hv", HostState("hv"))) == ["hosts.hv.nics.eth0: there is no such device"]


def test_a_device_by_another_of_its_names() -> None:
    link = Link("eno1", "", "", up=True, mtu=1500, master="", others=("enp1s0", "eth0"))

    [obstacle] = nic_obstacles(lab_with("{}"), "hv", HostState("hv", links={"eno1": link}))

    assert obstacle == "hosts.hv.nics.eth0: that is another name of eno1: say eno1"
