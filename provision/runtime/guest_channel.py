"""The protocol of a way into a guest: something that runs a script there; and how such a way is named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from provision.runtime.command import Result
    from provision.runtime.places import Listener, Target

System = Literal["windows", "linux"]

AGENT_PORT = "org.qemu.guest_agent.0"
"""The name of a guest agent's port, in libvirt's XML and in QEMU."""


@dataclass(frozen=True, slots=True)
class Script:
    """A script of ours for a guest; of values that come from elsewhere it has nothing but quoted literals."""

    shell: Literal["powershell", "sh"]
    name: str
    """Which one it is, for a reader and for evidence: `explain --script NAME` prints it."""
    text: str


@dataclass(frozen=True, slots=True)
class GuestWay:
    """One way into a guest, as a lab file's `ask` has it, or by the agent that libvirt or a socket of QEMU's leads to."""

    kind: Literal["agent", "ssh", "winrm"]
    system: System | None = None
    """What runs there, where that is known beforehand; an agent can tell it."""
    named: str = ""
    """How evidence tells it from others, which has no addresses: its machine and its place among the ways into that."""
    domain: str = ""
    """An agent's: the domain through whose libvirt it is asked."""
    socket: str = ""
    """An agent's: the path on the host at which QEMU listens for it."""
    listener: Listener | None = None
    """Who has to listen there."""
    monitor: str = ""
    """Where the same QEMU's QMP listens, which tells of the port in the guest."""
    target: Target | None = None
    """SSH's: where the guest is."""
    address: str = ""
    """WinRM's, with what follows."""
    user: str = ""
    password_env: str = ""
    """The name of the environment's variable that has the password."""
    tls: bool = True

    def __str__(self) -> str:
        """For a reader."""
        match self.kind:
            case "agent":
                return "the guest agent"
            case "ssh":
                port = f":{self.target.port}" if self.target and self.target.port else ""
                return f"ssh {self.target.user}@{self.target.address}{port}" if self.target else "ssh"
            case "winrm":
                return f"winrm {self.user}@{self.address}"


class Channel(Protocol):
    """A guest that runs scripts."""

    def system(self) -> System:
        """What runs there.

        :raise HostError: when the guest does not answer, or tells of neither.
        """
        ...

    def run(self, script: Script, *, timeout: float) -> Result:
        """Run a script and return how it ended; its output is bounded.

        :raise DeadlineError: when it does not end in time; it has been ended then, if the guest still answers.
        :raise HostError: when the guest does not answer, or does not run it.
        """
        ...
