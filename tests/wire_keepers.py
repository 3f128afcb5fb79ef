"""The keeper of TAPs as a shell runs it, with an `ip` and an `ethtool` of the test's own; its TAP is the loopback device."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import subprocess
import sys
import termios
from array import array
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from provision.host.apply.wire_keeper import keep_wire_like

BOOT = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
TAP, INDEX = "lo", "4711"
"""Its ifindex is another one than /sys has."""
EVENT = f"{INDEX}: {TAP}: <BROADCAST,UP> mtu 1500 event FEATURE CHANGE \\    link/ether 52:54:00:12:34:56\n"
IP = f"""#!/bin/sh
case $* in *monitor*) exec {sys.executable} "${{0%/*}}/listening-ip" "$@" ;; esac
[ ! -e "$STATE.gone" ] && echo "{INDEX}: $5: <UP>"
"""
# Opens what `ip monitor link` opens, says what comes by a pipe, and ends with it.
MONITOR = """import os, socket
listening = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
listening.bind((0, 1))
other = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
other.bind((0, 0))
for line in open(os.environ["EVENTS"], "rb", 0):
    os.write(1, line)
"""
# What is in the file are the words after the feature's name.
ETHTOOL = """#!/bin/sh
echo "$*" >>"$STATE.asked"
while [ -e "$STATE.slow" ]; do sleep 0.01; done
case $1 in
    -k) echo "Features for $2:"; echo "tx-checksumming: on"; echo "\ttx-checksum-ip-generic: $(cat "$STATE")" ;;
    -K) [ ! -e "$STATE.deaf" ] || exit 0
        [ ! -e "$STATE.refuses" ] || { echo "no such\nluck" >&2; exit 1; }; echo "$4" >"$STATE" ;;
esac
"""


def at_once(path: str, flags: int) -> int:
    """Open a pipe, whoever has it."""
    return os.open(path, flags | os.O_NONBLOCK)


@dataclass
class Keeper:
    """One that runs."""

    process: subprocess.Popen[bytes]
    at: Path
    rest: bytes = b""

    @property
    def file(self) -> Path:
        return self.at / "lab" / ".enforce"

    @property
    def tx(self) -> str:
        return (self.at / "tx").read_text().strip()

    def event(self, line: str = EVENT) -> None:
        with (self.at / "events").open("w") as events:
            events.write(line)

    def becomes(self, tx: str, event: str = EVENT) -> None:
        """A guest's driver has the TAP's checksum on, or off; the kernel tells of it."""
        (self.at / "tx").write_text(tx)
        if event:
            self.event(event)

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()

    def hear(self) -> str:
        """The next line that it says; empty at its end."""
        out: IO[bytes] | None = self.process.stdout
        assert out is not None
        while b"\n" not in self.rest:
            assert select.select([out], [], [], 20)[0], "it says nothing"
            more = os.read(out.fileno(), 4096)
            if not more:
                return ""
            self.rest += more
        line, self.rest = self.rest.split(b"\n", 1)
        return line.decode()

    def until(self, line: str) -> None:
        while (heard := self.hear()) != line:
            assert heard, f"it ended without: {line}"

    def waiting(self) -> int:
        """How many bytes wait for its loop."""
        left = array("i", [0])
        with open(f"/proc/{self.process.pid}/fd/4", "rb", buffering=0, opener=at_once) as pipe:
            fcntl.ioctl(pipe, termios.FIONREAD, left)
        return left[0]

    def is_left_alone(self) -> None:
        """Who began it is lost."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def takes(self) -> None:
        """It has been told that the TAP is ours."""
        self.until(f"there {TAP} {INDEX}")
        self.say(f"take {TAP} {INDEX}")
        self.until(f"kept {TAP} {INDEX}")

    def left(self) -> list[str]:
        """What it says until it has ended."""
        said = [*iter(self.hear, "")]
        self.process.wait(20)
        return said


@contextmanager
def keeper(
    at: Path, *, tick: str = "600", most: str = "600", patience: str = "0.1", tx: str = "on", who: str = "me"
) -> Iterator[Keeper]:
    """Run one until the end of the block."""
    programs = at / "bin"
    if not programs.exists():  # another one may be running them
        programs.mkdir()
        os.mkfifo(at / "events")
        for name, text in (("ip", IP), ("listening-ip", MONITOR), ("ethtool", ETHTOOL)):
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
    if tx:
        (at / "tx").write_text(tx)
    # What writes there and goes must not be the end for who reads.
    held = os.open(at / "events", os.O_RDWR)
    env = {
        **os.environ,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "EVENTS": str(at / "events"),
        "STATE": str(at / "tx"),
    }
    argv = [*keep_wire_like(str(at / "lab" / ".enforce"), who, 1, [TAP])]
    argv[6:9] = patience, tick, most
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, env=env, start_new_session=True) as process:
        try:
            yield Keeper(process, at)
        finally:
            os.close(held)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def processes(group: int) -> dict[int, list[bytes]]:
    """Those of a process group that run, with their arguments."""
    found = {}
    for each in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            words = (each / "stat").read_text().rpartition(")")[2].split()
            if int(words[2]) == group and words[0] not in "ZX":
                found[int(each.name)] = (each / "cmdline").read_bytes().split(b"\0")
    return found
