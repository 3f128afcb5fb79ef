"""A whole lab on another host, as root and as a user with sudo: it comes up ready and goes down without a trace."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.real.conftest import guest_machine
from tests.real.remote import REMOTE, remote_site

if TYPE_CHECKING:
    from tests.real.hypervisor import Hypervisor

UPPER = str(Path(__file__).parent / "upper.py")


def trace(host: Hypervisor) -> tuple[Any, ...]:
    """All that a lab can leave, but for the kept probe of accelerators, which is no lab's."""
    seen = host.snapshot()
    links = {name: link for name, link in seen.links.items() if name != "wire"}
    files = {name: what for name, what in seen.files.items() if name != "accelerators.json"}
    processes = [line for line in seen.processes if "sshd" not in line]
    return links, processes, files, seen.domains


@pytest.mark.parametrize("user", ["root", "alice"])
@pytest.mark.parametrize("backend", ["qemu", "libvirt"])
def test_a_lab_on_another_host(guest: Path, tmp_path: Path, backend: str, user: str) -> None:
    assert guest.is_dir()
    with remote_site(tmp_path) as site:
        site.start_sshd(port=2222, user=user)
        site.knows(f"[{REMOTE}]:2222")
        site.remote.path("/etc/sudoers.d/rscvm").write_text("alice ALL=(root) NOPASSWD: /usr/bin/sh\n")
        site.remote.start_libvirtd()
        lab = tmp_path / "lab.yaml"
        lab.write_text(
            f"""version: 1
hosts:
  hv: {{address: {REMOTE}, port: 2222, user: {user}, sudo: {str(user != "root").lower()}, identity: id,
       known_hosts: known_hosts, bridges: {{br-lab: {{address: 10.9.0.1/24}}}}}}
machines:
"""
            + guest_machine(backend, "vm", nics="[{bridge: br-lab}]", more="host: hv")
        )
        before, here = trace(site.remote), trace(site.client)

        done = site.client.run([sys.executable, UPPER, str(lab)], timeout=240)

        assert done.returncode == 0, done.stderr.decode()
        assert json.loads(done.stdout) == {
            "verdicts": ["ready"],
            "again": [],
            "states": ["running"],
            "checked": ["ready"],
        }
        assert trace(site.remote) == before
        assert trace(site.client) == here
