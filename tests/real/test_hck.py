"""An HLK lab from its example to the end: up, checked, wire-like, disarmed, armed again, down; and what its fence refuses."""

from __future__ import annotations

import json
import re
from subprocess import CompletedProcess
from typing import TYPE_CHECKING, Any

import pytest

from tests.real.conftest import HEAD, ROOT, SWITCHES, Lab, comparable, guest_machine, lab_with
from tests.real.domains import until
from tests.real.hypervisor import Hypervisor

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLE = (ROOT / "examples" / "hlk-demo.yaml").read_text()
ENGINE = ("guest_rsc_ext", "rsc_interval")


@pytest.fixture
def hlk(hypervisor: Hypervisor, backend: str, tmp_path: Path) -> Lab:
    """The example, in a directory where the demo guest is where it says."""
    (tmp_path / "build").symlink_to(ROOT / "build")
    (tmp_path / "examples").mkdir()
    path = tmp_path / "examples" / "hlk-demo.yaml"
    path.write_text(EXAMPLE.replace("${BACKEND}", backend))
    return Lab(hypervisor, path)


def disarm(there: Lab, *options: str) -> CompletedProcess[str]:
    return there.rscvm("hck", "disarm", str(there.path), *options)


def status(there: Lab) -> dict[str, Any]:
    done = there.run("status", "--json")
    assert done.returncode == 0, done.stderr
    return {row["machine"]: row for row in json.loads(done.stdout)["machines"]}


def as_it_should_be(there: Lab) -> bool:
    """Whether `status` finds nothing to say of the DUT."""
    dut = status(there)["rsc-dut"]
    return dut["state"] == "running" and not dut["drift"] and not dut["steps"]


def dut_argv(host: Hypervisor) -> str:
    """The command line of the DUT's QEMU."""
    lines = [" ".join(argv) for argv in host.processes().values() if "guest=rsc-dut" in " ".join(argv)]
    assert len(lines) == 1
    return lines[0]


def test_an_hlk_lab_comes_up_is_checked_made_wire_like_and_taken_down(
    hypervisor: Hypervisor, hlk: Lab
) -> None:
    before = comparable(hypervisor.snapshot())

    up = hlk.run("up", "--wait", "90")
    nics = hlk.nics()
    links = hypervisor.links()

    assert up.returncode == 0, up.stdout + up.stderr
    assert {name: (nic["cause"], nic["verdict"]) for name, nic in nics.items()} == {
        f"rsc-{name}": (None, "ready")
        for name in ("controller.control", "dut.control", "dut.test", "support.control", "support.test")
    }
    assert any(
        "RSC_EXT" in rung["seen"] for rung in nics["rsc-dut.test"]["ladder"] if rung["rung"] == "negotiated"
    )
    assert any("never migrate" in note for note in nics["rsc-dut.test"]["notes"])
    assert any("like a wire all the same" in note for note in nics["rsc-dut.test"]["notes"])
    assert_networks(hypervisor, links, nics)

    words = assert_not_wire_like_beside_an_uplink(hypervisor, hlk).split("`")[1].split()
    hypervisor.output(words)
    assert not any("like a wire" in note for note in hlk.nics()["rsc-dut.test"]["notes"])
    assert {nic["verdict"] for nic in hlk.nics().values()} == {"ready"}
    every = hlk.run("check", "--ladder")
    assert (every.returncode, "✗" in every.stdout, every.stdout.count("○ off") > 1) == (0, False, True)
    again = hlk.run("up", "--json")
    assert json.loads(again.stdout)["changed"] == []
    assert hlk.run("check").returncode == 0, "`up` leaves a wire-like TAP alone"
    assert hlk.run("down").returncode == 0
    assert comparable(hypervisor.snapshot()) == before


