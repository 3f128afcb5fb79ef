"""A host with bridges of Open vSwitch's as plain data, and a machine on them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from provision.facts.ip import Link
from provision.facts.ovs import OvsBridge, OvsPort, OvsRead
from provision.host.plan.steps import Step
from provision.host.state import HostState
from provision.lab.spec import Lab
from provision.runtime.command import Run
from tests.builders import lab_of
from tests.hosts import EMPTY

PORTS = {"eth1": OvsPort(), "ovsbr0": OvsPort()}


def bare(nic: str, backend: str = "qemu") -> Lab:
    """The machine of `tests.hosts.running`, with another NIC."""
    text = f"""\
version: 1
hosts: {{local: {{bridges: {{br-lab: {{address: 10.9.0.1/24}}}}}}}}
machines:
  vm:
    backend: {backend}
    guest: linux
    memory: 192MiB
    accel: tcg
    kernel: {{image: /srv/vmlinuz, initrd: /srv/initrd.gz}}
    nics: [{{{nic}}}]
"""
    return lab_of(text)


def link(name: str, kind: str = "openvswitch", master: str = "", **more: Any) -> Link:
    return Link(name, kind, "", up=True, mtu=1500, master=master, **more)


DATAPATH = {"ovs-system": link("ovs-system"), "ovsbr0": link("ovsbr0"), "br0": link("br0", "bridge")}


def with_ovs(found: HostState = EMPTY, trouble: str = "", **ports: OvsPort) -> HostState:
    """The host with two bridges of Open vSwitch's, and these ports beside those of ovsbr0."""
    bridges = {"ovsbr0": OvsBridge(ports={**PORTS, **ports}), "ovsbr1": OvsBridge()}
    return replace(found, links={**found.links, **DATAPATH}, ovs=OvsRead(bridges, trouble))


def words(step: Step) -> list[str]:
    """What a step runs, scripts by their first words and their arguments."""
    argvs = (run.argv for run in step.do if isinstance(run, Run))
    return [" ".join(argv[4:] if argv[:2] == ("sh", "-c") else argv) for argv in argvs]
