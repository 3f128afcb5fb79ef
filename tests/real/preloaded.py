"""rscvm on a host of namespaces by a process that has imported it: it forks for each command, and the child goes to the host.

What is run is `provision.__main__.main` with arguments, environment, directory, streams, session and namespaces of its own,
as `python -m provision` would have them; only the imports, most of what a short command takes, are done once. Tests of how
a process starts, ends or is seen by others start one.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from subprocess import DEVNULL, CompletedProcess
from typing import Any

from tests.real.hypervisor import Hypervisor

ROOT = Path(__file__).parent.parent.parent
LATE = ("jinja2", "libvirt", "libvirt_qemu", "lxml.etree", "paramiko", "qemu.qmp", "rich.table", "rich.tree")
"""What functions of rscvm import."""
NAMESPACES = ("net", "mnt", "uts", "ipc", "pid_for_children")


@cache
def _connection() -> socket.socket:
    """To the process of this test run, which ends with it."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    argv = [sys.executable, "-m", "tests.real.preloaded", str(its.fileno())]
    process = subprocess.Popen(argv, cwd=ROOT, stdin=DEVNULL, pass_fds=[its.fileno()], start_new_session=True)
    atexit.register(process.wait)
    atexit.register(ours.close)
    its.close()
    assert ours.recv(1), "rscvm could not be imported"
    return ours


def rscvm(host: Hypervisor, *arguments: str, **more: Any) -> CompletedProcess[str]:
    """Run one command line."""
    return run(host, "provision.__main__", *arguments, **more)


def run(
    host: Hypervisor, module: str, *arguments: str, env: Mapping[str, str] | None = None, timeout: float = 240
) -> CompletedProcess[str]:
    """Run `main` of a module as root on the host, in the current directory and with `env` added to the environment.

    :raise subprocess.TimeoutExpired: when it ran longer than `timeout` seconds; it is killed.
    """
    job = {
        "argv": arguments,
        "module": module,
        "env": {**os.environ, **(env or {})},
        "cwd": str(Path.cwd()),
        "pid": host.pid,
    }
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, tempfile.TemporaryFile() as told:
        told.write(json.dumps(job).encode())
        told.flush()
        reader, writer = os.pipe()
        with open(reader, "rb", buffering=0) as answers:  # noqa: PTH123 - a descriptor
            socket.send_fds(_connection(), [b"?"], [told.fileno(), out.fileno(), err.fileno(), writer])
            os.close(writer)
            pid = int(_line(answers, timeout, arguments))
            try:
                status = int(_line(answers, timeout, arguments))
            except BaseException:
                os.killpg(pid, signal.SIGKILL)
                raise
        out.seek(0)
        err.seek(0)
        return CompletedProcess(arguments, status, out.read().decode(), err.read().decode())


def _line(answers: Any, timeout: float, arguments: tuple[str, ...]) -> bytes:
    if not select.select([answers], [], [], timeout)[0]:
        raise subprocess.TimeoutExpired(arguments, timeout)
    line: bytes = answers.readline()
    return line


def _enter(pid: int) -> None:
    """Go to the namespaces of that process; children go to its children's PID namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    folders = [os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY) for name in NAMESPACES]
    for namespace in folders:
        if libc.setns(namespace, 0):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        os.close(namespace)


def _mind(told: int, out: int, err: int, answers: int) -> list[str] | None:
    """In a child of the waiting process: have the job done by one of its own; the module and its arguments in that, None here."""
    with open(told, "rb") as file:
        file.seek(0)
        job = json.loads(file.read())
    _enter(job["pid"])
    if child := os.fork():
        os.write(answers, b"%d\n" % child)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        with suppress(BrokenPipeError):  # whoever has killed it is not interested
            os.write(answers, b"%d\n" % status)
        return None
    os.setsid()
    os.close(answers)
    os.chdir(job["cwd"])
    for number, stream in ((1, out), (2, err)):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(job["env"])
    return [job["module"], *job["argv"]]


def serve(connection: socket.socket) -> list[str]:
    """Wait for jobs until the test run is gone; returns in a child, with module and arguments, to do one."""
    for name in (*LATE, *(each.name for each in walk_packages([str(ROOT / "provision")], "provision."))):
        if not name.endswith("__main__"):
            import_module(name)
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    connection.send(b"!")
    while (message := socket.recv_fds(connection, 1, 4))[0]:
        if not os.fork():
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            connection.close()
            if arguments := _mind(*message[1]):
                return arguments
            os._exit(0)
        for descriptor in message[1]:
            os.close(descriptor)
    os._exit(0)


if __name__ == "__main__":
    sys.argv = serve(socket.socket(fileno=int(sys.argv[1])))
    import_module(sys.argv[0]).main()
