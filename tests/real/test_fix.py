"""`fix` on domains that somebody else made, under a real libvirtd: TAPs, definitions, power cycles."""

from __future__ import annotations

import stat
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.real.conftest import SWITCHES
from tests.real.foreign import GOOD, OVERRIDE, URI, Vm, domain_xml
from tests.real.hypervisor import wait_for
from tests.real.preloaded import rscvm

if TYPE_CHECKING:
    from pathlib import Path

    from tests.real.hypervisor import Hypervisor


def causes(document: dict[str, Any]) -> list[str | None]:
    return [nic["cause"] for nic in document["nics"]]


def test_what_the_host_took_is_given_back_and_named(with_libvirt: Hypervisor, tmp_path: Path) -> None:
    vm = Vm(with_libvirt, tmp_path)
    before = vm.definition()

    for words, cause in (
        (("tx", "off"), "host-disabled-checksum"),
        (("tso", "off"), "host-disabled-segmentation"),
        (("sg", "off"), "host-disabled-segmentation"),
        (("tx", "off", "sg", "off", "tso", "off"), "host-disabled-checksum"),
    ):
        vm.ethtool(*words)
        off = vm.host.ethtool_features(vm.tap())
        tried, trial = vm.fix("--dry-run")
        assert (tried.returncode, trial["done"]) == (1, False), tried.stderr
        assert [change["what"].split()[:3] for change in trial["changed"]] == [["ethtool", "-K", vm.tap()]]
        assert vm.host.ethtool_features(vm.tap()) == off

        done, document = vm.fix()

        assert done.returncode == 0, done.stdout + done.stderr
        assert [change["cause"] for change in document["changed"]] == [cause]
        assert causes(document) == [None]
    assert vm.fix()[1]["changed"] == []
    assert vm.definition() == before
    assert vm.backups() == []


def test_what_the_guest_dropped_is_named_and_left(with_libvirt: Hypervisor, tmp_path: Path) -> None:
    vm = Vm(with_libvirt, tmp_path, domain_xml(tmp_path, switch=SWITCHES["dropping"]))
    before = vm.definition()

    assert causes(vm.fix("--dry-run")[1]) == ["tap-segmentation-off"]
    done, document = vm.fix()
    again, later = vm.fix()

    assert (done.returncode, again.returncode) == (1, 1), done.stderr
    assert causes(document) == causes(later) == ["guest-disabled-rsc"]
    assert document["changed"] == later["changed"] == []
    assert "the guest has it off" in document["notes"][0]
    assert vm.definition() == before


RESTART = f"`rscvm fix --connect {URI} vm --restart`"


def fixes_told(vm: Vm) -> list[str]:
    """What `check` of all that runs there tells to do."""
    lines = rscvm(vm.host, "check").stdout.splitlines()
    return [line.removeprefix("  fix: ") for line in lines if line.startswith("  fix: ")]


def assert_a_power_cycle_is_all_that_lacks(vm: Vm, edited: str) -> None:
    """It makes it ready, with the definition as it was edited, and is not made again."""
    cycled, document = vm.fix("--restart", "--wait", "90")

    assert cycled.returncode == 0, cycled.stdout + cycled.stderr
    assert causes(document) == [None]
    assert vm.definition() == edited
    assert len(vm.backups()) == 1
    restarted, document = vm.fix("--restart")
    assert restarted.returncode == 0
    assert "shutting" not in restarted.stderr


