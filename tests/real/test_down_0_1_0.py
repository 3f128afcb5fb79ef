"""What rscvm 0.1.0 left on a host comes down without a trace: machines that run, and an undo that it left armed.

0.1.0 is not here to leave it. Its leftovers are made of what was captured of it (tests/fixtures/rscvm-0.1.0): its
journals, its files' modes, its devices, its domains, and the command lines of the processes that it had started.
"""

from __future__ import annotations

import base64
import json
import re
import sys
import time
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from tests.real.demo_guest import GUEST
from tests.real.hypervisor import Hypervisor, Snapshot, wait_for

KEPT = Path(__file__).parent.parent / "fixtures" / "rscvm-0.1.0"
STATE = "/var/lib/rscvm"
UNDO = f"{STATE}/nic/undo"
BOOT = "/proc/sys/kernel/random/boot_id"

# 0.1.0 had its lab file in /srv/lab, which the machine that runs the tests keeps for itself.
PLACE = """
mount -t tmpfs tmpfs /srv
mkdir /srv/lab
cp -- "$GUEST/vmlinuz" "$GUEST/initrd.gz" "$KEPT/lab.yaml" "$KEPT/armed/nic.yaml" /srv/lab
qemu-img create -q -f qcow2 /srv/lab/base.qcow2 8M
ip link add nic0 type veth peer name far0
ethtool -K nic0 gro off
"""
WRITE = 'umask 066; mkdir -p "${1%/*}"; umask 077; cat >"$1"'
OVERLAY = 'umask 077; qemu-img create -q -f qcow2 -b /srv/lab/base.qcow2 -F qcow2 "$1"'
# In a session of its own, and with its number beside its undo before its time can have come.
ARM = 'umask 077; echo $$ | tee -- "$UNDO.pid"; exec "$@" </dev/null >/dev/null 2>&1'


def rscvm(host: Hypervisor, command: str, lab: str, *more: str) -> CompletedProcess[str]:
    done = host.run([sys.executable, "-m", "provision", command, lab, *more], timeout=240)
    return CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def gro(host: Hypervisor) -> bool:
    return bool(host.ethtool_features("nic0")["generic-receive-offload"]["active"])


def place(host: Hypervisor) -> None:
    """Where 0.1.0's lab files lay, and the NIC that they declare, as it was before."""
    host.output(["sh", "-ec", PLACE], env={"GUEST": str(GUEST), "KEPT": str(KEPT)})


def written(host: Hypervisor, path: str, text: str) -> None:
    """A file below the state directory, and its directory, with the modes that 0.1.0 gave them."""
    assert host.run(["sh", "-ec", WRITE, "sh", path], input=text.encode()).returncode == 0


def files(snapshot: Snapshot) -> list[str]:
    """What lies below the state directory, with its mode."""
    return [f"{kind.split()[0]} {path}" for path, kind in snapshot.files.items()]


def seen(host: Hypervisor) -> tuple[Snapshot, dict[str, Any]]:
    """The host, and how its NIC is set."""
    return host.snapshot(), host.ethtool_features("nic0")


def holds(host: Hypervisor, before: tuple[Snapshot, dict[str, Any]]) -> None:
    """The host is as it was, once the kernel has let go of the last process that was killed."""
    processes = before[0].processes
    wait_for(lambda: host.snapshot().processes == processes, time.monotonic() + 30, f"{processes} alone")
    assert seen(host) == before


def kept_journal() -> str:
    """The journal while all of its machines ran as the lab file has them."""
    (kept,) = (KEPT / "evidence" / "local").glob("sh-c-if-e-1-then-cat*")
    return kept.read_text()


def kept_qemu() -> list[str]:
    """The command line of the bare QEMU that it started."""
    (kept,) = (KEPT / "evidence" / "local").glob("sh-c-cat-proc_1_cmdline*")
    return base64.b64decode(kept.read_text().split("\t")[1]).decode().rstrip("\0").split("\0")


