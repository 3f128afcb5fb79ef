"""The audit of a fleet by Ansible: what it finds is what `rscvm check` finds on each host."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.real.demo_guest import CMDLINE
from tests.real.domains import define, domain, interface, networks, until
from tests.real.fleet import VERSIONS, ansible, inventory, module, playbook
from tests.real.host_settings import SECOND, second_host
from tests.real.remote import REMOTE, Site, remote_site

pytestmark = pytest.mark.real

INJECTED = {
    ("hv1", "far", "net0"): "host-disabled-checksum",
    ("hv1", "far", "net1"): "guest-offloads-off",
    ("hv1", "far", "net2"): None,
    ("hv2", "bare", "n"): "tap-segmentation-off",
}
BARE = """
ip link add br1 type bridge; ip link set br1 up

cd /run
qemu-system-x86_64 -name bare -machine q35,accel=tcg -m 192 -nodefaults -display none -daemonize \
    -kernel "$1/vmlinuz" -initrd "$1/initrd" -append "$2" \
    -netdev tap,id=t0,ifname=t0,script=no,downscript=no -device virtio-net-pci,netdev=t0,id=n \
    -qmp unix:/run/q.sock,server=on,wait=off
ip link set t0 up master br1
"""
STATUS = (
    '{"execute": "x-query-virtio-status", "arguments": {"path": "/machine/peripheral/net0/virtio-backend"}}'
)


def own(site: Site, name: str) -> dict[str, Any]:
    """What `rscvm check` says of the host, over SSH from the same client."""
    argv = [sys.executable, "-m", "provision", "check", "--host", f"ssh://{name}", "--json"]
    done = site.client.run(argv, timeout=120)
    assert done.returncode in (0, 1, 4), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, guest: Path) -> Iterator[tuple[Site, Site]]:
    """A host whose libvirt runs one domain, one with a QEMU of nobody's and no Python, and one that is not there."""
    at = tmp_path_factory.mktemp("fleet")
    with ExitStack() as stack:
        site = stack.enter_context(remote_site(at))
        other = stack.enter_context(second_host(site))
        site.configure(
            "".join(f"Host {n}\n HostName {a}\n" for n, a in (("hv1", REMOTE), ("hv2", SECOND)))
            + f"Host *\n User root\n IdentityFile {at}/id\n UserKnownHostsFile {at}/known_hosts\n"
        )
        other.remote.output(["sh", "-ec", BARE, "sh", str(guest), CMDLINE])
        site.remote.start_libvirtd()
        stack.enter_context(networks(site.remote))
        nics = (interface(), interface(more="<driver><guest tso6='off'/></driver>"), interface())
        define(site.remote, domain("far", *nics))
        site.remote.virsh("start", "far")
        until(lambda: "DRIVER_OK" in site.remote.virsh("qemu-monitor-command", "far", STATUS), "far", 150)
        until(lambda: [nic["verdict"] for nic in own(site, "hv2")["nics"]] == ["ready"], "the other guest")
        other.remote.output(["ethtool", "-K", "t0", "tso", "off"])
        tap = next(nic["tap"] for nic in own(site, "hv1")["nics"] if nic["nic"] == "net0")
        site.remote.output(["ethtool", "-K", tap, "tx", "off"])
        for each in (site, other):  # a demo guest takes what it gets
            each.remote.output(["sh", "-c", "renice -n 19 -p $(pidof qemu-system-x86_64)"])
        stack.enter_context(other.remote.without("python3"))
        yield site, other


