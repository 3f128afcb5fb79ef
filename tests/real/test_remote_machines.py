"""Machines on hosts that are reached over SSH: as on this machine, from `up` to a verdict and `down` without a trace."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.real import preloaded
from tests.real.conftest import guest_machine
from tests.real.hypervisor import Hypervisor, Snapshot
from tests.real.remote import REMOTE, Site, cable, remote_site


@pytest.fixture
def site(guest: Path, tmp_path: Path) -> Iterator[Site]:
    assert guest.is_dir()
    with remote_site(tmp_path) as found:
        yield found


def host(site: Site, name: str, address: str) -> str:
    user = site.target.user or "root"
    return (
        f"  {name}:\n    address: {address}\n    port: {site.target.port or 22}\n    user: {user}\n"
        f"    sudo: {str(site.target.sudo).lower()}\n    identity: {site.at / 'id'}\n"
        f"    known_hosts: {site.at / 'known_hosts'}\n    bridges: {{br-lab: {{address: 10.9.0.1/24}}}}\n"
    )


def lab(site: Site, hosts: dict[str, str], backends: dict[str, str]) -> str:
    path = site.at / "lab.yaml"
    machines = "".join(
        guest_machine(backend, f"vm-{name}", nics="[{bridge: br-lab}]", more=f"host: {name}")
        for name, backend in backends.items()
    )
    text = "".join(host(site, name, address) for name, address in hosts.items())
    path.write_text(f"version: 1\nhosts:\n{text}machines:\n{machines}")
    return str(path)


def rscvm(site: Site, *arguments: str) -> CompletedProcess[str]:
    return preloaded.rscvm(site.client, *arguments)


def comparable(host: Hypervisor) -> Snapshot:
    """Without the kept probe of accelerators, and without sshd's processes and our cable, which settle as they like."""
    found = host.snapshot()
    links = {name: link for name, link in found.links.items() if not name.startswith("wire")}
    files = {name: what for name, what in found.files.items() if name != ".accelerators.json"}
    processes = tuple(line for line in found.processes if "sshd" not in line)
    return replace(found, files=files, processes=processes, links=links)


def sudoer(site: Site) -> Site:
    """The host for an ordinary user who becomes root by sudo."""
    site.start_sshd(port=2222, user="alice")
    site.knows(f"[{REMOTE}]:2222")
    site.remote.path("/etc/sudoers.d/rscvm").write_text("alice ALL=(root) NOPASSWD: /usr/bin/sh\n")
    return replace(site, target=site.as_user("alice", port=2222, sudo=True))


@pytest.mark.parametrize("user", ["root", "alice"])
@pytest.mark.parametrize("backend", ["qemu", "libvirt"])
def test_a_remote_machine_comes_up_ready_and_goes_down_without_a_trace(
    site: Site, backend: str, user: str
) -> None:
    if user == "alice":
        site = sudoer(site)
    if backend == "libvirt":
        site.remote.start_libvirtd()
    path = lab(site, {"hv": REMOTE}, {"hv": backend})
    before, near = comparable(site.remote), comparable(site.client)

    plan = rscvm(site, "plan", path)
    up = rscvm(site, "up", path, "--wait", "90")
    again = rscvm(site, "plan", path, "--exit-code")
    status = rscvm(site, "status", path, "--json")
    check = rscvm(site, "check", path, "--json")
    down = rscvm(site, "down", path)

    assert (plan.returncode, up.returncode, again.returncode) == (0, 0, 0), up.stdout + up.stderr
    assert "READY" in up.stdout
    assert "make bridge br-lab" in plan.stdout
    assert [row["state"] for row in json.loads(status.stdout)["machines"]] == ["running"]
    [nic] = json.loads(check.stdout)["nics"]
    assert (nic["host"], nic["verdict"]) == ("hv", "ready")
    assert down.returncode == 0, down.stderr
    assert comparable(site.remote) == before
    assert comparable(site.client) == near


def test_doctor_examines_a_remote_host(site: Site) -> None:
    path = lab(site, {"hv": REMOTE}, {"hv": "qemu"})

    done = rscvm(site, "doctor", "hv", "-f", path, "--json")

    [row] = json.loads(done.stdout)["hosts"]
    assert row["host"] == "hv"
    assert {"tap", "tcg", "qemu"} <= {found["name"] for found in row["findings"] if found["state"] == "good"}


def test_of_several_hosts_one_that_is_unreachable_does_not_keep_the_others_back(site: Site) -> None:
    with Hypervisor() as second, cable(site.client, second, "192.0.2.5", "192.0.2.6", "wire2"):
        other = replace(site, remote=second, sshd={})
        other.start_sshd()
        site.knows("192.0.2.6")
        try:
            hosts = {"hv1": REMOTE, "hv2": "192.0.2.6", "gone": "192.0.2.9"}
            path = lab(site, hosts, dict.fromkeys(hosts, "qemu"))

            up = rscvm(site, "up", path, "--no-check", "--json")
            status = rscvm(site, "status", path, "--json")
            down = rscvm(site, "down", path)
        finally:
            other.stop()

    assert up.returncode == 3
    assert "rscvm: host gone: " in up.stderr
    assert [row["host"] for row in json.loads(up.stdout)["errors"]] == ["gone"]
    assert [what for what in json.loads(up.stdout)["changed"] if what.startswith("start")] == [
        "start vm-hv1",
        "start vm-hv2",
    ]
    rows = json.loads(status.stdout)["machines"]
    assert {row["host"]: row["state"] for row in rows} == {"hv1": "running", "hv2": "running"}
    assert down.returncode == 3
    assert "hv1: stop vm-hv1" in down.stderr
    assert "hv2: stop vm-hv2" in down.stderr


@pytest.mark.parametrize("backend", ["qemu", "libvirt"])
def test_ctrl_c_on_the_terminal_takes_back_what_was_done_there(site: Site, backend: str) -> None:
    """At tenths of a whole `up`'s time, until one is through: with all that is in its process group, as a terminal does."""
    if backend == "libvirt":
        site.remote.start_libvirtd()
    path = lab(site, {"hv": REMOTE}, {"hv": backend})
    before = comparable(site.remote)
    started = time.monotonic()
    assert rscvm(site, "up", path, "--no-check").returncode == 0
    tenth = (time.monotonic() - started) / 10
    assert rscvm(site, "down", path).returncode == 0
    interrupted = 0

    for tenths in range(4, 40, 2):
        command = [
            "timeout",
            "--preserve-status",
            "-s",
            "INT",
            f"{tenths * tenth:.3f}",
            sys.executable,
            "-m",
            "provision",
        ]
        done = site.client.run([*command, "up", path, "--no-check"], timeout=240)
        if done.returncode == 0 or rscvm(site, "plan", path, "--exit-code").returncode == 0:
            break
        assert done.returncode in (130, 128 - 2), done.stderr.decode()
        assert b"Traceback" not in done.stderr
        interrupted += done.returncode == 130
        assert comparable(site.remote) == before, (tenths, done.stderr.decode())

    assert interrupted > 0
    assert rscvm(site, "down", path).returncode == 0
    assert comparable(site.remote) == before
