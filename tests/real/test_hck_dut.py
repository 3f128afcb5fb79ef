"""The DUT of examples/hlk-rsc.yaml, on each backend: rendered, started, and its engine driven over reboots and restarts.

Of the example only what Windows would be is another: the engine guest instead of its disks, TCG, and less memory.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.engine import link
from tests.engine.link import Verb
from tests.engine.segments import FAMILIES, MSS, Family, Segment, stream
from tests.engine.stand import TestNic, counted, keep_wire_like, merged, stand
from tests.real.conftest import ROOT, Lab, comparable
from tests.real.hypervisor import Hypervisor


@pytest.fixture
def lab(hypervisor: Hypervisor, backend: str, engine_kernel: dict[str, str], tmp_path: Path) -> Lab:
    asked = YAML(typ="safe").load(ROOT / "examples" / "hlk-rsc.yaml")
    roles = asked["labs"]["rsc"]
    for role in ("controller", "dut", "support"):
        roles[role]["backend"] = backend
    del roles["dut"]["disks"], roles["dut"]["cdroms"]
    roles["dut"] |= {"accel": "tcg", "kernel": engine_kernel, "memory": "256MiB", "vcpus": 1}
    path = tmp_path / "hlk-rsc.yaml"
    path.write_text(json.dumps(asked))
    return Lab(hypervisor, path)


def test_the_dut_of_the_example_merges_segments_as_on_a_wire_after_a_reboot_a_restart_and_a_change_of_offloads(
    lab: Lab,
) -> None:
    before = comparable(lab.host.snapshot())
    up = lab.run("up", "rsc-dut", "--wait", "120")
    assert up.returncode == 0, up.stdout + up.stderr
    [bridge] = [name for name in lab.host.links() if name.endswith("-test")]

    with stand(lab, bridge, "rsc-dut.test") as nics:
        nic = nics["test"]
        assert nic.link.done(Verb.STATE).negotiated == link.NETKVM
        assert_undone_and_done_again(nic)
        nic.reboot()
        assert_undone_and_done_again(nic)
        for verb, features in ((Verb.START, link.NETKVM), (Verb.OFFLOADS, link.OFFLOADS)):
            nic.link.done(verb, features)
            assert_undone_and_done_again(nic)
        wire_like = lab.nics("rsc-dut")["rsc-dut.test"]
        assert wire_like["verdict"] == "ready", wire_like
    assert lab.run("down").returncode == 0
    assert comparable(lab.host.snapshot()) == before


def assert_undone_and_done_again(nic: TestNic) -> None:
    """What each start of the driver, and each change of its offloads, undoes at the TAP; what comes when it is done again."""
    assert nic.offloads_on()
    for family in FAMILIES:
        [small] = nic.received_offloaded(1400, Segment(family, size=1000))
        assert (small.sum, small.flags, small.intact) == ("partial", 0, True)
    keep_wire_like(nic)
    for family in FAMILIES:
        [small] = nic.received_offloaded(1400, Segment(family, size=1000))
        assert (small.sum, small.flags, small.intact) == ("right", 0, True)
        assert_merged(nic, family)


def assert_merged(nic: TestNic, family: Family) -> None:
    """100 segments arrive whole and are counted right; in how many frames depends on how busy this machine is."""
    sent = list(stream(Segment(family, size=MSS[family]), 100))
    for _ in range(10):
        found = nic.received(*sent)
        assert [each.sequence for each in found] == [
            1 + sum(each.payload for each in found[:n]) for n in range(len(found))
        ]
        assert (sum(each.payload for each in found), all(each.intact for each in found)) == (
            100 * MSS[family],
            True,
        )
        assert counted(found) == 100
        if merged(found):
            return
    pytest.fail("nothing was merged")
