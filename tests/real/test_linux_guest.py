"""A real Linux guest is asked by the script that rscvm has for it, and tells what its NICs really are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from provision.facts.guest import FamilyRsc, GuestFacts
from provision.facts.linux_guest import parse_linux_guest
from provision.render.guest_scripts import ask_linux
from tests.real.asked_guests import AskedGuest
from tests.real.demo_guest import CMDLINE
from tests.real.hypervisor import Hypervisor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.real

AGENT = "/run/agent.sock"
WHOLE, CUT = "52:54:00:00:00:01", "52:54:00:00:00:02"


@pytest.fixture(scope="module")
def host(guest: Path) -> Iterator[AskedGuest]:
    nics = []
    for name, mac, more in (("t0", WHOLE, ""), ("t1", CUT, ",guest_tso4=off,guest_tso6=off")):
        nics += ["-netdev", f"tap,id={name},ifname={name},script=no,downscript=no"]
        nics += ["-device", f"virtio-net-pci,netdev={name},mac={mac}{more}"]
    boot = ["-kernel", f"{guest}/vmlinuz", "-initrd", f"{guest}/initrd", "-append", CMDLINE]
    agent = ["-device", "virtio-serial", "-chardev", f"socket,id=a,path={AGENT},server=on,wait=off"]
    agent += ["-device", "virtserialport,chardev=a,name=org.qemu.guest_agent.0"]
    with Hypervisor() as host:
        machine = ["-machine", "q35,accel=tcg", "-m", "192", "-nodefaults", "-display", "none"]
        host.output(["qemu-system-x86_64", *machine, *boot, *nics, *agent, "-daemonize"])
        found = AskedGuest(host, {"kind": "agent", "socket": AGENT})
        found.until_asked()
        yield found


def asked(host: AskedGuest) -> GuestFacts:
    return parse_linux_guest(str(host.ran(ask_linux().text)["out"]))


def rsc(guest: GuestFacts, mac: str) -> FamilyRsc:
    adapter = guest.adapter(mac)
    assert adapter is not None
    assert adapter.rsc["ipv4"] == adapter.rsc["ipv6"]
    return adapter.rsc["ipv4"]


def test_a_linux_guest_tells_its_nics_and_what_each_has_taken(host: AskedGuest) -> None:
    guest = asked(host)

    assert guest.system == "linux"
    assert guest.version[:2] >= (6, 1)
    assert guest.processors == 1
    assert guest.troubles == ()
    assert rsc(guest, WHOLE) == FamilyRsc(enabled=True, supported=True, switch="rx-gro-hw")
    assert rsc(guest, CUT).enabled is False
    assert {each.description for each in guest.adapters} == {"virtio_net"}
    found = guest.adapter(WHOLE)
    assert found is not None
    assert found.forwarding == {"ipv4": False, "ipv6": False}


def test_what_was_switched_off_there_is_told(host: AskedGuest) -> None:
    name = next(each.name for each in asked(host).adapters if each.mac == WHOLE)
    try:
        host.ran(f"ethtool -K {name} rx-gro-hw off; echo 1 >/proc/sys/net/ipv4/conf/{name}/forwarding")
        guest = asked(host)
    finally:
        host.ran(f"ethtool -K {name} rx-gro-hw on; echo 0 >/proc/sys/net/ipv4/conf/{name}/forwarding")

    assert rsc(guest, WHOLE) == FamilyRsc(enabled=False, supported=True, switch="rx-gro-hw")
    found = guest.adapter(WHOLE)
    assert found is not None
    assert found.forwarding == {"ipv4": True, "ipv6": False}


def test_a_nic_is_found_by_the_address_that_its_host_gave_it(host: AskedGuest) -> None:
    name = next(each.name for each in asked(host).adapters if each.mac == WHOLE)
    try:
        host.ran(f"ip link set {name} address 02:00:00:00:00:07")
        guest = asked(host)
    finally:
        host.ran(f"ip link set {name} address {WHOLE}")

    assert guest.adapter(WHOLE) is not None
