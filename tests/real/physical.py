"""A hypervisor host with a physical NIC, to be administered over SSH: QEMU's e1000e under TCG, on a TAP.

What namespaces cannot give: a NIC driver with interrupt coalescing, a kernel of its own, and a network that a
mistake takes away. It is `guest/build.py --kind host` (`make host`), with keys made for the one boot.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from subprocess import CompletedProcess

import cpio
from tests.real.demo_guest import CMDLINE
from tests.real.hypervisor import Hypervisor, wait_for

BUILT = Path(__file__).parent.parent.parent / "build" / "host"
BOOT_SECONDS = 120
NIC = "eth0"


@dataclass(frozen=True, slots=True)
class PhysicalHost:
    """The host, up; its NIC is NIC, at the other end of a TAP of `near`, from where alone it is reached."""

    near: Hypervisor
    tap: str
    address: str
    identity: Path
    known_hosts: Path
    console: Path
    pid: int
    """QEMU's, in `near`."""
    user: str = "root"

    def ssh(self) -> list[str]:
        """The words that, before a command for the host's shell, run it there; nobody's configuration counts."""
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": "2",
            "IdentitiesOnly": "yes",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": str(self.known_hosts),
        }
        words = ["ssh", "-F", "/dev/null", "-i", str(self.identity)]
        return [*words, *(f"-o{name}={value}" for name, value in options.items()), f"{self.user}@{self.address}"]  # fmt: skip

    def run(self, *argv: str) -> CompletedProcess[str]:
        """Run a program on the host; status 255 is ssh's own failure."""
        done = self.near.run([*self.ssh(), shlex.join(argv)])
        return CompletedProcess(argv, done.returncode, done.stdout.decode(), done.stderr.decode())

    def output(self, *argv: str) -> str:
        """Standard output of a program that has to succeed there.

        :raise RuntimeError: when it did not; with what it said.
        """
        return self.near.output([*self.ssh(), shlex.join(argv)])


def _make_keys(near: Hypervisor, folder: Path, address: str) -> bytes:
    """Write identity and known_hosts; the archive that, appended to the initramfs, makes the host know them."""
    identity, host_key = folder / "identity", folder / "host_key"
    for key in (identity, host_key):
        near.output(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(key)])
    (folder / "known_hosts").write_text(f"{address} {host_key.with_suffix('.pub').read_text()}")
    return cpio.archive(
        {
            "etc/ssh/ssh_host_ed25519_key": cpio.private(host_key.read_bytes()),
            "root/.ssh/authorized_keys": cpio.private(identity.with_suffix(".pub").read_bytes()),
        }
    )


def _start(near: Hypervisor, folder: Path, taps: Sequence[str], switches: str) -> int:
    """QEMU's PID in `near`; it runs when this returns."""
    nics = (
        ("-netdev", f"tap,id=n{n},ifname={tap},script=no,downscript=no", "-device", f"e1000e,netdev=n{n}")
        for n, tap in enumerate(taps)
    )
    near.output(
        [
            *("qemu-system-x86_64", "-no-user-config", "-nodefaults", "-display", "none"),
            *("-machine", "q35,accel=tcg", "-cpu", "max", "-m", "384"),
            *("-kernel", str(BUILT / "vmlinux"), "-initrd", str(folder / "initrd")),
            *("-append", f"{CMDLINE} {switches}", "-serial", f"file:{folder / 'console'}"),
            *chain.from_iterable(nics),
            *("-daemonize", "-pidfile", str(folder / "pid")),
        ]
    )
    return int((folder / "pid").read_text())


def _end(near: Hypervisor, pid: int) -> None:
    """End QEMU if it still runs; it is gone when this returns."""
    if pid in near.processes():
        near.output(["kill", "-KILL", str(pid)])
        wait_for(lambda: pid not in near.processes(), time.monotonic() + 10, f"the end of QEMU ({pid})")


def _wait_until_it_answers(host: PhysicalHost, deadline: float) -> None:
    """:raise TimeoutError: with the console's text, when it does not log us in before the deadline."""
    try:
        wait_for(lambda: host.run("true").returncode == 0, deadline, f"sshd at {host.address}")
    except TimeoutError as error:
        said = host.console.read_text(errors="replace") if host.console.exists() else ""
        raise TimeoutError(f"{error}\n{host.run('true').stderr}\nconsole:\n{said}") from error


@contextmanager
def physical_host(
    near: Hypervisor,
    folder: Path,
    *,
    tap: str = "phys0",
    network: str = "10.9.7",
    more: Sequence[str] = (),
) -> Iterator[PhysicalHost]:
    """Boot a host beside `near`, on a TAP of it: NETWORK.1 is `near`, NETWORK.2 the host, both /24.

    :param folder: an empty one, for keys, console and initramfs.
    :param more: TAPs of `near` that are made for further NICs of the host, without addresses.
    :raise TimeoutError: when its sshd does not answer in time.
    """
    assert (BUILT / "vmlinux").exists(), "the host is not built: run `make host`"
    address, deadline = f"{network}.2", time.monotonic() + BOOT_SECONDS
    with ExitStack() as taken_back:
        for name in (tap, *more):
            near.output(["ip", "tuntap", "add", "dev", name, "mode", "tap"])
            taken_back.callback(near.output, ["ip", "link", "delete", name])
            near.output(["ip", "link", "set", name, "up"])
        near.output(["ip", "address", "add", f"{network}.1/24", "dev", tap])
        keys = _make_keys(near, folder, address)
        (folder / "initrd").write_bytes((BUILT / "initrd").read_bytes() + keys)
        pid = _start(near, folder, (tap, *more), f"rsc.ip={address}/24")
        taken_back.callback(_end, near, pid)
        identity, known_hosts, console = (folder / name for name in ("identity", "known_hosts", "console"))
        host = PhysicalHost(near, tap, address, identity, known_hosts, console, pid)
        _wait_until_it_answers(host, deadline)
        yield host
