"""A complete hypervisor host on the machine that runs the tests, made of namespaces.

It has its own network, processes, mounts, host name and devices, and shares the machine's programs. What is written
below /etc, /var, /run, /dev and root's home stays inside and ends with it; everything else (/tmp, the repository)
is the machine's own. It has no KVM and no vhost-net whatever the machine has, so every machine answers alike.
"""

import hashlib
import json
import os
import pwd
import shlex
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE
from types import TracebackType
from typing import Any, Self, TypeVar

from tests.real import probed

T = TypeVar("T")
LIBVIRT_DAEMONS, SOCKET = ("virtlogd", "libvirtd"), "/run/libvirt/libvirt-sock"

QEMU_CONF = """\
stdio_handler = "file"
security_driver = "none"
user = "root"
group = "root"
namespaces = []
cgroup_controllers = []
"""

# The overlays' upper layers lie in a tmpfs that is detached at once, so nothing inside can see or fill them directly.
# Debian's default network and any domain, secret, pool or hook of the machine stay outside: they are not this host's.
# root's home is 0700 and may hold the interpreter that `user` needs; its .bashrc, read over SSH too, would add to PATH.
FURNISH = """
ip link set lo up
umount --recursive --lazy /sys
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /mnt
for top in /etc /var "$ROOT_HOME"; do
    mkdir -p "/mnt$top/upper" "/mnt$top/work"
    mount -t overlay overlay -o "lowerdir=$top,upperdir=/mnt$top/upper,workdir=/mnt$top/work" "$top"
done
umount --lazy /mnt
chmod 0711 "$ROOT_HOME"
rm -rf "$ROOT_HOME/.bashrc" /etc/libvirt/qemu /etc/libvirt/hooks /etc/libvirt/secrets /etc/libvirt/storage
mkdir -p /etc/libvirt
printf %s "$QEMU_CONF" >/etc/libvirt/qemu.conf
for own in /run /var/lib/libvirt /var/lib/rscvm /var/cache/libvirt /var/log/libvirt; do
    mkdir -p "$own"
    mount -t tmpfs -o mode=0755 tmpfs "$own"
done
mkdir -m 1777 /run/lock
umount --recursive --lazy /dev
mount -t tmpfs -o mode=0755 tmpfs /dev
mkdir /dev/net /dev/pts /dev/shm
chmod 1777 /dev/shm
for node in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0 net/tun:10:200; do
    numbers=${node#*:}
    mknod -m 0666 "/dev/${node%%:*}" c "${numbers%:*}" "${numbers#*:}"
done
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts /dev/pts
for link in ptmx:pts/ptmx fd:/proc/self/fd stdin:fd/0 stdout:fd/1 stderr:fd/2; do
    ln -s "${link#*:}" "/dev/${link%:*}"
done
"""

# Overlayfs reads a 0/0 character device in an upper layer as "there is no such file", so the program is missing by
# its full path too, also for a libvirtd that runs already. Prints the directories that were covered.
HIDE = """
mount -t tmpfs tmpfs /mnt
for directory in $DIRECTORIES; do
    for program; do
        [ -e "$directory/$program" ] || continue
        mkdir -p "/mnt$directory"
        mknod "/mnt$directory/$program" c 0 0
    done
done
for directory in $DIRECTORIES; do
    [ -d "/mnt$directory" ] || continue
    mount -t overlay overlay -o "lowerdir=/mnt$directory:$directory" "$directory"
    echo "$directory"
done
umount --lazy /mnt
"""


