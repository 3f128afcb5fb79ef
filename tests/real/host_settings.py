"""What the tests of host settings share: a lab file for hosts that are reached over SSH, and programs that misbehave there."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from signal import SIGINT, Signals
from subprocess import PIPE, CompletedProcess
from typing import Any

from provision.facts.ethtool_features import parse_features
from tests.real import preloaded
from tests.real.hypervisor import Hypervisor, wait_for
from tests.real.remote import REMOTE, Site, cable

GRO = "    nics: {nic0: {features: {generic-receive-offload: on, tcp-segmentation-offload: off}}}"
SETTING = '"-K nic0"*"generic-receive-offload on"*'
"""A pattern for `case "$*"` in a stand-in ethtool: the setting, and neither a question nor its undo."""


def lab(
    site: Site, declared: str, more: str = "", *, hosts: Mapping[str, str] | None = None, login: str = ""
) -> Path:
    """A lab file in which hosts (`hv` where none are named), by their address, declare the same."""
    path = site.at / "lab.yaml"
    keys = f"    user: root\n    identity: {site.at / 'id'}\n    known_hosts: {site.at / 'known_hosts'}\n"
    rows = "".join(
        f"  {name}:\n    address: {address}\n{login or keys}{declared}\n"
        for name, address in (hosts or {"hv": REMOTE}).items()
    )
    path.write_text(f"version: 1\nhosts:\n{rows}{more}")
    return path


def rscvm(site: Site, *arguments: str, env: dict[str, str] | None = None) -> CompletedProcess[str]:
    """One command line on the client, which never ends in a traceback."""
    told = preloaded.rscvm(site.client, *arguments, env=env)
    assert "Traceback" not in told.stderr, told.stderr
    assert "internal error" not in told.stderr, told.stderr
    return told


def refused(site: Site, *words: str, command: str = "apply") -> str:
    """What it says when it ends with the status of a host that is not as it must be."""
    done = rscvm(site, command, str(site.at / "lab.yaml"))
    assert done.returncode == 3, done.stdout + done.stderr
    assert all(word in done.stderr for word in words), done.stderr
    return done.stderr


def feature(site: Site, name: str, device: str = "nic0") -> Any:
    """Whether a feature is on."""
    return parse_features(site.remote.output(["ethtool", "--json", "-k", device]))[device][name].active


def leftovers(site: Site) -> set[str]:
    """Files of ours on the host, but for the journal; one may go while they are listed."""
    listing = ["find", "/var/lib/rscvm", "-ignore_readdir_race", "-mindepth", "1", "-printf", "%P\\n"]
    files = site.remote.output(listing).splitlines()
    return {name for name in files if not name.startswith(("accelerators", "lab/journal"))} - {"lab"}


def ours(host: Hypervisor) -> list[tuple[str, ...]]:
    """Processes on the host besides sshd's and those of machines: what we have started there."""
    return [
        argv
        for argv in host.processes().values()
        if not any(word in argv[0] for word in ("sshd", "qemu-system")) and argv[0] != "[sshd]"
    ]


@dataclass(frozen=True)
class Before:
    """A host with NICs as it was before anything was done to it."""

    site: Site
    features: dict[str, Any] = field(default_factory=dict)

    def holds(self) -> None:
        """The host is like that again, and nothing of ours is left on it."""
        assert self.site.remote.ethtool_features("nic0") == self.features
        assert self.site.remote.snapshot().files == {}
        assert ours(self.site.remote) == []


def with_nic(site: Site, name: str = "nic0") -> Before:
    """Give the host a NIC of its own, besides the one that leads to it; its GRO is off."""
    site.remote.output(["ip", "link", "add", name, "type", "veth", "peer", "name", "far0"])
    site.remote.output(["ethtool", "-K", name, "gro", "off"])
    return Before(site, site.remote.ethtool_features(name))


def instead(site: Site, program: str, script: str) -> str:
    """Let a script stand for a program of the host's, which it finds as REAL; its path, to be unmounted."""
    directory = site.at / "instead"
    directory.mkdir(exist_ok=True)
    real = os.path.realpath(site.remote.output(["sh", "-c", f"command -v {program}"]).strip())
    kept, fake = directory / f"real-{program}", directory / program
    site.remote.output(["cp", "--", real, str(kept)])
    fake.write_text(f"#!/bin/sh\nREAL={kept} AT={site.at}\n{script}\n")
    fake.chmod(0o755)
    site.remote.output(["mount", "--bind", str(fake), real])
    return real


@contextmanager
def misbehaving(site: Site, script: str) -> Iterator[None]:
    """An ethtool that is this script, for the block."""
    real = instead(site, "ethtool", script)
    try:
        yield
    finally:
        site.remote.output(["umount", "--lazy", real])


@contextmanager
def impatient(site: Site) -> Iterator[None]:
    """A host whose own undo waits for 6 seconds instead of 25, for the block: its `sleep` is short then.

    So is what it waits for somebody to go on over a connection that runs one command at a time.
    """
    real = instead(site, "sleep", 'case $1 in 25) set -- 6;; 20) set -- 5;; esac; exec "$REAL" "$@"')
    try:
        yield
    finally:
        site.remote.output(["umount", "--lazy", real])


@dataclass
class Running:
    """An rscvm that works on the client."""

    site: Site
    process: subprocess.Popen[str]

    def when(self, flag: str, seconds: float = 60) -> None:
        """Wait until a stand-in has left a file of that name."""
        wait_for((self.site.at / flag).exists, time.monotonic() + seconds, flag)

    @staticmethod
    def soon() -> float:
        """A moment by which a host's own undo is through."""
        return time.monotonic() + 90

    def signal(self, number: Signals = SIGINT) -> None:
        """Send it a signal."""
        found = self.site.client.processes().items()
        victim = next(pid for pid, argv in found if "provision" in argv and "python" in argv[0])
        self.site.client.output(["kill", f"-{int(number)}", str(victim)])

    def ended(self) -> CompletedProcess[str]:
        """How it ended."""
        out, err = self.process.communicate(timeout=240)
        assert "Traceback" not in err, err
        return CompletedProcess(self.process.args, self.process.returncode, out, err)


@contextmanager
def running(site: Site, *arguments: str) -> Iterator[Running]:
    """rscvm at work, for the block."""
    command = [*site.client.entering(), sys.executable, "-m", "provision", *arguments]
    with subprocess.Popen(command, stdout=PIPE, stderr=PIPE, text=True, start_new_session=True) as process:
        yield Running(site, process)


@contextmanager
def second_host(site: Site) -> Iterator[Site]:
    """One more host of the same client's, at SECOND."""
    with Hypervisor() as second, cable(site.client, second, "192.0.2.5", SECOND, "wire2"):
        other = replace(site, remote=second, sshd={})
        other.start_sshd()
        site.knows(SECOND)
        try:
            yield other
        finally:
            other.stop()


SECOND = "192.0.2.6"
