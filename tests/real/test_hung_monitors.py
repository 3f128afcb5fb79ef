"""Domains whose QEMU does not answer: each costs its deadline once, and none of the others its verdict."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.real.domains import check, define, domain, interface

if TYPE_CHECKING:
    from tests.real.hypervisor import Hypervisor

pytestmark = pytest.mark.real

NAMES = [f"vm{number}" for number in range(9)]
HUNG = NAMES[:6]
"""More than libvirtd takes of one connection at a time."""


def pids(host: Hypervisor) -> list[str]:
    found = {
        word.partition("guest=")[2].partition(",")[0]: str(pid)
        for pid, argv in host.processes().items()
        for word in argv
        if word.startswith("guest=")
    }
    return [found[name] for name in HUNG]


def test_monitors_that_hang_stop_no_other_and_are_not_asked_again(with_libvirt: Hypervisor) -> None:
    host = with_libvirt
    host.output(["ip", "link", "add", "br0", "up", "type", "bridge"])
    for name in NAMES:
        define(host, domain(name, interface(), interface()))
        host.virsh("start", name, "--paused")
    stopped = pids(host)
    host.output(["kill", f"-{signal.SIGSTOP.value}", *stopped])
    try:
        first, second = check(host), check(host)
        machines = host.virsh("list", "--name").split()
    finally:
        host.output(["kill", f"-{signal.SIGCONT.value}", *stopped])

    for status, nics, errors in (first, second):
        assert status == 4
        assert {line.partition(":")[0] for line in errors.splitlines()} <= {
            "asking the machines of this host"
        }
        assert {name.partition(".")[0] for name in nics} == set(NAMES)
        for name, nic in nics.items():
            hung = name.partition(".")[0] in HUNG
            assert nic["verdict"] == "unknown"
            assert (nic["cause"] == "machine-paused") is not hung, (name, nic["seen"])
    assert len(first[1]) == 2 * len(NAMES)
    assert "did not answer" in first[1]["vm0.net0"]["seen"]
    untold = second[1].get("vm0.unknown")  # a libvirt that waits for the monitor does not tell the XML either
    assert "has not answered somebody" in (untold or second[1]["vm0.net0"])["seen"]
    assert set(machines) == set(NAMES)  # libvirtd itself still serves others