def device(host: Hypervisor, link: dict[str, Any]) -> None:
    """Make a bridge or TAP as 0.1.0 had made it: set up, marked, and where it was."""
    name, queue = link["ifname"], ["txqueuelen", str(link["txqlen"])]
    bridge = ["ip", "link", "add", "name", name, "address", link["address"], *queue, "type", "bridge"]
    tap = ["ip", "tuntap", "add", "dev", name, "mode", "tap", "vnet_hdr"]
    host.output([*bridge, "stp_state", "0", "forward_delay", "0"] if "master" not in link else tap)
    of_its_own = [] if link["addr_info"] else ["addrgenmode", "none"]
    master = ["master", link["master"]] if "master" in link else []
    host.output(["ip", "link", "set", "dev", name, "alias", link["ifalias"], *of_its_own, *master, "up"])
    for row in link["addr_info"]:
        if row["scope"] == "global":
            host.output(["ip", "address", "add", f"{row['local']}/{row['prefixlen']}", "dev", name])


def machines_left(host: Hypervisor) -> None:
    """What `up` of 0.1.0 left: a NIC that is set, bridges, a TAP, overlays, a bare QEMU and two domains that run."""
    host.output(["ethtool", "-K", "nic0", "gro", "on"])
    written(host, f"{STATE}/lab/journal.json", kept_journal())
    for link in json.loads((KEPT / "links.json").read_text()):
        if link.get("ifalias"):
            device(host, link)
    for machine in ("plain", "bare"):
        host.output(["sh", "-ec", OVERLAY, "sh", f"{STATE}/lab/{machine}-0.qcow2"])
    host.output(kept_qemu())
    for domain in ("plain", "rsc-dut"):
        host.virsh("define", str(KEPT / f"{domain}.inactive.xml"))
        host.virsh("start", domain)


def undo_left(host: Hypervisor, *, patience: str = "") -> int:
    """What `apply` of 0.1.0 left when it was killed at its setting, and its pid: an undo, and who waits to carry it out."""
    host.output(["ethtool", "-K", "nic0", "gro", "on"])
    written(host, f"{STATE}/nic/journal.json", (KEPT / "armed" / "journal.json").read_text())
    _, told = (KEPT / "armed" / "undo").read_text().split("\n", 1)
    written(host, UNDO, f"# {Path(BOOT).read_text()}{told}")
    *argv, seconds, group, start = json.loads((KEPT / "armed" / "process.json").read_text())
    process = [*argv, patience or seconds, group, start]
    return int(host.output(["setsid", "--fork", "sh", "-ec", ARM, "sh", *process], env={"UNDO": UNDO}))


def test_machines_of_each_backend_their_disks_and_their_bridges(with_libvirt: Hypervisor) -> None:
    host = with_libvirt
    place(host)
    before = seen(host)
    machines_left(host)
    there = host.snapshot()
    written(host, f"{STATE}/accelerators.json", (KEPT / "accelerators.json").read_text())

    plan = rscvm(host, "plan", "/srv/lab/lab.yaml", "--json")
    down = rscvm(host, "down", "/srv/lab/lab.yaml")

    assert files(there) == (KEPT / "files.txt").read_text().splitlines()
    assert there.domains == {"plain": "running", "rsc-dut": "running"}
    [planned] = json.loads(plan.stdout)["hosts"]
    # It is all there as 0.1.0 had made it, which gave libvirt's test TAPs no queue of their own.
    assert [step["what"] for step in planned["steps"]] == ["let 5ac28170-rsc-du queue 11000 packets"]
    assert down.returncode == 0, down.stderr
    holds(host, before)


def test_an_undo_that_it_left_armed_is_carried_out_and_gone(hypervisor: Hypervisor) -> None:
    place(hypervisor)
    before = seen(hypervisor)
    undo_left(hypervisor)

    down = rscvm(hypervisor, "down", "/srv/lab/nic.yaml")

    assert down.returncode == 0, down.stderr
    assert "an earlier run was cut off while it set local" in down.stderr
    holds(hypervisor, before)


def test_what_is_applied_anew_is_not_taken_back_by_it(hypervisor: Hypervisor) -> None:
    place(hypervisor)
    before = seen(hypervisor)
    waiting = undo_left(hypervisor)

    done = rscvm(hypervisor, "apply", "/srv/lab/nic.yaml")

    assert done.returncode == 0, done.stderr
    assert gro(hypervisor)
    wait_for(lambda: waiting not in hypervisor.processes(), time.monotonic() + 30, "its process's end")
    assert set(hypervisor.snapshot().files) == {"nic", "nic/journal.json"}
    assert rscvm(hypervisor, "down", "/srv/lab/nic.yaml").returncode == 0
    holds(hypervisor, before)