def test_an_offload_that_the_definition_has_off(with_libvirt: Hypervisor, tmp_path: Path) -> None:
    """Dry-run, edit, a second time, power cycle: one definition, one backup, ready."""
    vm = Vm(
        with_libvirt, tmp_path, domain_xml(tmp_path, f"{GOOD}<driver><guest tso4='off' ecn='off'/></driver>")
    )
    before = vm.definition()

    told = fixes_told(vm)
    assert told == [
        "libvirt: <driver><guest csum='on' tso4='on' tso6='on'/></driver>",
        "power-cycle the machine: a reboot from inside keeps the old device",
        f"rscvm fix --connect {URI} vm",
    ]
    tried, trial = vm.fix("--dry-run")
    assert vm.definition() == before
    assert vm.backups() == []
    shown, _ = vm.fix(as_json=False)
    edited = vm.definition()
    again, pending = vm.fix()

    assert tried.returncode == shown.returncode == again.returncode == 1
    [change] = trial["changed"]
    assert [line for line in change["diff"] if line[0] in "+-"][2:] == [
        "-        <guest tso4='off' ecn='off'/>",
        "+        <guest tso4='on' ecn='off'/>",
    ]
    assert edited == before.replace("tso4='off'", "tso4='on'")
    assert "passwd='geheim'" in edited
    [backup] = vm.backups()
    assert backup.read_text() == before.rstrip("\n") + "\n"
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert str(backup) in shown.stdout
    assert "geheim" not in shown.stdout + shown.stderr
    assert shown.stdout.splitlines()[-1] == "1 change made; 1 NIC: 1 not ready (1 ready after a power cycle)"
    assert fixes_told(vm) == [f"power-cycle the machine: {RESTART}"]
    assert f"power-cycle it: {RESTART}" in shown.stdout
    assert pending["changed"] == []
    assert "the definition has guest_tso4 on already: takes effect after a power cycle" in pending["notes"][0]
    assert_a_power_cycle_is_all_that_lacks(vm, edited)


def test_a_model_that_libvirt_gives_no_header_is_given_its_own_name(
    with_libvirt: Hypervisor, tmp_path: Path
) -> None:
    vm = Vm(with_libvirt, tmp_path, domain_xml(tmp_path, "<model type='virtio-net'/>"))
    before = vm.definition()

    done, document = vm.fix()
    vm.host.virsh("destroy", "vm")
    vm.host.virsh("start", "vm", "--paused")  # what is offered shows before any boot
    [nic] = vm.fix("--dry-run")[1]["nics"]

    assert [change["cause"] for change in document["changed"]] == ["no-vnet-header"], done.stderr
    assert vm.definition() == before.replace("'virtio-net'", "'virtio'")
    assert {rung["rung"]: rung["ipv4"] for rung in nic["ladder"]}["offered"] == "pass"
    assert nic["cause"] == "machine-paused"


def test_a_libvirtd_that_is_away_while_the_guest_shuts_down_leaves_no_machine_off(
    with_libvirt: Hypervisor, tmp_path: Path
) -> None:
    vm = Vm(with_libvirt, tmp_path, domain_xml(tmp_path, f"{GOOD}<driver><guest tso4='off'/></driver>"))

    def runs() -> bool:
        return any("qemu-system" in argv[0] for argv in with_libvirt.processes().values())

    with ThreadPoolExecutor(1) as pool:
        fixing = pool.submit(vm.fix, "--restart", "--wait", "90")
        wait_for(lambda: not runs(), time.monotonic() + 60, "the guest's end")
        with_libvirt.restart_libvirtd()
        done, document = fixing.result()

    assert done.returncode == 0, done.stdout + done.stderr
    assert causes(document) == [None]
    assert with_libvirt.virsh("domstate", "vm").strip() == "running"


MODEL_EDIT = ["-      <model type='e1000e'/>", "+      <model type='virtio'/>"]
TSO6_OVERRIDE = OVERRIDE.replace("guest_rsc_ext", "guest_tso6").replace("true", "false")


@pytest.mark.parametrize(
    ("more", "cause", "diff"),
    [
        ({"inner": "<model type='e1000e'/>"}, "not-virtio", MODEL_EDIT),
        ({"override": OVERRIDE, "switch": SWITCHES["hck"]}, "hck-flags-in-production", 8),
        ({"override": TSO6_OVERRIDE}, "guest-offloads-off", 1),
    ],
    ids=["model", "hck", "override"],
)
def test_an_edit_and_its_power_cycle_in_one(
    with_libvirt: Hypervisor, tmp_path: Path, more: dict[str, str], cause: str, diff: list[str] | int
) -> None:
    vm = Vm(with_libvirt, tmp_path, domain_xml(tmp_path, **more))
    before = vm.definition()

    done, document = vm.fix("--restart", "--wait", "90")

    assert done.returncode == 0, done.stdout + done.stderr
    [change] = document["changed"]
    assert change["cause"] == cause
    lines = [line for line in change["diff"] if line[0] in "+-"][2:]
    assert diff in (lines, len(lines))
    assert "guest_" not in vm.definition()
    assert causes(document) == [None]
    assert vm.definition() != before
    assert vm.backups()[0].read_text() == before.rstrip("\n") + "\n"


