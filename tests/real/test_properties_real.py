"""A sample of accepted lab files under the programs that read them: libvirt's schema, and QEMU started paused."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import Phase, given, settings

from provision.lab.spec import Lab, Nic
from provision.render.machine import domain_xml, qemu_argv
from provision.render.view import Choices, MachineView, machine_view
from provision.tables.offloads import BY_NAME
from tests.real.hypervisor import Hypervisor
from tests.strategies import bounded, lab_files, loaded

STARTED = 12
CHOICES = Choices(kvm=False, vhost=False)

READ = """
import json, sys
from provision.edges.qmp import QmpSocket
from provision.runtime.places import ANYBODY
found = {}
with QmpSocket(sys.argv[1], ANYBODY) as qmp:
    for alias in sys.argv[2:]:
        path = "/machine/peripheral/" + alias
        names = [row["name"] for row in qmp.execute("qom-list", {"path": path}) if row["type"].partition("<")[0] not in ("child", "link")]
        found[alias] = {name: qmp.execute("qom-get", {"path": path, "property": name}) for name in names}
    found["status"] = qmp.execute("query-status")["status"]
print(json.dumps(found))
"""
END = 'kill "$(cat "$1")" && while [ -e "$1" ]; do sleep 0.02; done'


def sample(examples: int) -> list[dict[str, Any]]:
    """The same lab files in every run."""
    found: list[dict[str, Any]] = []

    @settings(bounded(examples), phases=[Phase.generate])
    @given(lab_files(most_labs=0))
    def collect(data: dict[str, Any]) -> None:
        found.append(data)

    collect()
    return found


def views(data: dict[str, Any], choices: Choices | None = None) -> Iterator[MachineView]:
    lab = loaded(data)
    return (machine_view(lab, name, choices) for name in lab.machines)


def test_a_sample_of_domains_passes_libvirts_schema(tmp_path: Path) -> None:
    every = (view for data in sample(60) if data["machines"] for view in views(data))
    # Backend qemu may have images that libvirt does not know; those of backend libvirt are refused.
    accepted = [
        view for view in every if not any(disk.effective_format == "vhdx" for disk in view.spec.disks)
    ][-STARTED:]
    assert len(accepted) == STARTED
    for view in accepted:
        path = tmp_path / "domain.xml"
        path.write_text(domain_xml(view), encoding="utf-8")
        argv = ["virt-xml-validate", str(path), "domain"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)

        assert done.returncode == 0, done.stdout + done.stderr + path.read_text()


def startable(files: list[dict[str, Any]], directory: Path) -> Iterator[tuple[Lab, str]]:
    """Machines with one or two NICs, made small enough to start; their state lies under a hostile name all the same."""
    for data in files:
        for name, machine in data["machines"].items():
            machine |= {
                "host": "local",
                "accel": "tcg",
                "memory": "64MiB",
                "vcpus": 1,
                "cpu": {},
                "disks": [],
                "cdroms": [],
            }
            machine |= {"tpm": False, "firmware": "bios", "ask": [], "machine": "q35"}
            machine.pop("kernel", None)
            machine["nics"] = [nic for nic in machine["nics"] if not {"macvtap", "network"} & nic.keys()][-2:]
            for nic in machine["nics"]:
                nic.update({"vhost": "auto"} if "vhost" in nic else {})  # this host has no vhost-net
            if machine["nics"]:
                state = str(directory / "a,b 'c\" <&> $(id)")
                yield loaded({**data, "machines": {name: machine}, "state_dir": state}), name


def started(host: Hypervisor, view: MachineView) -> dict[str, Any]:
    """What QMP says of the NICs of a machine that is started paused, and ended again."""
    taps = [nic.spec for nic in view.nics if nic.backend.netdev == "tap"]
    host.output(["mkdir", "-p", view.paths.directory])
    for nic in taps:
        flags = ["multi_queue"] if nic.queues > 1 else []
        host.output(["ip", "tuntap", "add", "dev", nic.ifname, "mode", "tap", "vnet_hdr", *flags])
    try:
        host.output([*qemu_argv(view), "-daemonize", "-S"])
        try:
            aliases = [nic.alias for nic in view.nics]
            found: dict[str, Any] = json.loads(
                host.output([sys.executable, "-c", READ, view.socket("qmp"), *aliases])
            )
        finally:
            host.output(["sh", "-c", END, "sh", view.paths.pidfile(view.name)])
    finally:
        for nic in taps:
            host.output(["ip", "link", "del", nic.ifname])
    return found


def asked(nic: Nic) -> dict[str, Any]:
    """The device's properties as the lab file has them."""
    wanted: dict[str, Any] = {"mac": nic.mac}
    if nic.model == "virtio":
        wanted |= dict.fromkeys(("guest_csum", "guest_tso4", "guest_tso6"), nic.profile != "false")
        wanted |= {**nic.offloads, "guest_rsc_ext": nic.profile == "hck", "mq": nic.queues > 1}
        wanted |= {"rx_queue_size": nic.rx_queue_size} if nic.rx_queue_size else {}
        wanted |= {"host_mtu": nic.mtu} if nic.mtu and nic.model == "virtio" else {}
    return wanted | ({"rsc_interval": nic.interval} if nic.profile == "hck" else {})


@pytest.fixture(scope="module")
def host() -> Iterator[Hypervisor]:
    with Hypervisor() as made:
        yield made


def unknown_here(lab: Lab, name: str) -> bool:
    """What only newer QEMUs have (USO since 8.1, tunnels since 10.2) another says it has not, when it is asked for it."""
    nics = lab.machines[name].nics
    return any(not BY_NAME[offload].everywhere for nic in nics for offload in nic.offloads)


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A directory whose name leaves room for that of a socket, which is short of 108 bytes."""
    with TemporaryDirectory(prefix="rscvm-") as directory:
        yield Path(directory)


def test_a_sample_of_command_lines_starts_with_the_nics_that_were_asked_for(
    host: Hypervisor, short_path: Path
) -> None:
    labs = [row for row in startable(sample(120), short_path) if not unknown_here(*row)][-STARTED:]
    assert len(labs) == STARTED
    for lab, name in labs:
        view = machine_view(lab, name, CHOICES)
        found = started(host, view)

        assert found["status"] in ("prelaunch", "paused")
        for nic in view.nics:
            wanted = asked(nic.spec)
            assert {key: found[nic.alias].get(key) for key in wanted} == wanted, nic.spec
