"""The paths of a lab's files on a host, below its state directory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

LONGEST_SOCKET = 107
"""sun_path has 108 bytes, the last of them a NUL."""


def started_note(pidfile: str) -> str:
    """Where it is noted which process has a pidfile: `x.pid` and `x.started`, `x.tpmpid` and `x.tpmstarted`."""
    return f"{pidfile.removesuffix('pid')}started"


@dataclass(frozen=True, slots=True)
class LabPaths:
    """Every file that a lab may leave on a host, by its name.

    What machines and labs are called begins with a letter or digit, and what shares a directory with their files
    with a dot, but for the lock and the journal, which are no machine's files whatever it is called.
    """

    state_dir: str
    lab: str

    @property
    def directory(self) -> str:
        """The lab's own directory, gone when nothing of the lab is left."""
        return f"{self.state_dir}/{self.lab}"

    @property
    def journal(self) -> str:
        """What has been made, or was about to be."""
        return f"{self.directory}/journal.json"

    @property
    def undo(self) -> str:
        """How the host itself puts back what was found, while it does not know that all went well."""
        return f"{self.directory}/.undo"

    @property
    def undo_of_0_1(self) -> str:
        """What 0.1.0 called that, whose process id lay where that of a machine called `undo` lies."""
        return f"{self.directory}/undo"

    @property
    def lock(self) -> str:
        """Held by whoever changes the lab."""
        return f"{self.directory}/lock"

    @property
    def keeper(self) -> str:
        """Held by who keeps the TAPs of test NICs wire-like (`hck enforce`); what it has switched off stands there."""
        return f"{self.directory}/.enforce"

    @property
    def accelerators(self) -> str:
        """Which accelerator of this host works, as last measured; shared by all labs."""
        return f"{self.state_dir}/.accelerators.json"

    @property
    def accelerators_of_0_1(self) -> str:
        """What 0.1.0 called that; a lab may be called so now."""
        return f"{self.state_dir}/accelerators.json"

    def overlay(self, machine: str, index: int) -> str:
        """A disk's overlay over its base image."""
        return f"{self.directory}/{machine}-{index}.qcow2"

    def firmware(self, machine: str) -> str:
        """The machine's own copy of the firmware's variables."""
        return f"{self.directory}/{machine}.vars.fd"

    def pidfile(self, machine: str) -> str:
        """Where QEMU writes its process id."""
        return f"{self.directory}/{machine}.pid"

    def started(self, machine: str) -> str:
        """Which process QEMU was when it was started: its pid, and its start time as the kernel tells it."""
        return started_note(self.pidfile(machine))

    def console(self, machine: str) -> str:
        """What the guest says on its serial console."""
        return f"{self.directory}/{machine}.log"

    def socket(self, machine: str, what: str) -> str:
        """A socket of the machine's QEMU; a name too long for a socket is shortened to its digest."""
        path = f"{self.directory}/{machine}.{what}"
        if len(path.encode()) <= LONGEST_SOCKET:
            return path
        return f"{self.state_dir}/{hashlib.sha256(path.encode()).hexdigest()[:12]}.{what}"

    def tpm_state(self, machine: str) -> str:
        """What the machine's TPM keeps (BitLocker's key hangs on it); of backend qemu, as libvirt keeps its own."""
        return f"{self.directory}/{machine}.tpmstate"

    def tpm_pidfile(self, machine: str) -> str:
        """Where the machine's swtpm writes its process id; no machine's QEMU has a file that ends so."""
        return f"{self.directory}/{machine}.tpmpid"

    def tpm_files(self, machine: str) -> tuple[str, ...]:
        """What a machine's swtpm leaves besides its state."""
        pidfile = self.tpm_pidfile(machine)
        return (pidfile, started_note(pidfile), self.socket(machine, "tpm"))

    def machine_files(self, machine: str) -> tuple[str, ...]:
        """What a machine's QEMU leaves besides disks."""
        sockets = (self.socket(machine, what) for what in ("qmp", "agent", "vnc"))
        return (self.pidfile(machine), self.started(machine), self.console(machine), *sockets)