def test_a_transient_domain_has_no_definition_to_edit(with_libvirt: Hypervisor, tmp_path: Path) -> None:
    vm = Vm(
        with_libvirt,
        tmp_path,
        domain_xml(tmp_path, f"{GOOD}<driver><guest tso4='off'/></driver>"),
        transient=True,
    )
    vm.ethtool("tx-tcp6-segmentation", "off")

    done, document = vm.fix("--restart")

    assert done.returncode == 1, done.stderr
    assert "vm is transient: there is no definition to edit" in document["notes"][0]
    assert [change["cause"] for change in document["changed"]] == ["host-disabled-segmentation"]
    assert document["nics"][0]["families"]["ipv6"]["verdict"] == "ready"
    assert vm.backups() == []


def test_an_edit_that_libvirt_refuses_leaves_the_definition_as_it_was(
    with_libvirt: Hypervisor, tmp_path: Path
) -> None:
    """libvirt reads what its own schema does not allow, and keeps it until it is held against that."""
    vm = Vm(with_libvirt, tmp_path, domain_xml(tmp_path, f"{GOOD}<driver><guest tso4='off'/></driver>"))
    odd = tmp_path / "odd.xml"
    odd.write_text(
        vm.definition().replace("<source bridge='br0'/>", "<source bridge='br0'/><target dev='no name'/>")
    )
    vm.host.virsh("define", str(odd))
    before = vm.definition()
    assert "no name" in before

    done, _ = vm.fix("--restart")

    assert done.returncode == 3, done.stdout
    assert "could not define the domain" in done.stderr
    assert f"a copy is in {vm.backups()[0]}" in done.stderr
    assert vm.definition() == before
    assert vm.host.virsh("domstate", "vm").strip() == "running"


def test_a_machine_that_does_not_start_with_the_edit_runs_again_as_it_was(
    with_libvirt: Hypervisor, tmp_path: Path
) -> None:
    """It overrides what an e1000e has and virtio has not, which QEMU sees when it starts."""
    override = OVERRIDE.split("<qemu:property", maxsplit=1)[0] + (
        "<qemu:property name='disable_vnet_hdr' type='unsigned' value='0'/>"
        "</qemu:frontend></qemu:device></qemu:override>"
    )
    vm = Vm(with_libvirt, tmp_path, domain_xml(tmp_path, "<model type='e1000e'/>", override=override))
    before = vm.definition()

    done, document = vm.fix("--restart", "--wait", "60")

    assert done.returncode == 3, done.stdout
    assert "does not start with the edit; the old definition was put back" in done.stderr
    assert causes(document) == ["not-virtio"]
    assert vm.definition() == before
    assert vm.host.virsh("domstate", "vm").strip() == "running"


def test_a_guest_that_does_not_shut_down_is_left_running(with_libvirt: Hypervisor, tmp_path: Path) -> None:
    vm = Vm(
        with_libvirt,
        tmp_path,
        domain_xml(tmp_path, f"{GOOD}<driver><guest tso4='off'/></driver>", switch="acpi=off"),
    )
    process = vm.host.processes()

    done, document = vm.fix("--restart", "--wait", "4")

    assert done.returncode == 3
    assert "still runs after 4 s" in document["errors"][0]["message"]
    assert "still runs after 4 s" in done.stderr
    assert "tso4='on'" in vm.definition()
    assert {pid for pid, argv in process.items() if "qemu-system" in argv[0]} <= set(vm.host.processes())


def test_a_domain_that_does_not_exist_and_one_that_is_off(with_libvirt: Hypervisor, tmp_path: Path) -> None:
    vm = Vm(with_libvirt, tmp_path)
    vm.host.virsh("destroy", "vm")

    off, document = vm.fix("--restart")
    vm.host.virsh("undefine", "vm")
    none, _ = vm.fix()

    assert (off.returncode, causes(document), document["changed"]) == (4, ["machine-off"], [])
    assert none.returncode == 2
    assert "no domain vm at qemu:///system" in none.stderr
