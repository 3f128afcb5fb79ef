"""Domains as other people make them, without a lab file: XML by hand, under the libvirtd of a hypervisor host."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.real.demo_guest import CMDLINE, GUEST
from tests.real.hypervisor import wait_for
from tests.real.preloaded import rscvm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.real.hypervisor import Hypervisor

SYSTEM = "qemu:///system"
_BRIDGE = "<source bridge='br0'/>"

# udev's part for macvtap, whose device file libvirt opens: on a host of namespaces nobody else makes it. One process,
# without children that would be there at one look at the host and not at the next.
_UDEV = """
import os, stat, time
from contextlib import suppress
from pathlib import Path
for turn in range(6000):
    for number in Path("/sys/class/net").glob("*/tap*/dev"):
        with suppress(FileNotFoundError, FileExistsError):
            device = os.makedev(*map(int, number.read_text().split(":")))
            os.mknod(Path("/dev", number.parent.name), stat.S_IFCHR | 0o600, device)
    time.sleep(0.05)
"""


def interface(kind: str = "bridge", source: str = _BRIDGE, *, model: str = "virtio", more: str = "") -> str:
    """One `<interface>`."""
    return f"<interface type='{kind}'>{source}<model type='{model}'/>{more}</interface>"


def domain(name: str, *interfaces: str, switch: str = "", more: str = "", description: str = "") -> str:
    """A domain that boots the demo guest; `switch` is one of its kernel command line's."""
    return f"""<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>{name}</name>
  <description>{description}</description>
  <memory unit='MiB'>192</memory>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>{GUEST}/vmlinuz</kernel>
    <initrd>{GUEST}/initrd</initrd>
    <cmdline>{CMDLINE} {switch}</cmdline>
  </os>
  <features><acpi/></features>
  <devices>{"".join(interfaces)}<memballoon model='none'/></devices>
  {more}
</domain>
"""


def override(alias: str) -> str:
    """What asks for guest_rsc_ext under an alias."""
    return (
        f"<qemu:override><qemu:device alias='{alias}'><qemu:frontend>"
        "<qemu:property name='guest_rsc_ext' type='bool' value='true'/>"
        "</qemu:frontend></qemu:device></qemu:override>"
    )


def define(host: Hypervisor, xml: str) -> None:
    """Define a domain."""
    with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
        file.write(xml)
        file.flush()
        host.virsh("define", file.name)


def check(host: Hypervisor, *arguments: str, timeout: float = 120) -> tuple[int, dict[str, Any], str]:
    """Exit status, NICs by `machine.nic`, and stderr of `check --connect`."""
    done = rscvm(host, "check", "--connect", SYSTEM, "--json", *arguments, timeout=timeout)
    nics = json.loads(done.stdout).get("nics", []) if done.stdout else []
    return done.returncode, {f"{nic['machine']}.{nic['nic']}": nic for nic in nics}, done.stderr


def causes(nics: dict[str, Any]) -> dict[str, str]:
    """The top cause of each NIC, or its verdict where it has none."""
    return {name: nic["cause"] or nic["verdict"] for name, nic in nics.items()}


def settled(
    host: Hypervisor, wanted: dict[str, str], *arguments: str, seconds: float = 150
) -> dict[str, Any]:
    """The NICs once every one of them shows what is wanted of it, or as they were at the deadline."""
    deadline = time.monotonic() + seconds
    last: dict[str, Any] = {}

    def there() -> bool:
        last.update(check(host, *arguments)[1])
        return time.monotonic() > deadline or wanted.items() <= causes(last).items()

    wait_for(there, deadline + 60, "verdicts")
    return last


def until(predicate: Callable[[], Any], what: str, seconds: float = 60) -> None:
    """Wait for something on the host."""
    wait_for(predicate, time.monotonic() + seconds, what)


@contextmanager
def networks(host: Hypervisor) -> Iterator[None]:
    """What the domains are attached to: a bridge, a veth to put macvtaps on, and a libvirt network without address."""
    host.output(["ip", "link", "add", "br0", "up", "type", "bridge"])
    host.output(["ip", "address", "add", "10.9.0.1/24", "dev", "br0"])
    host.output(["ip", "link", "add", "ve0", "up", "type", "veth", "peer", "name", "ve1"])
    host.output(["ip", "link", "set", "ve1", "up"])
    host.output(
        ["ip", "link", "add", "link", "ve0", "name", "mvt0", "up", "type", "macvtap", "mode", "bridge"]
    )
    host.output(["ip", "address", "add", "10.8.0.1/24", "dev", "ve1"])
    # Without STP, which would go on changing the bridge's state for 25 s after the last machine's start.
    network = "<network><name>lonely</name><bridge name='virbr7' stp='off'/></network>"
    with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
        file.write(network)
        file.flush()
        host.virsh("net-create", file.name)
    udev = subprocess.Popen([*host.entering(), sys.executable, "-c", _UDEV], start_new_session=True)
    try:
        yield
    finally:
        udev.kill()
        udev.wait()


@contextmanager
def sending(host: Hypervisor, address: str) -> Iterator[None]:
    """A TCP stream from the host to a guest that runs iperf3, for the block's time."""
    deadline = time.monotonic() + 60
    stream = wait_for(lambda: _stream(host, address), deadline, f"a stream to {address}")
    assert stream is not None
    begun = _sent(host)
    try:
        wait_for(lambda: _sent(host) > begun + (4 << 20), deadline, f"a stream to {address} that flows")
        yield
        assert stream.poll() is None, "iperf3 ended before it was looked at"
    finally:
        host.run(["pkill", "-x", "iperf3"])  # nsenter's child; a signal to nsenter itself would not reach it
        stream.wait()


def _sent(host: Hypervisor) -> int:
    """Bytes that the host's devices have sent, all together."""
    counters = host.output(["sh", "-c", "cat /sys/class/net/*/statistics/tx_bytes"])
    return sum(int(line) for line in counters.split())


def _stream(host: Hypervisor, address: str) -> subprocess.Popen[bytes] | None:
    """A stream that has begun; None where the server is still busy with the one before."""
    argv = ["iperf3", "--client", address, "--time", "120", "--interval", "0", "--connect-timeout", "5000"]
    stream = subprocess.Popen([*host.entering(), *argv], stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        stream.wait(2)
    except subprocess.TimeoutExpired:
        return stream
    return None
