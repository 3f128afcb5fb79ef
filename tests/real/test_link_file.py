"""A rendered .link file on the machine's udev: `udevadm test-builtin net_setup_link`, with no udevd and no NIC.

The devices here are veths and TAPs, and the kernel gives neither a permanent address (`ethtool -P`: not set). So the
options are tried with the file's PermanentMACAddress= replaced by MACAddress=; that PermanentMACAddress= does not
match by the address that a device merely has is tested, that it matches the NIC which was made with it is not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from provision.facts.ethtool_coalesce import SWITCHES, parse_coalesce
from provision.facts.ethtool_features import Features, parse_features
from provision.facts.link_file import parse_permanent_mac
from provision.lab.spec import HostNic, LabFile
from provision.render.link_file import KeptNic, carried_options, link_file, link_path, link_refusals
from provision.tables.link_options import COALESCE, FEATURES
from tests.real.hypervisor import Hypervisor

MAC = "52:54:00:12:34:56"
DEFAULT = "/usr/lib/systemd/network/99-default.link"


class Udev:
    """A host with a veth and a TAP, and udev's part that reads .link files."""

    def __init__(self, host: Hypervisor) -> None:
        self.host = host
        host.output(["ip", "link", "add", "eno1", "address", MAC, "type", "veth", "peer", "name", "peer"])
        host.output(["ip", "tuntap", "add", "dev", "tap0", "mode", "tap"])
        host.output(["ip", "link", "set", "dev", "tap0", "address", MAC])
        self.version = int(host.output(["udevadm", "--version"]))

    def write(self, name: str, text: str) -> str:
        path = link_path("lab", name)
        for old in self.host.path("/etc/systemd/network").glob("*.link"):
            old.unlink()
        self.host.path(path).write_text(text)
        return path

    def appear(self, name: str) -> tuple[dict[str, str], str]:
        """What udev does when a device appears: the properties that it sets, and what it says."""
        done = self.host.run(
            ["udevadm", "test-builtin", "net_setup_link", f"/sys/class/net/{name}"],
            env={"SYSTEMD_LOG_LEVEL": "debug"},
        )
        said = done.stdout.decode() + done.stderr.decode()
        assert done.returncode == 0, said
        pairs = (line.partition("=") for line in said.splitlines() if line.startswith("ID_NET_"))
        return {name: value for name, _, value in pairs}, said

    def features(self, name: str) -> Features:
        return parse_features(self.host.output(["ethtool", "--json", "-k", name]))[name]


@pytest.fixture
def udev() -> Iterator[Udev]:
    with Hypervisor() as host:
        host.output(["mkdir", "-p", "/etc/systemd/network"])
        yield Udev(host)


def nic(features: dict[str, bool] | None = None, coalesce: dict[str, Any] | None = None) -> HostNic:
    settings = {"features": features or {}, "coalesce": coalesce or {}, "persist": "link"}
    data = {"version": 1, "hosts": {"hv1": {"address": "hv1", "nics": {"eno1": settings}}}}
    return LabFile.model_validate(data).hosts["hv1"].nics["eno1"]


def rendered(udev: Udev, name: str, settings: HostNic) -> str:
    """The file as it would be written, but that it matches an address which the device has."""
    naming = carried_options(udev.host.output(["cat", DEFAULT]))
    text = link_file(KeptNic("lab", "hv1", name, MAC, settings), naming)
    assert text.count("PermanentMACAddress=") == 1
    return text.replace("PermanentMACAddress=", "MACAddress=")


def test_udev_takes_our_file_and_names_the_nic_as_its_default_does(udev: Udev) -> None:
    before, _ = udev.appear("eno1")
    path = udev.write("eno1", rendered(udev, "eno1", nic({"generic-receive-offload": True})))
    after, said = udev.appear("eno1")

    assert before.pop("ID_NET_LINK_FILE") == DEFAULT
    assert after.pop("ID_NET_LINK_FILE") == path
    assert before == after
    assert "Policy *keep*" in said
    assert json.loads(udev.host.output(["ip", "-json", "link", "show", "eno1"]))[0]["address"] == MAC


def test_every_feature_that_a_veth_lets_change_is_changed_by_its_option(udev: Udev) -> None:
    tried = set()
    for row in FEATURES:
        was = udev.features("eno1")[row.name]
        wish = nic({row.name: not was.active})
        if was.fixed or link_refusals(wish, udev.version):
            continue
        udev.write("eno1", rendered(udev, "eno1", wish))
        udev.appear("eno1")
        assert udev.features("eno1")[row.name].active is not was.active, row.name
        udev.write("eno1", rendered(udev, "eno1", nic({row.name: was.active})))
        udev.appear("eno1")
        tried.add(row.name)

    assert tried >= {"generic-receive-offload", "tx-tcp-segmentation", "tx-tcp6-segmentation"}


def test_tso_kept_off_for_both_families_is_off_and_the_group_of_more_kinds_is_refused(udev: Udev) -> None:
    kinds = {"tx-tcp-segmentation": False, "tx-tcp6-segmentation": False}
    udev.write("eno1", rendered(udev, "eno1", nic(kinds)))
    udev.appear("eno1")
    found = udev.features("eno1")

    assert not any(found[kind].active for kind in kinds)
    assert link_refusals(nic({"tcp-segmentation-offload": False}))


def test_coalescing_is_set_in_ethtools_own_unit(udev: Udev) -> None:
    udev.write("tap0", rendered(udev, "tap0", nic(coalesce={"rx-frames": 16})))
    udev.appear("tap0")

    assert parse_coalesce(udev.host.output(["ethtool", "-c", "tap0"])) == {"rx-frames": 16}


def test_udev_knows_every_option_that_the_table_says_it_has_and_takes_our_values(udev: Udev) -> None:
    features = {row.name: True for row in FEATURES if row.since <= udev.version}
    coalesce = {
        row.name: True if row.name in SWITCHES else max(row.least, 3)
        for row in COALESCE
        if row.since <= udev.version
    }
    settings = nic(features, coalesce)
    path = udev.write("eno1", rendered(udev, "eno1", settings))
    found, said = udev.appear("eno1")

    assert features
    assert not link_refusals(settings, udev.version)
    assert found["ID_NET_LINK_FILE"] == path
    assert not [
        line for line in said.splitlines() if f"{path}:" in line
    ]  # what it says of one line of a file


def test_udev_passes_over_what_the_table_says_it_has_not(udev: Udev) -> None:
    newer = [row for row in FEATURES if row.since > udev.version and len(row.options) == 1]
    path = udev.write("eno1", rendered(udev, "eno1", nic({row.name: True for row in newer})))
    _, said = udev.appear("eno1")

    for row in newer:
        assert any(f"{path}:" in line and row.options[0] in line for line in said.splitlines()), row.name


def test_an_address_that_is_not_the_permanent_one_matches_nothing(udev: Udev) -> None:
    text = rendered(udev, "eno1", nic({"generic-receive-offload": True}))
    udev.write("eno1", text.replace("MACAddress=", "PermanentMACAddress="))
    found, _ = udev.appear("eno1")

    assert not parse_permanent_mac(udev.host.output(["ethtool", "-P", "eno1"]))
    assert found["ID_NET_LINK_FILE"] == DEFAULT