def assert_not_wire_like_beside_an_uplink(host: Hypervisor, there: Lab) -> str:
    """While something else can send on the test bridge, or may; the fix for it is returned."""
    [test] = [name for name in host.links() if name.endswith("-test")]
    host.output(["ip", "link", "add", "name", "eno9", "type", "veth", "peer", "name", "out9"])
    host.output(["ip", "link", "set", "dev", "eno9", "master", test])
    beside = there.nics()["rsc-dut.test"]
    host.output(["ip", "link", "del", "dev", "eno9"])
    alone = there.nics("rsc-dut")["rsc-dut.test"]  # who else is there was not asked
    assert (beside["cause"], alone["cause"]) == ("not-wire-like", "not-wire-like")
    return str(beside["fix"][0])


def assert_networks(host: Hypervisor, links: dict[str, Any], nics: dict[str, Any]) -> None:
    """The test bridge is a wire between two TAPs; the controller is on the other bridge only."""
    [test] = [name for name in links if name.endswith("-test")]
    [control] = [name for name in links if name.endswith("-control")]
    ports = {name: link.get("master") for name, link in links.items() if link.get("master")}
    assert {nics[f"rsc-{role}.test"]["tap"] for role in ("dut", "support")} == {
        name for name, master in ports.items() if master == test
    }
    assert {nics[f"rsc-{role}.control"]["tap"] for role in ("controller", "dut", "support")} == {
        name for name, master in ports.items() if master == control
    }
    queues = {name: link["txqlen"] for name, link in links.items() if test in (name, link.get("master"))}
    assert {*queues.values()} == {11000}, queues
    assert links[test]["inet6_addr_gen_mode"] == "none"
    options = links[test]["linkinfo"]["info_data"]
    assert {options[f"nf_call_{what}"] for what in ("iptables", "ip6tables", "arptables")} == {0}
    assert host.output(["ip", "-json", "address", "show", "dev", test]).count('"local"') == 0


def test_a_lab_is_disarmed_shows_it_and_is_armed_again_by_up(
    hypervisor: Hypervisor, hlk: Lab, backend: str
) -> None:
    assert hlk.run("up", "rsc-dut", "--no-check").returncode == 0
    assert all(flag in dut_argv(hypervisor) for flag in ENGINE)
    assert as_it_should_be(hlk)

    without = disarm(hlk)
    if backend == "qemu":
        assert (without.returncode, "--restart" in without.stderr) == (3, True)
        assert not status(hlk)["rsc-dut"]["drift"]
    else:
        assert without.returncode == 0, without.stderr
        assert "until its next power cycle" in without.stdout
        assert "guest_rsc_ext" not in hypervisor.virsh("dumpxml", "--inactive", "rsc-dut")
        assert "is defined without" in status(hlk)["rsc-dut"]["drift"][0]["what"]
    assert all(flag in dut_argv(hypervisor) for flag in ENGINE)

    now = disarm(hlk, "--restart", "--json")
    assert now.returncode == 0, now.stderr
    queue = backend == "libvirt"  # its TAP is a new one
    assert [("queue" in what) for what in json.loads(now.stdout)["changed"]] == [False, True][: 1 + queue]
    assert not any(flag in dut_argv(hypervisor) for flag in ENGINE)
    assert json.loads(disarm(hlk, "--restart", "--json").stdout)["changed"] == []
    assert_disarmed(hlk)

    up = hlk.run("up", "rsc-dut", "--wait", "60", "--json")
    assert up.returncode == 0, up.stderr
    assert len(json.loads(up.stdout)["changed"]) == 1
    assert all(flag in dut_argv(hypervisor) for flag in ENGINE)
    assert as_it_should_be(hlk)
    assert hlk.nics("rsc-dut")["rsc-dut.test"]["verdict"] == "ready", "it is alone on its bridge"
    assert hlk.run("down").returncode == 0


