"""Scripts run in a guest by its agent through libvirt, against the same guest-exec and guest-exec-status calls by virsh."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from bench.compare import Figure, in_turn, seconds
from provision.edges.wiring import RealEdges
from provision.runtime.guest_channel import GuestWay, Script
from provision.runtime.guest_words import as_run
from provision.runtime.places import Target
from tests.real.asked_guests import guest_of_libvirt
from tests.real.hypervisor import Hypervisor

if TYPE_CHECKING:
    from collections.abc import Callable

SCRIPTS = 10
_LONG = 1800
"""Seconds for all rounds."""
GOAL = 1.5
_SCRIPT = Script("sh", "words", "echo said\n")
_SAID = "said\n"
_VM = "vm"
_CONNECT = ("virsh", "--quiet", "--connect", "qemu:///system")


def _asked(call: Callable[[dict[str, Any]], str]) -> None:
    """The calls, one after another, and nothing besides."""
    run = as_run(_SCRIPT)
    given = base64.b64encode(run.stdin.encode()).decode()
    words = {"path": run.argv[0], "arg": run.argv[1:], "capture-output": True, "input-data": given}
    for _ in range(SCRIPTS):
        pid = json.loads(call({"execute": "guest-exec", "arguments": words}))["return"]["pid"]
        status: dict[str, Any] = {"exited": False}
        while not status["exited"]:
            asked = {"execute": "guest-exec-status", "arguments": {"pid": pid}}
            status = json.loads(call(asked))["return"]
        if base64.b64decode(status["out-data"]).decode() != _SAID:
            raise RuntimeError("the guest said something else")


def _by_programs(question: dict[str, Any]) -> str:
    argv = [*_CONNECT, "qemu-agent-command", _VM, json.dumps(question)]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def _by_one_program() -> float:
    """By one virsh that reads its commands, and is started before."""
    pipe = subprocess.PIPE
    with subprocess.Popen(_CONNECT, stdin=pipe, stdout=pipe, text=True, bufsize=1) as virsh:

        def call(question: dict[str, Any]) -> str:
            if virsh.stdin is None or virsh.stdout is None:
                raise RuntimeError("virsh has no pipes")
            virsh.stdin.write(f"qemu-agent-command {_VM} '{json.dumps(question)}'\n")
            for line in virsh.stdout:
                if line.startswith("{"):
                    return line
            raise RuntimeError("virsh has ended")

        call({"execute": "guest-ping"})  # it is connected
        return seconds(partial(_asked, call))


def _ours() -> float:
    def ask() -> None:
        way = GuestWay("agent", domain=_VM)
        with RealEdges({"local": Target("local")}) as edges, edges.guest("local", way) as guest:
            for _ in range(SCRIPTS):
                if guest.run(_SCRIPT, timeout=60).out != _SAID:
                    raise RuntimeError("the guest said something else")

    return seconds(ask)


def rounds(times: int) -> tuple[tuple[float, ...], ...]:
    """Seconds of a virsh a call, of one virsh for all, and of ours, in a process that has imported all."""
    return in_turn(times, lambda: seconds(partial(_asked, _by_programs)), _by_one_program, _ours)


def measure_guests(times: int) -> list[Figure]:
    """Measure in one demo guest, under TCG."""
    with Hypervisor() as host:
        host.start_libvirtd()
        with guest_of_libvirt(host, _VM):
            done = host.run([sys.executable, "-m", "bench.guests", str(times)], timeout=_LONG)
    if done.returncode:
        raise RuntimeError(done.stderr.decode())
    programs, one, ours = (tuple(side) for side in json.loads(done.stdout))
    title = f"{SCRIPTS} scripts in a guest by its agent through libvirt, beyond imports"
    calls = "the same guest-exec and guest-exec-status calls by"
    return [
        Figure(title, f"{calls} `virsh qemu-agent-command`", programs, ours, GOAL),
        Figure(title, f"{calls} one virsh, connected before, without a pause between", one, ours),
    ]


if __name__ == "__main__":
    print(json.dumps(rounds(int(sys.argv[1]))))
