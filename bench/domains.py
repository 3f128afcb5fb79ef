"""`check --connect` on 1, 10 and 100 running domains, against the raw calls that it cannot do without."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import libvirt
import libvirt_qemu

from bench.compare import Figure, in_turn, seconds
from provision.api import check_domains
from provision.host.read.processes import QEMUS
from tests.real.domains import define
from tests.real.hypervisor import Hypervisor

if TYPE_CHECKING:
    from collections.abc import Callable

SIZES = (1, 10, 100)
GOAL = 1.5
_URI = "qemu:///system"
_PROPERTIES = ("guest_csum", "guest_tso4", "guest_tso6", "guest_rsc_ext")
_XML = """<domain type='qemu'>
  <name>vm{}</name>
  <memory unit='MiB'>16</memory>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <devices>
    <interface type='bridge'><source bridge='br0'/><model type='virtio'/></interface>
    <memballoon model='none'/>
  </devices>
</domain>
"""


def _questions() -> list[dict[str, Any]]:
    """What check asks the monitor of a domain with one NIC."""
    device = "/machine/peripheral/net0"
    asked = [{"execute": "qom-get", "arguments": {"path": device, "property": name}} for name in _PROPERTIES]
    status = {"execute": "x-query-virtio-status", "arguments": {"path": f"{device}/virtio-backend"}}
    return [*asked, status, {"execute": "x-query-virtio"}]


def _walked() -> None:
    """What /proc says of every QEMU: the very commands that check runs, in a shell of their own."""
    subprocess.run(QEMUS.run.argv, capture_output=True, check=True)


def _read_in_process() -> None:
    """The same, read by this process, as only a program on that very host could."""
    for process in Path("/proc").glob("[1-9]*"):
        with suppress(OSError):
            if "qemu-system" not in str((process / "exe").readlink()):
                continue
            for name in ("cmdline", "status", "stat"):
                (process / name).read_bytes()
            for namespace in (process / "ns").iterdir():
                namespace.readlink()
            for descriptor in (process / "fd").iterdir():
                if descriptor.readlink().name == "tun":
                    (process / "fdinfo" / descriptor.name).read_bytes()


def _raw(held: Callable[[], None]) -> float:
    """The calls themselves, one after another: nothing is parsed, and nothing is judged."""

    def ask() -> None:
        connection = libvirt.open(_URI)
        flags = libvirt.VIR_DOMAIN_STATS_STATE | libvirt.VIR_DOMAIN_STATS_INTERFACE
        for domain, _ in connection.getAllDomainStats(flags, 0):
            domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
            for question in _questions():
                libvirt_qemu.qemuMonitorCommand(domain, json.dumps(question), 0)
        subprocess.run(["ethtool", "--json", "-k", "*"], capture_output=True, check=True)
        subprocess.run(["ip", "-json", "-details", "-stats", "address"], capture_output=True, check=True)
        held()
        connection.close()

    return seconds(ask)


def _ours(size: int) -> float:
    def ask() -> None:
        if len(check_domains(_URI)) != size:
            raise RuntimeError("not every NIC was judged")

    return seconds(ask)


def rounds(size: int, times: int) -> tuple[tuple[float, ...], ...]:
    """Seconds of the raw calls, with either reading of /proc, and of ours, in a process that has imported all."""
    return in_turn(times, lambda: _raw(_walked), lambda: _raw(_read_in_process), lambda: _ours(size))


def measure_domains(times: int) -> list[Figure]:
    """Measure with more and more domains: paused before their first instruction, which costs no processor."""
    figures: list[Figure] = []
    with Hypervisor() as host:
        host.start_libvirtd()
        host.output(["ip", "link", "add", "br0", "up", "type", "bridge"])
        made = 0
        for size in SIZES:
            for number in range(made, size):
                define(host, _XML.format(number))
                host.virsh("start", f"vm{number}", "--paused")
            made = size
            said = host.output([sys.executable, "-m", "bench.domains", str(size), str(times)])
            walked, in_process, ours = (tuple(side) for side in json.loads(said))
            title = f"`check --connect`, {size} domain{'s' if size > 1 else ''}, beyond imports"
            calls = "bulk stats, definitions, the QMP calls, dumps of ethtool and ip, /proc of each QEMU"
            figures += [
                Figure(title, f"{calls} by the same commands", walked, ours, GOAL),
                Figure(title, f"{calls} by Python in the same process", in_process, ours),
            ]
    return figures


if __name__ == "__main__":
    print(json.dumps(rounds(int(sys.argv[1]), int(sys.argv[2]))))
