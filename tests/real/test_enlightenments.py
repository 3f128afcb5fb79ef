"""Hyper-V's enlightenments under the programs that read them, and what a host without KVM is asked and gives."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from provision.facts.hyperv import parse_cpu_expansion, parse_domain_capabilities, parse_tsc_frequency
from provision.host.plan.domain_drift import edits
from provision.host.read.enlightenments import EnlightenmentQuestions
from provision.render.machine import domain_xml
from tests.builders import FakeEdges
from tests.hyperv_hosts import HOSTS, TSC, view_on, windows
from tests.real.conftest import Lab
from tests.real.demo_guest import CMDLINE, GUEST
from tests.real.hypervisor import Hypervisor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.real

LAB = """version: 1
hosts: {local: {bridges: {br-lab: {}}}}
machines:
  dom: &machine
    backend: libvirt
    guest: windows
    nested: true
    memory: 128MiB
    accel: auto
    kernel: {image: GUEST/vmlinuz, initrd: GUEST/initrd, cmdline: "CMDLINE"}
    nics: [{bridge: br-lab}]
  bare:
    <<: *machine
    backend: qemu
"""


@pytest.fixture(scope="module")
def host(guest: Path) -> Iterator[Hypervisor]:
    """One host for all: each test leaves it as it was."""
    assert guest.is_dir()
    with Hypervisor() as host:
        host.start_libvirtd()
        yield host


def test_where_kvm_is_of_no_use_both_backends_get_none_and_run(host: Hypervisor, tmp_path: Path) -> None:
    path = tmp_path / "lab.yaml"
    path.write_text(LAB.replace("GUEST", str(GUEST)).replace("CMDLINE", CMDLINE))
    there = Lab(host, path)

    up = there.run("up", "--no-check")
    lines = [" ".join(words) for words in host.processes().values() if "guest=" in " ".join(words)]
    again = there.run("plan", "--exit-code", "--json")
    defined = host.virsh("dumpxml", "--inactive", "dom")
    down = there.run("down")

    assert up.returncode == 0, up.stderr
    assert "Hyper-V" not in up.stderr
    assert len(lines) == 2
    assert not [line for line in lines if "hv-" in line or "vmx=" in line]
    assert not re.search("<hyperv|<feature p", defined)
    assert again.returncode == 0, again.stdout
    assert down.returncode == 0


@pytest.mark.parametrize(("accelerator", "status"), [("tcg", 0), ("kvm", 1)])
def test_the_question_to_qemu_is_one_that_it_understands(
    host: Hypervisor, accelerator: str, status: int
) -> None:
    """TCG has no Hyper-V, and says so as a KVM without it does; without /dev/kvm there is nobody to ask."""
    [question, _] = EnlightenmentQuestions(FakeEdges(), windows("qemu"), "local", {"vm": "qemu-system-x86_64"}).questions  # fmt: skip
    argv = [accelerator if word == "kvm" else word for word in question.run.argv]

    done = host.run(argv, input=question.run.stdin.encode())

    assert done.returncode == status, done.stderr
    if status == 0:
        assert parse_cpu_expansion(done.stdout.decode()) == frozenset()
        assert b'"hv-relaxed": false' in done.stdout
    else:
        assert b"kvm" in done.stderr.lower()


def test_libvirt_tells_what_it_can_as_it_is_read(host: Hypervisor) -> None:
    """With domains of type qemu: of those its Hyper-V is none, and they have the host's capabilities beside them."""
    ask = "import json; from provision.edges.libvirt.connection import Libvirt; print(json.dumps(Libvirt('qemu:///system').capabilities('qemu', 'q35')))"

    domains, there = json.loads(host.output([sys.executable, "-c", ask]))

    assert parse_domain_capabilities(domains) == frozenset()
    told = parse_tsc_frequency(there)
    assert told is None or f"frequency='{told}'" in there


def test_a_libvirt_accepts_all_that_one_of_its_version_names_and_keeps_it(
    host: Hypervisor, tmp_path: Path
) -> None:
    """As domains of type qemu: this libvirtd has no KVM, and needs none to define them."""
    [here] = re.findall(r"Using library: libvirt ([0-9]+)[.]([0-9]+)", host.virsh("version"))
    composed = {name: re.match(r"([0-9]+)[.]([0-9]+)", name) for name in HOSTS}
    known = [name for name, of in composed.items() if of and [*map(int, of.groups())] <= [*map(int, here)]]
    assert known
    for at, name in enumerate(known):
        view = view_on(replace(HOSTS[name], tsc=TSC), windows("libvirt", nested=True))
        path = tmp_path / f"{at}.xml"
        text = domain_xml(view).replace('type="kvm"', 'type="qemu"')
        path.write_text(text.replace('mode="host-passthrough"', 'mode="maximum"'))
        host.virsh("define", "--validate", str(path))

        assert edits(path.read_text(), host.virsh("dumpxml", "--inactive", "vm")) == ()
        for row in view.enlightenments:
            assert (row.timer or f"<{row.tag} state='on'") in host.virsh("dumpxml", "--inactive", "vm")
        host.virsh("undefine", "--nvram", "vm")
