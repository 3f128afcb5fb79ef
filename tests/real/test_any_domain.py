"""The right cause for every condition that can be made on real domains under a real libvirtd, without a lab file."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.real.domains import (
    SYSTEM,
    causes,
    check,
    define,
    domain,
    interface,
    networks,
    sending,
    settled,
    until,
)
from tests.real.hypervisor import Hypervisor
from tests.real.zoo import EVIL, PAUSED, RUNNING, WANTED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.real

CUT = ("link-down", "not-ready")


@pytest.fixture(scope="module")
def host(guest: Path) -> Iterator[Hypervisor]:
    assert guest.is_dir()
    with Hypervisor() as host:
        host.start_libvirtd()
        with networks(host):
            for xml in RUNNING:
                define(host, xml)
            for name in ("many", "declines", "driverless", "dropping", "sink"):
                host.virsh("start", name)
            for xml in PAUSED:
                define(host, xml)
            for name in ("hck", "misspelt", "waiting", EVIL, "long"):
                host.virsh("start", name, "--paused")
            define(host, domain("off", interface()))
            host.run(["tee", "/run/transient.xml"], input=domain("transient", interface()).encode())
            host.virsh("create", "/run/transient.xml", "--paused")
            yield host


@pytest.fixture(scope="module")
def nics(host: Hypervisor) -> dict[str, Any]:
    return settled(host, WANTED)


@pytest.mark.parametrize("name", WANTED)
def test_each_condition_has_its_cause(nics: dict[str, Any], name: str) -> None:
    nic = nics[name]

    assert (nic["cause"] or nic["verdict"]) == WANTED[name], json.dumps(nic, indent=1)


def test_there_is_no_other_nic(nics: dict[str, Any]) -> None:
    assert set(nics) == set(WANTED)


def test_what_only_the_host_can_know_is_told(nics: dict[str, Any]) -> None:
    assert {nics[name]["host"] for name in WANTED} == {"local"}
    assert {nics[name]["rsc"] for name in WANTED} == {None}
    assert nics["many.net0"]["tap"].startswith("vnet")
    assert nics["many.net4"]["tap"] is None
    assert nics["many.net5"]["tap"].startswith("macvtap")
    assert nics["off.net0"]["tap"] is None
    assert [nics["many.net1"]["families"][family]["verdict"] for family in ("ipv4", "ipv6")] == [
        "ready",
        "not-ready",
    ]


def test_no_domain_changes_by_a_check_but_for_its_taint(host: Hypervisor, nics: dict[str, Any]) -> None:
    tap = nics["many.net0"]["tap"]
    features, xml, before = host.ethtool_features(tap), host.virsh("dumpxml", "many"), host.snapshot()

    status, _, errors = check(host)

    assert (status, errors) == (1, "")
    assert host.ethtool_features(tap) == features
    assert host.virsh("dumpxml", "many") == xml
    assert host.snapshot() == before


def test_without_monitor_a_domain_stays_untainted(host: Hypervisor) -> None:
    assert check(host, "--no-monitor", "transient")[1]["transient.net0"]["verdict"] == "unknown"
    define(host, domain("clean", interface()))
    host.virsh("start", "clean", "--paused")

    check(host, "--no-monitor", "clean")
    untainted = host.virsh("dominfo", "clean")
    check(host, "clean")
    tainted = host.virsh("dominfo", "clean")
    host.virsh("destroy", "clean")
    host.virsh("undefine", "clean")

    assert "custom monitor" not in untainted
    assert "custom monitor" in tainted


def test_without_monitor_the_tap_alone_is_judged(host: Hypervisor, nics: dict[str, Any]) -> None:
    assert nics["many.net0"]["verdict"] == "ready"

    assert causes(check(host, "--no-monitor", "many", "declines", "driverless", "dropping", "off")[1]) == {
        "many.net0": "ready",
        "many.net1": "tap-segmentation-off",
        "many.net2": "unknown",
        "many.net3": "not-virtio",
        "many.net4": "no-vnet-header",
        "many.net5": "tap-unreadable",
        "many.net6": "ready",
        "many.net7": "ready",
        "many.ua-mine": "ready",
        "many.net8": "tap-unreadable",
        "many.net9": "no-vnet-header",
        "many.net10": "not-virtio",
        "many.ua-backup": "failover-standby",
        "declines.net0": "tap-segmentation-off",
        "driverless.net0": "unknown",
        "dropping.net0": "tap-segmentation-off",
        "off.net0": "machine-off",
    }


def test_a_name_that_is_no_domain_is_refused(host: Hypervisor) -> None:
    status, nics, errors = check(host, "many", "nobody")

    assert (status, nics) == (2, {})
    assert "no domain nobody at qemu:///system" in errors


def test_a_libvirt_that_does_not_answer_is_a_fault_of_the_host(host: Hypervisor) -> None:
    done = host.run(
        [sys.executable, "-m", "provision", "check", "--connect", "qemu+unix:///system?socket=/nowhere"]
    )

    assert done.returncode == 3
    assert b"libvirt does not answer" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "address", "told"),
    [("sink.net0", "10.9.0.2", ("ready", "pass")), ("sink.net1", "10.8.0.2", ("unknown", "unknown"))],
)
def test_frames_above_the_mtu_are_observed(
    host: Hypervisor, nics: dict[str, Any], name: str, address: str, told: tuple[str, str]
) -> None:
    """On a TAP; a macvtap counts them before it cuts them."""
    assert nics[name]["verdict"] == told[0]
    until(
        lambda: host.run(["ping", "-c", "1", "-W", "1", address]).returncode == 0, f"an answer of {address}"
    )

    with sending(host, address):
        observed = check(host, "--observe", "2", "sink")[1][name]
    idle = check(host, "--observe", "0.5", "sink")[1][name]

    assert (observed["verdict"], observed["ladder"][-1]["ipv4"]) == told, observed["ladder"][-1]
    assert (idle["verdict"], idle["ladder"][-1]["ipv4"]) == (told[0], "unknown")


def test_single_segments_are_observed_and_named(host: Hypervisor, nics: dict[str, Any]) -> None:
    """A sender without TSO: what it sends is not aggregated on its way."""
    assert nics["sink.net0"]["verdict"] == "ready"
    host.output(["ethtool", "-K", "br0", "tso", "off", "gso", "off"])
    try:
        with sending(host, "10.9.0.2"):
            found = check(host, "--observe", "2", "sink")[1]["sink.net0"]
    finally:
        host.output(["ethtool", "-K", "br0", "tso", "on", "gso", "on"])

    assert (found["cause"], found["ladder"][-1]["ipv4"]) == ("path-segments", "unknown")
    assert "in frames of one segment, back to back" in found["ladder"][-1]["seen"]


def test_a_watch_tells_a_line_a_tick_and_ends_with_the_signal(host: Hypervisor, nics: dict[str, Any]) -> None:
    argv = [sys.executable, *f"-m provision check --connect {SYSTEM} --watch 0.3 --json sink".split()]
    with (
        sending(host, "10.9.0.2"),
        subprocess.Popen(
            [*host.entering(), *argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as run,
    ):
        assert run.stdout is not None
        lines = [json.loads(run.stdout.readline()) for _ in range(4)]
        host.output(["pkill", "-INT", "-f", "provision check .* --watch"])
        _, errors = run.communicate(timeout=60)

    rows = [{row["nic"]: row for row in line["nics"]}["net0"] for line in lines]
    assert {line["schema"] for line in lines} == {"rscvm/watch/1"}
    assert rows[0]["bytes_per_second"] is None
    assert rows[-1]["bytes_per_second"] > 1e6
    assert rows[-1]["mean_frame"] > 1600
    assert {row["tap"] for row in rows} == {nics["sink.net0"]["tap"]}
    assert run.returncode == 130, errors
    assert "Traceback" not in errors


class TestAtRunTime:
    """What is done to a running machine, one thing after another."""

    def switch(self, host: Hypervisor, nics: dict[str, Any], name: str, *words: str) -> None:
        host.run(["ethtool", "-K", nics[name]["tap"], *words])

    def test_the_host_switches_taps_off(self, host: Hypervisor, nics: dict[str, Any]) -> None:
        self.switch(host, nics, "many.net0", "tx", "off")
        self.switch(host, nics, "many.net6", "sg", "off")
        self.switch(host, nics, "many.net7", "tso", "off")
        self.switch(host, nics, "dropping.net0", "tso", "on")

        found = causes(check(host)[1])

        assert found["many.net0"] == "host-disabled-checksum"
        assert found["many.net6"] == "host-disabled-segmentation"
        assert found["many.net7"] == "tap-segmentation-off"
        assert found["dropping.net0"] == "guest-disabled-rsc"
        assert found["many.ua-mine"] == "ready"

    def test_a_paused_machine_that_has_negotiated_is_judged_like_a_running_one(
        self, host: Hypervisor
    ) -> None:
        host.virsh("suspend", "many")
        try:
            assert causes(check(host, "many")[1])["many.ua-mine"] == "ready"
        finally:
            host.virsh("resume", "many")

    def test_a_reboot_undoes_what_the_host_did(self, host: Hypervisor) -> None:
        host.virsh("reset", "many")
        early = causes(check(host, "many")[1])
        names = ("many.net0", "many.net7", "many.ua-mine")
        late = causes(settled(host, dict.fromkeys(names, "ready"), "many"))

        assert early["many.net0"] != "ready"
        assert {name: late[name] for name in names} == dict.fromkeys(names, "ready")
        assert (
            late["many.net6"] == "host-disabled-segmentation"
        )  # the guest's driver does not ask for scatter-gather

    def test_a_cable_that_is_out_is_the_cause(self, host: Hypervisor, nics: dict[str, Any]) -> None:
        taps = [nics[f"many.{name}"]["tap"] for name in ("net0", "ua-mine", "net6")]

        def pulled(*, out: bool) -> dict[str, Any]:
            host.output(["ip", "link", "set", taps[0], *(["nomaster"] if out else ["master", "br0"])])
            host.output(["ip", "link", "set", taps[1], "down" if out else "up"])
            host.virsh("domif-setlink", "many", taps[2], "down" if out else "up")
            host.virsh("qemu-monitor-command", "many", "--hmp", f"set_link net7 {'off' if out else 'on'}")
            return check(host, "many")[1]

        seen = [nic["seen"] for nic in pulled(out=True).values() if (nic["cause"], nic["verdict"]) == CUT]

        assert seen[:2] == [f"{taps[0]} is not on br0", "<link state='down'/> in its live XML"]
        assert "set_link" in seen[2]
        assert seen[3:] == [f"{taps[1]} is down"]
        assert "link-down" not in causes(pulled(out=False)).values()

    def test_a_tap_that_has_gone_is_unreadable(self, host: Hypervisor, nics: dict[str, Any]) -> None:
        host.output(["ip", "link", "delete", nics["many.ua-mine"]["tap"]])

        assert causes(check(host, "many")[1])["many.ua-mine"] == "tap-unreadable"

    def test_a_host_without_ethtool_is_unknown(self, host: Hypervisor) -> None:
        with host.without("ethtool"):
            status, found, _ = check(host, "declines", "waiting")

        assert status == 1
        assert causes(found) == {"declines.net0": "driver-declined", "waiting.net0": "machine-paused"}

    def test_a_stopped_qemu_costs_its_deadline_once_and_stops_no_other(self, host: Hypervisor) -> None:
        [pid] = [
            pid
            for pid, argv in host.processes().items()
            if any(word.startswith("guest=many") for word in argv)
        ]
        host.output(["kill", f"-{signal.SIGSTOP.value}", str(pid)])
        try:  # the deadline is 10 s
            status, found, errors = check(host, "many", "declines", timeout=19)
        finally:
            host.output(["kill", f"-{signal.SIGCONT.value}", str(pid)])

        assert (status, errors) == (1, "")
        assert found["declines.net0"]["cause"] == "driver-declined"
        assert found["many.net0"]["verdict"] == "unknown"
        assert "did not answer" in found["many.net0"]["seen"]
        until(lambda: causes(check(host, "many")[1])["many.net0"] == "ready", "the monitor's answer")
