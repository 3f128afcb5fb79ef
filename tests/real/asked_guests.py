"""Demo guests whose qemu-ga is asked: a domain of libvirt's, and a QEMU of anybody's with a socket for it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.real.demo_guest import CMDLINE, GUEST
from tests.real.domains import define, domain
from tests.real.hypervisor import Hypervisor, wait_for

DRIVER = str(Path(__file__).parent / "driver.py")
CHANNEL = "<channel type='unix'><source mode='bind'/><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
SOCKET, QMP = "/run/bare.qga", "/run/bare.qmp"
LONG = 60


@dataclass(frozen=True)
class AskedGuest:
    """A guest, the way to its agent, and what starts it anew."""

    host: Hypervisor
    way: dict[str, Any]

    def steps(self, *steps: dict[str, Any], timeout: float = 180) -> list[dict[str, Any]]:
        """What our edges make of each step, run on the host by one process."""
        asked = [{"guest": self.way, **step} for step in steps]
        done = self.host.run(
            [sys.executable, DRIVER],
            input=json.dumps([{"hv": {"name": "hv"}}, asked]).encode(),
            timeout=timeout,
        )
        assert done.returncode == 0, done.stderr.decode()
        answers: list[dict[str, Any]] = json.loads(done.stdout)
        return answers

    def ran(self, script: str, timeout: float = LONG) -> dict[str, Any]:
        """How a script ended; it has to have ended."""
        (answer,) = self.steps({"script": script, "timeout": timeout})
        assert "results" in answer, answer
        result: dict[str, Any] = answer["results"][0]
        return result

    def failure(self, script: str = "true", timeout: float = 10) -> dict[str, Any]:
        """How asking ends that has to fail."""
        (answer,) = self.steps({"script": script, "timeout": timeout})
        assert "error" in answer, answer
        return answer

    def reset(self) -> None:
        """Pull its plug, and put it in again."""
        if "domain" in self.way:
            self.host.virsh("reset", self.way["domain"])
        else:
            self.steps({"monitor": QMP, "execute": ["system_reset"]})

    def until(self, predicate: Callable[[], bool], what: str, seconds: float = 120) -> None:
        """Wait for something of it."""
        wait_for(predicate, time.monotonic() + seconds, f"{what}: {self.way}")

    def until_asked(self) -> None:
        """Wait until its agent answers."""
        self.until(
            lambda: "results" in self.steps({"script": "true", "timeout": 5})[0], "an agent that answers"
        )


@contextmanager
def guest_of_libvirt(host: Hypervisor, name: str = "vm") -> Iterator[AskedGuest]:
    """A domain with an agent; its libvirtd runs."""
    define(host, domain(name, CHANNEL))
    host.virsh("start", name)
    guest = AskedGuest(host, {"kind": "agent", "domain": name})
    guest.until_asked()
    yield guest
    host.virsh("destroy", name)


@contextmanager
def guest_of_qemu(host: Hypervisor) -> Iterator[AskedGuest]:
    """A QEMU that somebody started, with a socket for the agent as Proxmox has it."""
    host.output(
        [
            *(
                "qemu-system-x86_64",
                "-machine",
                "q35,accel=tcg",
                "-m",
                "192",
                "-nodefaults",
                "-display",
                "none",
            ),
            *(
                "-kernel",
                f"{GUEST}/vmlinuz",
                "-initrd",
                f"{GUEST}/initrd",
                "-append",
                CMDLINE,
            ),
            *("-chardev", f"socket,id=qga0,path={SOCKET},server=on,wait=off", "-device", "virtio-serial-pci"),
            *("-device", "virtserialport,chardev=qga0,name=org.qemu.guest_agent.0"),
            *("-qmp", f"unix:{QMP},server=on,wait=off", "-daemonize"),
        ]
    )
    guest = AskedGuest(host, {"kind": "agent", "socket": SOCKET})
    guest.until_asked()
    yield guest