def wait_for(predicate: Callable[[], T], deadline: float, what: str) -> T:
    """The first true answer of `predicate`.

    :param deadline: on the clock of `time.monotonic`.
    :raise TimeoutError: when the deadline passed; names `what` and the last answer.
    """
    while not (answer := predicate()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited in vain for {what}; last seen: {answer!r}")
        time.sleep(0.02)
    return answer


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a tool can leave behind on a host, in a form in which equal hosts compare equal."""

    links: Mapping[str, Mapping[str, Any]]
    processes: tuple[str, ...]
    """Command lines, sorted."""
    files: Mapping[str, str]
    """Below /var/lib/rscvm: path to file mode and SHA-256 ("-" for what is no regular file)."""
    domains: Mapping[str, str] | None
    """Name to state; None while no libvirtd runs, which is not the same as no domains."""


class Hypervisor:
    """A host that lives as long as its `with` block, or as the test run when that is killed."""

    def __init__(self) -> None:
        self._init: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The parent of this host's init: in all its namespaces but the PID one, as `ip link … netns` wants it."""
        if self._init is None:
            raise RuntimeError("this hypervisor is not running")
        return self._init.pid

    def path(self, inside: str | Path) -> Path:
        """Where the test run finds this host's file; no absolute symbolic link may be on the way."""
        return Path(f"/proc/{self.pid}/root") / str(inside).lstrip("/")

    def __enter__(self) -> Self:
        # cat ends at the end of its input, which comes with the death of the test run, however that dies; and as init
        # it has to leave reaping to the kernel, which does it where SIGCHLD is ignored.
        unshare = ["unshare", "-nmuip", "--mount-proc", "--kill-child"]  # net, mount, uts, ipc, pid; forks
        argv = [*unshare, "env", "--ignore-signal=CHLD", "cat"]
        self._init = init = subprocess.Popen(argv, 0, stdin=PIPE, stdout=PIPE, start_new_session=True)
        try:
            assert init.stdin is not None
            assert init.stdout is not None
            init.stdin.write(b"?")
            assert init.stdout.read(1) == b"?", "no namespaces could be made: this needs root"
            furnishing = {"ROOT_HOME": pwd.getpwuid(0).pw_dir, "QEMU_CONF": QEMU_CONF}
            self.output(["sh", "-ec", FURNISH], env=furnishing)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        """The kernel lets init go only when every process in its PID namespace is gone, so nothing is left after."""
        init, self._init = self._init, None
        if init is None:
            return
        try:
            init.communicate(timeout=10)  # closes its input
        except subprocess.TimeoutExpired:
            init.kill()
            raise

    def entering(self) -> list[str]:
        """The words that, before a command, run it on this host."""
        enter = ["nsenter", "--target", str(self.pid), "--net", "--mount", "--uts", "--ipc"]
        return [*enter, f"--pid=/proc/{self.pid}/ns/pid_for_children", f"--wdns={Path.cwd()}", "--"]

    def run(
        self,
        argv: Sequence[str],
        *,
        input: bytes = b"",  # noqa: A002 - the name subprocess.run gives it
        env: Mapping[str, str] | None = None,
        timeout: float = 60,
        user: str | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a program on this host, in the current directory and with `env` added to the environment.

        :raise subprocess.TimeoutExpired: when it ran longer than `timeout` seconds; it is killed.
        """
        enter, environment = self.entering(), dict(os.environ)
        if user is not None:
            entry = pwd.getpwnam(user)
            enter += ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--init-groups", "--"]
            environment |= {"HOME": entry.pw_dir, "USER": user, "LOGNAME": user}
        environment |= env or {}
        with subprocess.Popen(
            [*enter, *argv], stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environment, start_new_session=True
        ) as process:
            try:
                out, err = process.communicate(input, timeout)
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)  # nsenter's program would keep our pipes
                raise
        return subprocess.CompletedProcess(list(argv), process.returncode, out, err)

    def output(self, argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> str:
        """Standard output of a program that has to succeed.

        :raise RuntimeError: when it did not; with what it said.
        """
        done = self.run(argv, env={"LC_ALL": "C.UTF-8", **(env or {})})
        if done.returncode != 0:
            said = done.stderr.decode().strip()
            raise RuntimeError(f"{shlex.join(argv)}: exit status {done.returncode}: {said}")
        return done.stdout.decode()

    def virsh(self, *arguments: str) -> str:
        """Standard output of a virsh command that has to succeed."""
        return self.output(["virsh", "--quiet", "--connect", "qemu:///system", *arguments])

    def start_libvirtd(self, *, timeout: float = 30) -> None:
        """Start virtlogd and libvirtd; both answer when this returns."""
        with probed.shared(self.path(probed.ANSWERS)):
            for daemon in LIBVIRT_DAEMONS:
                self.output([daemon, "--daemon"])
            wait_for(self.path(SOCKET).is_socket, time.monotonic() + timeout, "libvirtd's socket")
            self.virsh("version")  # is answered when the drivers are ready, and so clients are served

    def stop_libvirtd(self, *, timeout: float = 30) -> None:
        """Stop both daemons; running domains stay, as on any host."""
        deadline = time.monotonic() + timeout
        if pids := self._pids_of(*LIBVIRT_DAEMONS):
            self.output(["kill", *map(str, pids)])
        wait_for(lambda: not self._pids_of(*LIBVIRT_DAEMONS), deadline, f"the end of {pids}")

    def restart_libvirtd(self) -> None:
        """Stop and start."""
        self.stop_libvirtd()
        self.start_libvirtd()

    def _pids_of(self, *programs: str) -> list[int]:
        return [pid for pid, argv in self.processes().items() if Path(argv[0]).name in programs]

    def processes(self) -> dict[int, tuple[str, ...]]:
        """PID inside to command line (`[name]` for a zombie) of everything but this host's init."""
        found = {}
        for pid in {int(entry.name) for entry in self.path("/proc").glob("[1-9]*")} - {1}:
            # A process may end between being listed and being read.
            with suppress(FileNotFoundError, ProcessLookupError):
                line = self.path(f"/proc/{pid}/cmdline").read_text(errors="replace").removesuffix("\0")
                name = self.path(f"/proc/{pid}/comm").read_text().strip()
                found[pid] = tuple(line.split("\0")) if line else (f"[{name}]",)
        return found

    def links(self) -> dict[str, dict[str, Any]]:
        """`ip -json -details link` by name."""
        return {link["ifname"]: link for link in json.loads(self.output(["ip", "-json", "-details", "link"]))}

    def ethtool_features(self, dev: str) -> dict[str, Any]:
        """`ethtool --json -k`: feature to active, fixed and requested."""
        features: dict[str, Any] = json.loads(self.output(["ethtool", "--json", "-k", dev]))[0]
        return features

    def snapshot(self) -> Snapshot:
        """What this host consists of at this moment."""
        top = self.path("/var/lib/rscvm")
        return Snapshot(
            links={name: _without_clocks(link) for name, link in self.links().items()},
            processes=tuple(sorted(shlex.join(argv) for argv in self.processes().values())),
            files={str(path.relative_to(top)): _mode_and_hash(path) for path in sorted(top.rglob("*"))},
            domains=self._domains() if self._pids_of("libvirtd") else None,
        )

    def _domains(self) -> dict[str, str]:
        names = self.virsh("list", "--all", "--name").split("\n")
        return {name: self.virsh("domstate", name).strip() for name in names if name}

    @contextmanager
    def without(self, *programs: str) -> Iterator[None]:
        """Let these programs be missing on this host, for whatever runs or starts there meanwhile."""
        searched = [*os.environ["PATH"].split(os.pathsep), "/usr/sbin", "/usr/bin"]
        directories = " ".join(sorted({os.path.realpath(directory) for directory in searched}))
        covered = self.output(["sh", "-ec", HIDE, "sh", *programs], env={"DIRECTORIES": directories}).split()
        try:
            yield
        finally:
            for directory in covered:
                self.output(["umount", "--lazy", directory])


def _without_clocks(link: Mapping[str, Any]) -> dict[str, Any]:
    """A bridge reports what is left on its timers and what it has learned, which differ with every look."""
    kept = {key: value for key, value in link.items() if not key.endswith(("_timer", "_learned"))}
    return {key: _without_clocks(value) if isinstance(value, dict) else value for key, value in kept.items()}


def _mode_and_hash(path: Path) -> str:
    mode = path.lstat().st_mode
    digest = hashlib.sha256(path.read_bytes()).hexdigest() if stat.S_ISREG(mode) else "-"
    return f"{stat.filemode(mode)} {digest}"
