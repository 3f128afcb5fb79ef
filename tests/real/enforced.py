"""`rscvm hck enforce` at work beside a DUT whose demo guest takes RSC_EXT, and what makes that guest negotiate anew."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from provision.edges.guest.agent_channel import AgentGuest
from provision.edges.guest.agent_socket import AgentSocket
from provision.edges.qmp import QmpSocket
from provision.edges.sockets import connected
from provision.runtime.guest_channel import Script
from provision.runtime.places import ANYBODY
from tests.real.conftest import SWITCHES, guest_machine
from tests.real.hypervisor import Hypervisor, wait_for

CHECKSUM, TSO = "tx-checksum-ip-generic", "tx-tcp-segmentation"
RENEGOTIATED = {
    "offloads": "ethtool -K eth0 rx-gro-hw off && ethtool -K eth0 rx-gro-hw on",
    "driver": "rmmod virtio_net && insmod /modules/virtio_net_hck.ko && ip link set eth0 up",
}
"""What runs in the guest: offloads dropped and taken at run time (CTRL_GUEST_OFFLOADS_SET), its driver restarted."""
LONG = 60.0


def dut(backend: str, *, host: str = "", nics: str = "[{bridge: br-hck, rsc: hck, ifname: duttap}]") -> str:
    """The machine, as a lab file has it."""
    where = f"host: {host}" if host else ""
    return guest_machine(backend, "dut", switch=SWITCHES["hck"], nics=nics, more=f"purpose: hck\n    {where}")


@dataclass
class Dut:
    """It runs as a QEMU of our own on a host; its sockets are reached from outside of that host."""

    host: Hypervisor
    directory: str = "/var/lib/rscvm/lab"
    tap: str = "duttap"

    def _path(self, what: str) -> str:
        return str(self.host.path(f"{self.directory}/dut.{what}"))

    def runs(self, script: str) -> None:
        """In the guest, by its agent."""
        way = connected(self._path("agent"), None, 10)
        with AgentSocket("the guest", ANYBODY, way) as agent:
            AgentGuest("the guest", agent, "linux").run(Script("sh", "words", script), timeout=LONG).check()

    def until_asked(self) -> None:
        """Wait until its agent answers."""

        def answers() -> bool:
            with suppress(Exception):  # nobody listens yet, or not yet whole
                self.runs("true")
                return True
            return False

        wait_for(answers, time.monotonic() + LONG, "an agent that answers")

    def reboot(self) -> None:
        """As its reset button does; the TAP stays."""
        with QmpSocket(self._path("qmp"), ANYBODY) as monitor:
            monitor.execute("system_reset")

    def wire_like(self) -> bool:
        """Whether checksum and TSO are off at its TAP."""
        found = self.host.ethtool_features(self.tap)
        return not (found[CHECKSUM]["active"] or found[TSO]["active"])


@dataclass
class Enforcing:
    """A running `rscvm hck enforce --json`; what it says is read as it comes."""

    host: Hypervisor
    process: subprocess.Popen[str]
    rows: list[dict[str, Any]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def read(self) -> list[threading.Thread]:
        """Begin to read both its outputs."""
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        pairs = (
            (self.process.stdout, lambda line: self.rows.append(json.loads(line))),
            (self.process.stderr, self.said.append),
        )
        readers = [threading.Thread(target=lambda a=a, b=b: [b(line) for line in a]) for a, b in pairs]
        for reader in readers:
            reader.start()
        return readers

    def count(self, event: str) -> int:
        """How often it has told of that."""
        return sum(row["event"] == event for row in self.rows)

    def until(self, event: str, times: int = 1) -> None:
        """Wait until it has told of that so often."""
        self._until(lambda: self.count(event) >= times, event)

    def until_said(self, words: str) -> None:
        """Wait for words on its standard error."""
        self._until(lambda: any(words in line for line in self.said), words)

    def _until(self, predicate: Callable[[], bool], what: str) -> None:
        try:
            wait_for(predicate, time.monotonic() + LONG, what)
        except TimeoutError as error:
            raise TimeoutError(f"{error}: {self.rows} {self.said}") from error

    def pids(self, what: str) -> list[int]:
        """`rscvm` itself, or the `keeper`'s loop, which alone holds its lock: its number on this host."""
        if what == "keeper":
            return [pid for pid in keepers(self.host) if self.host.path(f"/proc/{pid}/fd/9").exists()]
        found = self.host.processes().items()
        return [pid for pid, argv in found if argv[1:3] == ("-m", "provision") and "enforce" in argv]

    def kill(self, number: int, *whats: str) -> None:
        """Send a signal to all of them at once."""
        pids = [str(pid) for what in whats for pid in self.pids(what)]
        self.host.output(["kill", f"-{number}", *pids])

    def end(self, number: int = signal.SIGINT) -> int:
        """End it as a terminal does, and return its exit status."""
        self.kill(number, "rscvm")
        return self.process.wait(LONG)


def keepers(host: Hypervisor) -> list[int]:
    """Whatever of a keeper runs on a host: its loop, what runs beside that with the same arguments, and `ip`."""
    found = host.processes().items()
    return [
        pid
        for pid, argv in found
        if (argv[:2] == ("sh", "-c") and "duttap" in argv) or argv[1:3] == ("-o", "monitor")
    ]


def enforcing_argv(host: Hypervisor, lab: Path, *more: str) -> list[str]:
    """The command that runs it on a host."""
    return [*host.entering(), sys.executable, "-m", "provision", "hck", "enforce", str(lab), *more]


@contextmanager
def enforcing(host: Hypervisor, lab: Path, *more: str) -> Iterator[Enforcing]:
    """Run it on a host for the block."""
    argv = enforcing_argv(host, lab, "--json", *more)
    pipe = subprocess.PIPE
    process = subprocess.Popen(argv, stdout=pipe, stderr=pipe, text=True, start_new_session=True)
    found = Enforcing(host, process)
    with process:
        readers = found.read()
        try:
            yield found
        finally:
            if process.poll() is None:
                with suppress(RuntimeError):
                    found.kill(signal.SIGKILL, "rscvm")
            process.wait(LONG)
            for reader in readers:
                reader.join(LONG)


def each_is_undone(enforced: Enforcing, machine: Dut, how: Sequence[str]) -> list[str]:
    """Those renegotiations after which `tx` was not off again."""
    missed = []
    for kind in how:
        before = enforced.count("off")
        if kind == "reboot":
            machine.reboot()
        else:
            machine.runs(RENEGOTIATED[kind])
        with suppress(TimeoutError):
            enforced.until("off", before + 1)
        if kind == "reboot":
            machine.until_asked()
        if enforced.count("off") == before or not machine.wire_like():
            missed.append(kind)
    return missed