def hosts(*, monitor: bool = True) -> dict[str, dict[str, Any]]:
    return {
        "hv1": {"ansible_host": REMOTE, "monitor": monitor},
        "hv2": {"ansible_host": SECOND},
        "hv3": {"ansible_host": "192.0.2.9"},
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_an_audit_finds_what_check_finds_on_each_host(
    fleet: tuple[Site, Site], tmp_path: Path, version: str
) -> None:
    site, other = fleet
    inventory(site, hosts())

    done = playbook(site, "audit.yml", "-e", f"report={tmp_path}", version=version)

    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert {(n["host"], n["machine"], n["nic"]): n["cause"] for n in report["nics"]} == INJECTED
    for name in ("hv1", "hv2"):
        assert [nic for nic in report["nics"] if nic["host"] == name] == own(site, name)["nics"]
    assert report["schema"] == "rscvm/check/1"
    assert report["summary"]["causes"] == {
        "host-disabled-checksum": 1,
        "guest-offloads-off": 1,
        "tap-segmentation-off": 1,
    }
    assert [row["host"] for row in report["errors"]] == ["hv3"]
    page = (tmp_path / "report.html").read_text()
    assert all(
        word in page for word in ("hv1", "hv2", "hv3", "tap-segmentation-off", "host-disabled-checksum")
    )
    assert all(words in done.stdout for words in ("hv3: ", "4 NICs"))
    for each in (site, other):  # /tmp is this machine's, and other tests have hosts there, too
        assert not [argv for argv in each.remote.processes().values() if ".rscvm-" in " ".join(argv)]


def test_the_evidence_of_an_audit_is_judged_again_elsewhere(fleet: tuple[Site, Site], tmp_path: Path) -> None:
    site, _ = fleet
    inventory(site, hosts())

    playbook(site, "audit.yml", "-e", f"report={tmp_path}", "-l", "hv2")
    (evidence,) = tmp_path.glob("evidence/*/hv2")
    argv = [sys.executable, "-m", "provision", "check", "--from", str(evidence), "--json"]
    again = json.loads(site.client.run(argv).stdout)

    assert [(nic["host"], nic["cause"]) for nic in again["nics"]] == [("hv2", "tap-segmentation-off")]


def test_monitors_that_are_not_to_be_asked_are_not(fleet: tuple[Site, Site]) -> None:
    site, _ = fleet
    inventory(site, hosts())

    found = module(site, "check_info", {"monitor": False})

    verdicts = {nic["nic"]: nic["verdict"] for nic in found["hv1"]["report"]["nics"]}
    assert verdicts == {"net0": "unknown", "net1": "not-ready", "net2": "ready"}, "by the TAPs alone"
    assert found["hv3"]["unreachable"] is True


def test_what_was_taken_from_a_tap_is_given_back(fleet: tuple[Site, Site]) -> None:
    site, _ = fleet
    inventory(site, {"hv1": {"ansible_host": REMOTE}})

    foretold = playbook(site, "fix.yml", "--check", "--diff")
    done = playbook(site, "fix.yml", "--diff")
    again = module(site, "fix", {})["hv1"]
    tap = next(nic["tap"] for nic in again["report"]["nics"] if nic["nic"] == "net0")
    site.remote.output(["ethtool", "-K", tap, "tx", "off"])  # as the other tests have it

    assert "changed=1" in done.stdout, done.stdout
    assert foretold.stdout == done.stdout
    assert (again["changed"], again["commands"]) == (False, [])
    assert {nic["nic"]: nic["verdict"] for nic in again["report"]["nics"]}["net0"] == "ready"


def test_domains_are_hosts_with_their_verdicts(fleet: tuple[Site, Site], tmp_path: Path) -> None:
    site, _ = fleet
    uri = f"qemu+ssh://root@{REMOTE}/system?keyfile={site.at}/id&known_hosts={site.at}/known_hosts"
    source = tmp_path / "hv1.rscvm-libvirt.yml"
    source.write_text(
        f"plugin: rscvm.kvm.libvirt\nuri: {json.dumps(uri)}\n"
        "keyed_groups: [{key: rscvm_verdict, prefix: v}]\ncompose: {sick: rscvm_causes | length}\n"
    )
    env = {
        "ANSIBLE_INVENTORY_ENABLED": "rscvm.kvm.libvirt",
        "ANSIBLE_COLLECTIONS_PATH": "playbooks/collections",
    }

    for version in VERSIONS:
        done = ansible(site, "ansible-inventory", "-i", str(source), "--list", env=env, version=version)
        found = json.loads(done.stdout)
        groups = {name: row["hosts"] for name, row in found.items() if "hosts" in row}
        assert {
            "rsc_not_ready",
            "cause_host_disabled_checksum",
            "cause_guest_offloads_off",
            "v_not_ready",
        } <= {*groups}
        assert all(members == ["far"] for members in groups.values())
        assert "2" in str(found["_meta"]["hostvars"]["far"]["sick"])