def assert_disarmed(there: Lab) -> None:
    """`status` shows the drift and what `up` would do; `check` judges an ordinary machine."""
    dut = status(there)["rsc-dut"]
    assert "runs without its HCK flags" in dut["drift"][0]["what"]
    assert any('+ "rsc": "hck"' in line.replace("   ", " ") for line in dut["drift"][0]["diff"]), dut["drift"]
    assert len(dut["steps"]) == 1
    assert any("guest_rsc_ext" in line for line in dut["steps"][0]["diff"] if line.startswith("+"))
    nic = there.nics("rsc-dut")["rsc-dut.test"]
    assert (nic["rsc"], nic["purpose"]) == ("true", "production")
    assert "RSC_EXT" not in json.dumps(nic["ladder"])
    assert "engine" not in "".join(there.run(*words).stdout for words in (("status",), ("check", "-l")))


def test_up_refuses_the_engine_where_the_test_bridge_leads_elsewhere(
    hypervisor: Hypervisor, hlk: Lab
) -> None:
    assert hlk.run("up", "rsc-support", "--no-check").returncode == 0
    [test] = [name for name in hypervisor.links() if name.endswith("-test")]
    before = hypervisor.snapshot()
    assert not any("guest=rsc-dut" in line for line in before.processes)

    hypervisor.output(["ip", "link", "add", "name", "eno9", "type", "veth", "peer", "name", "out9"])
    hypervisor.output(["ip", "link", "set", "dev", "eno9", "master", test])
    uplink = hlk.run("up")
    hypervisor.output(["ip", "link", "del", "dev", "eno9"])
    hypervisor.output(["ip", "tuntap", "add", "dev", "vnet7", "mode", "tap"])
    hypervisor.output(["ip", "link", "set", "dev", "vnet7", "master", test])
    foreign = hlk.run("up")
    hypervisor.output(["ip", "link", "del", "dev", "vnet7"])

    assert (uplink.returncode, f"{test} has an uplink: eno9 (veth)" in uplink.stderr) == (3, True)
    assert (foreign.returncode, f"{test} carries vnet7, and nothing says" in foreign.stderr) == (3, True)
    after = hypervisor.snapshot()
    assert (after.links, after.processes, after.domains) == (before.links, before.processes, before.domains)
    assert hlk.run("up", "--no-check").returncode == 0
    assert hlk.run("down").returncode == 0


def test_a_script_refuses_the_engine_where_its_bridge_leads_elsewhere(
    hypervisor: Hypervisor, tmp_path: Path
) -> None:
    dut = guest_machine("qemu", "dut", nics="[{bridge: br-hck, rsc: hck}]", more="purpose: hck")
    there = lab_with(hypervisor, tmp_path, dut)
    script = there.rscvm("render", str(there.path), "dut", "--as", "script").stdout
    commands = ["link add name br-hck type bridge", "link add name eno9 type veth peer name out9"]
    for words in (*commands, "link set dev eno9 master br-hck"):
        hypervisor.output(["ip", *words.split()])
    before = hypervisor.links().keys()

    done = hypervisor.run(["sh", "-s"], input=script.encode(), timeout=60)

    assert (done.returncode, done.stderr.decode()) == (3, "dut is for HCK, and br-hck carries eno9\n")
    assert hypervisor.links().keys() == before


def test_a_domain_for_hck_never_comes_up_by_itself(with_libvirt: Hypervisor, tmp_path: Path) -> None:
    dut = guest_machine("libvirt", "dut", nics="[{bridge: br-lab, rsc: hck}]", more="purpose: hck")
    there = lab_with(with_libvirt, tmp_path, dut)
    assert there.run("up", "--no-check").returncode == 0
    assert "disable" in with_libvirt.virsh("dominfo", "dut")

    with_libvirt.virsh("autostart", "dut")
    assert "autostart" in status(there)["dut"]["steps"][0]["what"]
    assert there.run("up", "--no-check").returncode == 0
    assert status(there)["dut"]["steps"] == []
    assert "Autostart:      disable" in with_libvirt.virsh("dominfo", "dut")
    assert there.run("down").returncode == 0