@pytest.mark.parametrize("cut_off", [False, True])
def test_an_undo_that_its_own_process_had_begun_or_ended(hypervisor: Hypervisor, *, cut_off: bool) -> None:
    """Nobody of this version is there when its time comes; where it is cut off, it had not put anything back."""
    place(hypervisor)
    before = seen(hypervisor)
    waiting = undo_left(hypervisor, patience="600" if cut_off else "0")
    if cut_off:
        hypervisor.output(["kill", "-9", "--", f"-{waiting}"])
        hypervisor.output(["mv", "--", UNDO, f"{UNDO}.firing"])
    else:
        wait_for(lambda: waiting not in hypervisor.processes(), time.monotonic() + 60, "its undo")
        assert "nic/undo.fired" in hypervisor.snapshot().files
        assert not gro(hypervisor)

    down = rscvm(hypervisor, "down", "/srv/lab/nic.yaml")

    assert down.returncode == 0, down.stderr
    holds(hypervisor, before)


def test_an_undo_of_its_name_that_is_somebody_elses_is_not_carried_out(hypervisor: Hypervisor) -> None:
    place(hypervisor)
    undo_left(hypervisor, patience="600")
    hypervisor.output(["chown", "65534", UNDO])

    down = rscvm(hypervisor, "down", "/srv/lab/nic.yaml")

    assert down.returncode == 3
    assert f"is not believed: {UNDO} belongs to uid 65534" in down.stderr
    assert gro(hypervisor)


def place_of_nic(xml: str) -> list[str]:
    """Where the one NIC of a domain is on the PCI bus."""
    return re.findall(r"<address type='pci'[^>]*>", xml[xml.index("<interface") : xml.index("</interface>")])


def kept_note(planned: CompletedProcess[str]) -> list[str]:
    """What a plan says that `plain` keeps."""
    [host] = json.loads(planned.stdout)["hosts"]
    return [note for note in host["notes"] if note.startswith("plain keeps")]


def test_its_machine_runs_on_and_is_defined_anew_only_when_it_is_asked_for(with_libvirt: Hypervisor) -> None:
    """As 0.1.0 made it, until `up --redefine`; its NIC stays where Windows knows it by."""
    host, lab = with_libvirt, "/srv/lab/lab.yaml"
    place(host)
    before = seen(host)
    machines_left(host)
    was = place_of_nic(host.virsh("dumpxml", "--inactive", "plain"))

    running = rscvm(host, "plan", lab, "plain", "--exit-code", "--json")
    too_soon = rscvm(host, "up", lab, "plain", "--redefine", "--wait", "60")
    host.virsh("destroy", "plain")
    started = rscvm(host, "up", lab, "plain", "--wait", "60")
    kept = host.virsh("dumpxml", "plain")
    host.virsh("destroy", "plain")
    anew = rscvm(host, "up", lab, "plain", "--redefine", "--wait", "60")
    now = host.virsh("dumpxml", "plain")
    again = rscvm(host, "plan", lab, "plain", "--exit-code", "--json")
    down = rscvm(host, "down", lab)

    assert running.returncode == 0, running.stdout
    assert "cpu/topology: nothing → sockets=1 cores=1 threads=1" in kept_note(running)[0]
    assert "only defined anew while it is off" in too_soon.stderr
    # Where it is not refused, `up` ends with 0 only where the NIC is ready.
    assert [too_soon.returncode, started.returncode, anew.returncode] == [3, 0, 0], started.stderr
    assert not re.search("<topology|<rng", kept)
    assert re.search("<topology sockets='1' dies='1' (clusters='1' )?cores='1' threads='1'/>", now)
    assert now.count("model='pcie-root-port'") >= 12
    assert (place_of_nic(kept), place_of_nic(now)) == (was, was)
    assert (again.returncode, kept_note(again)) == (0, []), again.stdout
    assert down.returncode == 0, down.stderr
    holds(host, before)
