"""The two backends make the same NIC: every property of the device, read by QMP from paused machines."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from provision.host.plan.resolved import daemon_argv
from provision.lab.file import read_lab
from provision.render.machine import domain_xml
from provision.render.view import Choices, machine_view
from tests.real.conftest import HEAD, guest_machine
from tests.real.hypervisor import Hypervisor

if TYPE_CHECKING:
    from pathlib import Path

# What differs by nature: where the device sits, and what its netdev is called.
BY_NATURE = {"addr", "legacy-addr", "netdev", "parent_bus"}
CHOICES = Choices(kvm=False, vhost=False)

READ = """
import json, sys
from provision.edges.qmp import QmpSocket
from provision.runtime.places import ANYBODY
with QmpSocket(sys.argv[1], ANYBODY) as qmp:
    path = "/machine/peripheral/" + sys.argv[2]
    rows = [row for row in qmp.execute("qom-list", {"path": path}) if row["type"].partition("<")[0] not in ("child", "link")]
    print(json.dumps({row["name"]: qmp.execute("qom-get", {"path": path, "property": row["name"]}) for row in rows}))
"""

NICS = {
    "plain": "[{bridge: br-lab}]",
    "queues": "[{bridge: br-lab, queues: 2, rx_queue_size: 1024, mtu: 1400}]",
    "false": "[{bridge: br-lab, rsc: false}]",
    "hck": "[{bridge: br-lab, rsc: hck, rsc_interval: 50000}]",
    "said": "[{bridge: br-lab, offloads: {guest_tso6: off, host_ufo: off, mrg_rxbuf: off, ctrl_guest_offloads: off}}]",
    "e1000e": "[{bridge: br-lab, model: e1000e}]",
    "user": "[{user: true, rsc: false}]",
}


def properties_of_process(host: Hypervisor, path: Path) -> dict[str, Any]:
    lab = read_lab(str(path))
    view = machine_view(lab, "vm", CHOICES)
    host.output(["mkdir", "-p", view.paths.directory])
    for nic in view.nics:
        if nic.backend.netdev == "tap":
            flags = ["multi_queue"] if nic.spec.queues > 1 else []
            host.output(["ip", "tuntap", "add", "dev", nic.spec.ifname, "mode", "tap", "vnet_hdr", *flags])
    host.output([*daemon_argv(view), "-S"])
    try:
        text = host.output([sys.executable, "-c", READ, view.socket("qmp"), view.nics[0].alias])
    finally:
        host.output(
            [
                "sh",
                "-c",
                'kill "$(cat "$1")" && while [ -e "$1" ]; do sleep 0.05; done',
                "sh",
                view.paths.pidfile("vm"),
            ]
        )
        for nic in view.nics:
            if nic.backend.netdev == "tap":
                host.output(["ip", "link", "del", nic.spec.ifname])
    found: dict[str, Any] = json.loads(text)
    return found


def properties_of_domain(host: Hypervisor, path: Path) -> dict[str, Any]:
    lab = read_lab(str(path))
    view = machine_view(lab, "vm", CHOICES)
    xml = path.with_suffix(".xml")
    xml.write_text(domain_xml(view))
    host.virsh("define", "--validate", str(xml))
    host.virsh("start", "--paused", "vm")

    def ask(command: str, **arguments: str) -> Any:
        question = json.dumps({"execute": command, "arguments": arguments})
        return json.loads(host.virsh("qemu-monitor-command", "vm", question))["return"]

    at = f"/machine/peripheral/{view.nics[0].alias}"
    try:
        rows = [
            row for row in ask("qom-list", path=at) if row["type"].partition("<")[0] not in ("child", "link")
        ]
        return {row["name"]: ask("qom-get", path=at, property=row["name"]) for row in rows}
    finally:
        host.virsh("destroy", "vm")
        host.virsh("undefine", "vm")


@pytest.fixture(scope="module")
def host(guest: Path) -> Any:
    assert guest.is_dir()
    with Hypervisor() as made:
        made.start_libvirtd()
        made.output(["ip", "link", "add", "br-lab", "type", "bridge"])
        yield made


@pytest.mark.parametrize("kind", NICS)
def test_both_backends_make_the_same_nic(host: Hypervisor, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "lab.yaml"
    more = "purpose: hck" if kind == "hck" else ""
    path.write_text(HEAD + guest_machine("qemu", "vm", nics=NICS[kind], more=more))

    process, domain = properties_of_process(host, path), properties_of_domain(host, path)

    different = {
        name: (process.get(name), domain.get(name))
        for name in process.keys() | domain.keys()
        if process.get(name) != domain.get(name)
    }
    assert len(process) > 20
    assert not different.keys() - BY_NATURE, different