def test_each_way_to_have_flags_that_do_not_work_or_must_not_be_is_named(
    with_libvirt: Hypervisor, tmp_path: Path
) -> None:
    """An override under another alias is ignored in silence; one in a machine that is not for HCK does its harm."""
    more = "purpose: hck"
    names = {"armed": "[{bridge: br-hck, rsc: hck}]", "lost": "[{bridge: br-hck, rsc: hck}]"}
    machines = [
        guest_machine("libvirt", n, switch=SWITCHES["hck"], nics=nics, more=more) for n, nics in names.items()
    ]
    there = lab_with(with_libvirt, tmp_path, *machines)
    there.path.write_text(there.path.read_text().replace("br-lab:", "br-hck: {}, br-lab:"))
    assert there.run("up", "--no-check").returncode == 0

    edits = {
        "armed": ('purpose="hck"', 'purpose="production"'),
        "lost": ('device alias="ua-net0"', 'device alias="net7"'),
    }
    for name, (old, new) in edits.items():
        xml = with_libvirt.virsh("dumpxml", "--inactive", name).replace("'", '"')
        assert old in xml
        (tmp_path / f"{name}.xml").write_text(xml.replace(old, new))
        with_libvirt.virsh("define", str(tmp_path / f"{name}.xml"))
        with_libvirt.virsh("destroy", name)
        with_libvirt.virsh("start", name)

    causes = {name: nic["cause"] for name, nic in there.nics().items()}
    assert causes == {"armed.net0": "hck-flags-in-production", "lost.net0": "hck-flags-ineffective"}


def test_a_driver_that_dropped_tso_at_run_time_has_switched_the_engine_off(
    hypervisor: Hypervisor, tmp_path: Path
) -> None:
    dut = guest_machine(
        "qemu",
        "dut",
        switch=f"{SWITCHES['hck']} {SWITCHES['dropping']}",
        nics="[{bridge: br-hck, rsc: hck}]",
        more="purpose: hck",
    )
    there = lab_with(hypervisor, tmp_path, dut)
    there.path.write_text(there.path.read_text().replace("br-lab:", "br-hck: {}, br-lab:"))
    there.run("up", "--wait", "60")
    dropped = {"verdict": "not-ready", "cause": "guest-disabled-rsc"}
    until(lambda: there.nics()["dut.net0"]["families"]["ipv4"] == dropped, "the guest to drop TSO")

    hypervisor.output(["ethtool", "-K", str(there.nics()["dut.net0"]["tap"]), "tx", "off"])
    found = there.nics()["dut.net0"]

    assert (found["verdict"], found["cause"]) == ("not-ready", "guest-disabled-rsc")
    assert found["seen"].startswith("tx-tcp-segmentation is off on the TAP")
    assert there.run("down").returncode == 0


def test_a_production_machine_of_another_lab_file_does_not_join_a_running_test_bridge(
    hypervisor: Hypervisor, backend: str, tmp_path: Path
) -> None:
    hck = guest_machine(backend, "dut", nics="[{bridge: br-lab, rsc: hck}]", more="purpose: hck")
    dut = lab_with(hypervisor, tmp_path, hck)
    other = tmp_path / "other.yaml"
    hypervisor.output(["mkdir", "/var/lib/elsewhere"])
    other.write_text(
        HEAD.replace("{br-lab: {address: 10.9.0.1/24}}", "{}").replace(
            "version: 1", "version: 1\nstate_dir: /var/lib/elsewhere"
        )
        + guest_machine(backend, "vm", nics="[{bridge: br-lab}]")
    )
    assert dut.run("up", "--no-check").returncode == 0
    before = hypervisor.links().keys()

    up = Lab(hypervisor, other).run("up", "--no-check")

    assert up.returncode == 3
    assert re.search(r"of dut \(process \d+\): that runs with QEMU's HCK engine", up.stderr)
    assert hypervisor.links().keys() == before
    assert dut.run("down").returncode == 0
    assert Lab(hypervisor, other).run("up", "--no-check").returncode == 3, "the bridge has gone with its lab"
