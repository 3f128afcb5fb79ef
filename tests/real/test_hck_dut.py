"""The DUT of examples/hlk-rsc.yaml, on each backend: rendered, started, and its engine driven over reboots and restarts.

Of the example only what Windows would be is another: the engine guest instead of its disks, TCG, and less memory.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.engine import link
from tests.engine.link import Verb
from tests.engine.segments import FAMILIES, MSS, Family, Segment, stream
from tests.engine.stand import TestNic, counted, merged, stand
from tests.real.conftest import ROOT, Lab, comparable
from tests.real.domains import until
from tests.real.enforced import enforcing
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


def test_the_dut_of_the_example_is_kept_as_on_a_wire_over_a_reboot_a_restart_and_a_change_of_offloads(
    lab: Lab,
) -> None:
    before = comparable(lab.host.snapshot())
    up = lab.run("up", "rsc-dut", "--wait", "120")
    assert up.returncode == 0, up.stdout + up.stderr
    [bridge] = [name for name in lab.host.links() if name.endswith("-test")]

    with stand(lab, bridge, "rsc-dut.test") as nics:
        nic = nics["test"]
        assert nic.link.done(Verb.STATE).negotiated == link.NETKVM
        assert_as_on_a_wire(nic, wire_like=False)
        with enforcing(lab.host, lab.path) as enforced:
            negotiations: tuple[Callable[[], object], ...] = (
                lambda: enforced.until("kept"),
                nic.reboot,
                partial(nic.link.done, Verb.START, link.NETKVM),
                partial(nic.link.done, Verb.OFFLOADS, link.OFFLOADS),
            )
            for negotiate in negotiations:
                times = enforced.count("off")
                negotiate()
                enforced.until("off", times + 1)
                until(lambda: not nic.offloads_on(), "tx off")  # a start switches it on twice: so NetKVM does
                assert_as_on_a_wire(nic, wire_like=True)
            wire_like = lab.nics("rsc-dut")["rsc-dut.test"]
            assert wire_like["verdict"] == "ready", wire_like
            assert enforced.end() == 0
        assert_as_on_a_wire(nic, wire_like=False)
    assert lab.run("down").returncode == 0
    assert comparable(lab.host.snapshot()) == before


def assert_as_on_a_wire(nic: TestNic, *, wire_like: bool) -> None:
    """Whether what a sender of the same host left to offloads arrives as from a wire, and then is merged and counted right."""
    assert nic.offloads_on() != wire_like
    for family in FAMILIES:
        [small] = nic.received_offloaded(1400, Segment(family, size=1000))
        assert (small.sum, small.flags, small.intact) == ("right" if wire_like else "partial", 0, True)
        if wire_like:
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
