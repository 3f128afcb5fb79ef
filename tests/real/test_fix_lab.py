"""`fix` on the machines of a lab file: their TAPs are mended, and what lies in the file is named."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.real.conftest import HEAD, SWITCHES, Lab, guest_machine

if TYPE_CHECKING:
    from pathlib import Path

    from tests.real.hypervisor import Hypervisor


def test_a_labs_machines_follow_their_lab_file(hypervisor: Hypervisor, backend: str, tmp_path: Path) -> None:
    nics = "[{bridge: br-lab}, {bridge: br-lab, offloads: {guest_tso4: off}}, {bridge: br-lab, rsc: off}]"
    path = tmp_path / "lab.yaml"
    path.write_text(HEAD + guest_machine(backend, "vm", nics=nics))
    there = Lab(hypervisor, path)
    assert there.run("up", "--wait", "60").returncode == 1
    taps = {name: nic["tap"] for name, nic in there.nics().items()}
    for tap in taps.values():
        hypervisor.output(["sh", "-c", 'ethtool -K "$1" tx off || true', "sh", tap])

    done = there.run("fix", "--json")
    document = json.loads(done.stdout)

    assert done.returncode == 1, done.stderr
    assert {change["nic"]: change["cause"] for change in document["changed"]} == {
        "vm.net0": "host-disabled-checksum",
        "vm.net1": "host-disabled-checksum",
    }
    assert f"take machines.vm.nics[1].offloads.guest_tso4 out of {path}" in document["notes"][0]
    assert [nic["verdict"] for nic in document["nics"]] == ["ready", "not-ready", "ready"]
    assert there.run("fix", "--restart").returncode == 2
    assert there.run("down").returncode == 0


def test_an_hck_machines_tx_off_is_as_meant(hypervisor: Hypervisor, backend: str, tmp_path: Path) -> None:
    path = tmp_path / "lab.yaml"
    nics = "[{bridge: br-lab, rsc: hck}]"
    path.write_text(
        HEAD + guest_machine(backend, "dut", switch=SWITCHES["hck"], nics=nics, more="purpose: hck")
    )
    there = Lab(hypervisor, path)
    assert there.run("up", "--wait", "60").returncode == 1

    done = there.run("fix", "--json")
    tap = there.nics()["dut.net0"]["tap"]
    features = hypervisor.ethtool_features(tap)
    again = there.run("fix", "--json")

    assert done.returncode == again.returncode == 0, done.stderr
    assert [change["what"] for change in json.loads(done.stdout)["changed"]] == [
        f"ethtool -K {tap} tx-checksumming off"
    ]
    assert json.loads(again.stdout)["changed"] == []
    assert hypervisor.ethtool_features(tap) == features
    assert there.run("down").returncode == 0
