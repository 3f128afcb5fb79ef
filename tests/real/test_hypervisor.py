"""What the other tests of real hosts rely on: a hypervisor of namespaces is a whole host, and only that host."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.real.hypervisor import Hypervisor, wait_for

pytestmark = pytest.mark.real

DOMAIN = """\
<domain type='qemu'>
  <name>guest</name>
  <memory unit='MiB'>32</memory>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <devices>
    <interface type='bridge'>
      <source bridge='br0'/>
      <target dev='tap0'/>
      <model type='virtio'/>
      <alias name='ua-nic'/>
    </interface>
    <memballoon model='none'/>
  </devices>
</domain>
"""

QUERY_NIC = {
    "execute": "x-query-virtio-status",
    "arguments": {"path": "/machine/peripheral/ua-nic/virtio-backend"},
}

LEFT_BY_A_KILLED_RUN = """
import time
from tests.real.hypervisor import Hypervisor

with Hypervisor() as host:
    host.start_libvirtd()
    print(host.pid, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def host() -> Iterator[Hypervisor]:
    with Hypervisor() as host:
        yield host


@pytest.fixture(scope="module")
def libvirt_host() -> Iterator[Hypervisor]:
    with Hypervisor() as host:
        host.start_libvirtd()
        yield host


def outer_host() -> dict[str, object]:
    """What of the machine itself a leak would change."""
    links = subprocess.run(["ip", "-json", "link"], check=True, capture_output=True).stdout
    libvirt_files = [path for path in sorted(Path("/etc/libvirt").rglob("*")) if path.is_file()]
    return {
        "links": sorted(link["ifname"] for link in json.loads(links)),
        "mounts": Path("/proc/mounts").read_text(),
        "libvirt": {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in libvirt_files},
        "run": sorted(Path("/run").iterdir()),
        "state": sorted(Path("/var/lib").iterdir()),
    }


def processes_in(pid_namespace: str) -> list[str]:
    """The PIDs outside of all that lives in a PID namespace."""
    found = []
    for process in Path("/proc").glob("[1-9]*"):
        # One that ended meanwhile is not in there, nor is one that root may not look at.
        with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            if str((process / "ns/pid").readlink()) == pid_namespace:
                found.append(process.name)
    return found


def pid_namespace_of(pid: int) -> str:
    """The PID namespace of the host whose `pid` this is."""
    return str(Path(f"/proc/{pid}/ns/pid_for_children").readlink())


def test_nothing_of_the_outer_host_changes() -> None:
    before = outer_host()
    with Hypervisor() as host:
        host.start_libvirtd()
        host.output(["ip", "link", "add", "br0", "type", "bridge"])
        host.output(
            ["sh", "-c", "echo changed | tee -a /etc/libvirt/qemu.conf /var/lib/rscvm/x /var/lib/y /run/z"]
        )
        assert host.path("/etc/libvirt/qemu.conf").read_text().endswith("changed\n")
        assert outer_host() == before
    assert outer_host() == before


def test_a_tap_made_inside_is_not_seen_outside(host: Hypervisor) -> None:
    host.output(["ip", "tuntap", "add", "dev", "tap0", "mode", "tap", "vnet_hdr"])

    assert host.links()["tap0"]["linkinfo"]["info_kind"] == "tun"
    assert host.output(["ls", "/sys/class/net"]).split() == ["lo", "tap0"]
    assert not host.ethtool_features("tap0")["tx-tcp-segmentation"]["active"]
    assert not Path("/sys/class/net/tap0").exists()


def test_two_hosts_know_nothing_of_each_other() -> None:
    with Hypervisor() as one, Hypervisor() as other:
        untouched = other.snapshot()
        one.start_libvirtd()
        other.start_libvirtd()
        one.output(["ip", "link", "add", "br0", "type", "bridge"])
        one.output(["touch", "/var/lib/rscvm/lab"])
        other.stop_libvirtd()

        assert other.snapshot() == untouched
        assert one.virsh("list", "--all").strip() == ""


def test_there_is_no_kvm_and_a_working_tun(host: Hypervisor) -> None:
    looked = "import os; print(os.path.exists('/dev/kvm'), os.path.exists('/dev/vhost-net')); open('/dev/net/tun', 'rb')"

    assert host.output([sys.executable, "-c", looked]) == "False False\n"


def test_libvirtd_answers_fast_and_knows_tcg_only(libvirt_host: Hypervisor) -> None:
    started = time.monotonic()
    version = libvirt_host.virsh("version")
    capabilities = libvirt_host.virsh("capabilities")

    assert time.monotonic() - started < 5
    assert "Running hypervisor: QEMU" in version
    assert "<domain type='qemu'/>" in capabilities
    assert "<domain type='kvm'/>" not in capabilities


def test_a_domain_runs_and_its_nic_can_be_read_from_both_sides(
    libvirt_host: Hypervisor, tmp_path: Path
) -> None:
    (tmp_path / "guest.xml").write_text(DOMAIN)
    libvirt_host.output(["ip", "link", "add", "br0", "type", "bridge"])
    before = libvirt_host.snapshot()

    libvirt_host.virsh("define", str(tmp_path / "guest.xml"))
    libvirt_host.virsh("start", "guest", "--paused")
    running = libvirt_host.snapshot()
    status = json.loads(libvirt_host.virsh("qemu-monitor-command", "guest", json.dumps(QUERY_NIC)))["return"]

    assert running.domains == {"guest": "paused"}
    assert running.links["tap0"]["master"] == "br0"
    assert any("qemu-system" in line for line in running.processes)
    assert libvirt_host.ethtool_features("tap0")["tx-tcp-segmentation"]["active"] is False
    assert any(
        feature.startswith("VIRTIO_NET_F_GUEST_TSO4:") for feature in status["host-features"]["dev-features"]
    )

    libvirt_host.restart_libvirtd()
    assert libvirt_host.snapshot() == running

    libvirt_host.virsh("destroy", "guest")
    libvirt_host.virsh("undefine", "guest")
    wait_for(lambda: "tap0" not in libvirt_host.links(), time.monotonic() + 5, "the end of tap0")
    after = libvirt_host.snapshot()
    assert (after.processes, after.files, after.domains) == (before.processes, before.files, before.domains)
    assert set(after.links) == set(before.links)


def test_a_snapshot_tells_what_was_left_behind(host: Hypervisor) -> None:
    host.output(["ip", "link", "add", "br0", "up", "type", "bridge"])
    clean = host.snapshot()
    assert host.snapshot() == clean
    assert clean.domains is None

    host.output(
        [
            "sh",
            "-c",
            "setsid sleep 600 >/dev/null 2>&1 & mkdir /var/lib/rscvm/lab; echo 1 >/var/lib/rscvm/lab/a",
        ]
    )
    host.output(["ip", "link", "set", "br0", "mtu", "9000"])
    wait_for(lambda: ("sleep", "600") in host.processes().values(), time.monotonic() + 5, "sleep 600")
    left = host.snapshot()

    assert left.processes == ("sleep 600",)
    assert set(left.files) == {"lab", "lab/a"}
    assert left.links["br0"]["mtu"] == 9000
    host.output(["sh", "-c", "echo 2 >/var/lib/rscvm/lab/a"])
    assert host.snapshot().files != left.files


def test_a_program_can_be_missing_for_a_while(host: Hypervisor) -> None:
    ethtool = shutil.which("ethtool")
    assert ethtool is not None

    with host.without("ethtool", "qemu-system-x86_64"):
        assert host.run(["ethtool", "--version"]).returncode == 127
        assert host.run([ethtool, "--version"]).returncode == 127
        assert (
            host.run([sys.executable, "-c", "import shutil; assert not shutil.which('ethtool')"]).returncode
            == 0
        )
        assert host.run(["qemu-system-x86_64", "--version"]).returncode == 127
        assert host.links().keys() == {"lo"}
        assert Path(ethtool).exists()

    assert host.run(["ethtool", "--version"]).returncode == 0


def test_a_run_gets_input_environment_directory_and_user(host: Hypervisor) -> None:
    assert host.run(["cat"], input=b"word").stdout == b"word"
    assert host.output(["sh", "-c", "echo $LAB $PWD"], env={"LAB": "lab"}) == f"lab {Path.cwd()}\n"
    as_nobody = host.run(
        [sys.executable, "-c", "import os; print(os.getuid(), os.environ['USER'])"], user="nobody"
    )
    assert as_nobody.stdout.split()[1:] == [b"nobody"]
    assert as_nobody.stdout.split()[0] != b"0"
    assert host.run(["sh", "-c", "echo said >&2; exit 3"]).stderr == b"said\n"
    with pytest.raises(RuntimeError, match="exit status 3: said"):
        host.output(["sh", "-c", "echo said >&2; exit 3"])


def test_a_run_that_takes_too_long_is_killed_with_its_children(host: Hypervisor) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        host.run(["sh", "-c", "sleep 600; true"], timeout=0.2)

    wait_for(lambda: not host.processes(), time.monotonic() + 5, "the end of the run")


def test_no_process_remains_also_when_a_test_fails() -> None:
    class TestFailedError(Exception):
        pass

    host = Hypervisor()
    namespaces = []

    def fail_on_a_busy_host() -> None:
        with host:
            namespaces.append(pid_namespace_of(host.pid))
            host.start_libvirtd()
            host.output(["sh", "-c", "setsid sh -c 'trap \"\" TERM HUP; sleep 600; true' >/dev/null 2>&1 &"])
            assert len(processes_in(namespaces[0])) >= 4
            raise TestFailedError

    with pytest.raises(TestFailedError):
        fail_on_a_busy_host()
    assert processes_in(namespaces[0]) == []
    with pytest.raises(RuntimeError, match="not running"):
        host.links()


def test_no_process_remains_when_the_test_run_is_killed() -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    argv = [sys.executable, "-c", LEFT_BY_A_KILLED_RUN]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, env=environment) as run:
        try:
            assert run.stdout is not None
            namespace = pid_namespace_of(int(run.stdout.readline()))
            assert len(processes_in(namespace)) >= 3
        finally:
            run.kill()

    wait_for(lambda: not processes_in(namespace), time.monotonic() + 10, "the end of the host")
