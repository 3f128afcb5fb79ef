"""A TCP stream that nobody coalesces, to one guest alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.real.domains import causes, check, define, domain, interface, networks, sending, until

if TYPE_CHECKING:
    from tests.real.hypervisor import Hypervisor

pytestmark = pytest.mark.real


def test_frames_of_mtu_size_are_observed_and_named(with_libvirt: Hypervisor) -> None:
    host = with_libvirt
    with networks(host):
        define(host, domain("sink", interface(), switch="rsc.ip=10.9.0.2/24"))
        host.virsh("start", "sink")
        until(lambda: host.run(["ping", "-c", "1", "-W", "1", "10.9.0.2"]).returncode == 0, "the guest")
        host.output(["ethtool", "-K", "br0", "tso", "off", "gso", "off"])
        with sending(host, "10.9.0.2"):
            until(
                lambda: causes(check(host, "--observe", "2", "sink")[1])["sink.net0"] == "not-coalesced",
                "frames of MTU size",
            )
