"""`check` of domains and QEMUs on a host that is reached over SSH."""

from __future__ import annotations

import json
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from tests.real.demo_guest import CMDLINE
from tests.real.domains import causes, define, domain, interface, networks, until
from tests.real.preloaded import rscvm
from tests.real.remote import REMOTE, Site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.real


def check(site: Site, *arguments: str) -> tuple[int, dict[str, Any], str]:
    """Exit status, NICs by `machine.nic`, and stderr of `check` on the client."""
    done = rscvm(site.client, "check", "--json", *arguments, timeout=120)
    nics = json.loads(done.stdout).get("nics", []) if done.stdout else []
    return done.returncode, {f"{nic['machine']}.{nic['nic']}": nic for nic in nics}, done.stderr


def uri(site: Site, known_hosts: Path | None = None) -> str:
    """The host's libvirt; key and known hosts are the URI's."""
    key, known = quote(str(site.at / "id")), quote(str(known_hosts or site.at / "known_hosts"))
    return f"qemu+ssh://root@{REMOTE}/system?keyfile={key}&known_hosts={known}"


@contextmanager
def running(site: Site) -> Iterator[None]:
    """A domain with a good NIC and one that misses TSO of IPv6, started on the host."""
    site.remote.start_libvirtd()
    with networks(site.remote):
        define(
            site.remote, domain("far", interface(), interface(more="<driver><guest tso6='off'/></driver>"))
        )
        site.remote.virsh("start", "far")
        until(lambda: "VIRTIO_CONFIG_S_DRIVER_OK" in site.remote.virsh(*STATUS), "the guest's driver", 150)
        yield


STATUS = (
    "qemu-monitor-command",
    "far",
    '{"execute": "x-query-virtio-status", "arguments": {"path": "/machine/peripheral/net0/virtio-backend"}}',
)
FAR = {"far.net0": "ready", "far.net1": "guest-offloads-off"}


def test_domains_of_another_host_are_judged_with_their_taps(site: Site, guest: Path) -> None:
    assert guest.is_dir()
    with running(site):
        status, nics, errors = check(site, "--connect", uri(site))
        site.remote.output(["ethtool", "-K", nics["far.net0"]["tap"], "tx", "off"])
        after = causes(check(site, "--connect", uri(site), "far")[1])

    assert (status, errors, causes(nics)) == (1, "", FAR)
    assert {nic["host"] for nic in nics.values()} == {REMOTE}
    assert after["far.net0"] == "host-disabled-checksum"


def test_taps_are_read_on_the_host_that_is_named_beside_the_uri(
    site: Site, guest: Path, tmp_path: Path
) -> None:
    assert guest.is_dir()
    site.configure(
        f"Host hv\n HostName {REMOTE}\n User root\n IdentityFile {site.at / 'id'}\n"
        f" UserKnownHostsFile {site.at / 'known_hosts'}\n"
    )
    there = tmp_path / "libvirt-sock"  # a socket in a shared directory: libvirt is near, its TAPs are not
    forward = ["socat", f"UNIX-LISTEN:{there},fork", "UNIX-CONNECT:/run/libvirt/libvirt-sock"]
    with running(site), subprocess.Popen([*site.remote.entering(), *forward]) as socat:
        try:
            until(there.is_socket, "socat's socket")
            connect = ("--connect", f"qemu+unix:///system?socket={there}")
            without = causes(check(site, *connect)[1])
            status, nics, errors = check(site, *connect, "--host", "ssh://hv")
        finally:
            socat.kill()

    assert without["far.net0"] == "tap-unreadable"
    assert (status, errors, causes(nics)) == (1, "", FAR)


def test_a_host_whose_key_is_unknown_is_not_talked_to(site: Site, tmp_path: Path) -> None:
    (tmp_path / "nobody").touch()

    status, nics, errors = check(site, "--connect", uri(site, tmp_path / "nobody"))

    assert (status, nics) == (3, {})
    assert "host key" in errors
    assert "Traceback" not in errors


def test_a_qemu_on_another_host_is_judged_by_its_socket(site: Site, guest: Path) -> None:
    site.configure(
        f"Host hv\n HostName {REMOTE}\n User root\n IdentityFile {site.at / 'id'}\n"
        f" UserKnownHostsFile {site.at / 'known_hosts'}\n"
    )
    boot = ["-kernel", f"{guest}/vmlinuz", "-initrd", f"{guest}/initrd", "-append", CMDLINE]
    nic = [
        "-netdev",
        "tap,id=t0,ifname=t0,script=no,downscript=no",
        "-device",
        "virtio-net-pci,netdev=t0,id=n",
    ]
    qmp = ["-qmp", "unix:/run/q.sock,server=on,wait=off", "-daemonize"]
    machine = ["-machine", "q35,accel=tcg", "-m", "192", "-nodefaults", "-display", "none"]
    site.remote.output(["qemu-system-x86_64", *machine, *boot, *nic, *qmp])
    site.remote.output(["ip", "link", "set", "t0", "up"])

    until(
        lambda: causes(check(site, "--qmp", "/run/q.sock", "--host", "ssh://hv")[1]) == {"q.n": "ready"},
        "a ready NIC",
        150,
    )
    status, found, _ = check(site, "--host", "ssh://hv", "--host", "ssh://127.0.0.1:9")
    assert status == 3, "the other host cannot be reached, and hides nobody"
    assert [(nic["host"], nic["verdict"], nic["tap"]) for nic in found.values()] == [("hv", "ready", "t0")]
