"""rscvm that meets with trouble at its Nth change of the host: VERB LAB N MODE. Reading does not count.

MODE `after` dies by SIGKILL when the change is done, `during` as soon as its command has been started;
`restart` has libvirtd restarted after the change, and goes on.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from provision.cli.fleet import edges_of
from provision.cli.output import Output
from provision.host.apply.session import HostSession
from provision.lab.file import read_lab
from provision.runtime.command import Result, Run
from provision.runtime.errors import RscvmError
from provision.runtime.places import ANYBODY, Listener
from provision.verbs.down import take_down
from provision.verbs.up import bring_up

READING = ("ethtool", "qemu-img")
RESTART = """
kill $(pidof libvirtd virtlogd)
for _ in $(seq 200); do pidof libvirtd virtlogd >/dev/null || break; sleep 0.1; done
virtlogd --daemon && libvirtd --daemon && virsh --quiet --connect qemu:///system version >/dev/null"""


class Counting:
    """Edges that count changes and kill us at one of them."""

    def __init__(self, real: Any, at: int, mode: str) -> None:
        self.real, self.left, self.mode = real, at, mode
        self.name = "local"

    def strike(self) -> None:
        self.left -= 1
        if self.left == 0 and self.mode == "restart":
            subprocess.run(["sh", "-ec", RESTART], check=True)
            sys.stdout.write("restarted\n")
        elif self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def host(self, name: str) -> Any:
        self.runner = self.real.host(name)
        return self

    def libvirt(self, host: str) -> Any:
        self.daemon = self.real.libvirt(host)
        return self

    def monitor(self, host: str, socket: str, listener: Listener = ANYBODY) -> Any:
        return self.real.monitor(host, socket, listener)

    def run(self, argv: Sequence[str], *, stdin: str = "", timeout: float = 60) -> Result:
        (result,) = self.run_all([Run(tuple(argv), stdin)], timeout=timeout)
        return result

    def run_all(
        self, runs: Sequence[Run], *, timeout: float = 60, until_failure: bool = False
    ) -> list[Result]:
        """One after another, so that there is a moment between them."""
        if not until_failure and len(runs) > 1:
            answers: list[Result] = self.runner.run_all(runs, timeout=timeout)
            return answers
        results: list[Result] = []
        for run in runs:
            reading = run.argv[0] in READING
            if not reading and self.mode == "during" and self.left == 1:
                self._die_when_sent()
            results += self.runner.run_all([run], timeout=timeout)
            if not reading:
                self.strike()
            if until_failure and not results[-1].ok:
                break
        return results

    def _die_when_sent(self) -> None:
        stream = self.runner._shell.stream
        send = stream.send

        def send_and_die(*arguments: Any) -> None:
            send(*arguments)
            self.strike()

        stream.send = send_and_die

    @contextmanager
    def hold(self, argv: Sequence[str]) -> Iterator[Result]:
        with self.runner.hold(argv) as answer:
            yield answer

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any, **more: Any) -> Any:
            result = getattr(self.daemon, name)(*arguments, **more)
            if name in ("define", "undefine", "start", "destroy"):
                self.strike()
            return result

        return call


def main() -> None:
    try:
        work()
    except RscvmError as failure:
        sys.exit(f"{failure}\nhint: {failure.hint}")


def work() -> None:
    verb, path, at, mode = sys.argv[1:]
    lab = read_lab(path)
    with edges_of(lab, Output()) as real:
        site = HostSession(Counting(real, int(at), mode), lab, "local", "the killer")
        if verb == "up":
            bring_up(site, list(lab.machines), print)
        else:
            take_down(site, None, print)
