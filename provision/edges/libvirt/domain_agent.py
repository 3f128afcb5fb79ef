"""A domain's guest agent through libvirt; its errors are told apart by their codes."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from provision.edges.guest.agent_words import INSTALL, returned
from provision.edges.libvirt.monitor import binding, within
from provision.runtime.deadline import limited, within_limit
from provision.runtime.errors import DeadlineError, HostError, LostError, RefusedError
from provision.runtime.guest_channel import AGENT_PORT
from provision.runtime.safe_text import quoted
from provision.runtime.untrusted import read_xml

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_SYNC = 5
"""Seconds in which libvirt itself finds out that an agent does not answer (VIR_DOMAIN_QEMU_AGENT_COMMAND_DEFAULT)."""
_LATE, _REFUSED = 112, 113
"""VIR_ERR_AGENT_COMMAND_TIMEOUT and _FAILED of newer ones; libvirt 9 has no names for them, and other codes."""
_ADD = (
    f"add <channel type='unix'><target type='virtio' name='{AGENT_PORT}'/></channel> to it, and start it anew"
)
_MUCH = "libvirt hands on no answer of more than 4 MiB, which is 3 MiB of output"
_RESTART = "in the guest: systemctl restart qemu-guest-agent (Windows: Restart-Service QEMU-GA)"
"""libvirt gives up on an agent that has answered with more than 10 MiB, until that opens its port anew (measured, 9.0)."""


class LibvirtAgent:
    """A domain's guest agent through libvirt; one at whose question libvirt itself hangs is not asked again."""

    def __init__(self, name: str, domain: Any, dropped: Callable[[], None]) -> None:
        """`dropped` is told that a call is left hanging on the connection."""
        self._name = name
        self._domain = domain
        self._dropped = dropped
        self._silent = ""

    def ask(self, command: str, arguments: Mapping[str, object], seconds: float) -> object:
        """Return the command's `return` value.

        :raise RefusedError: when the agent answers with an error.
        :raise DeadlineError: when it does not answer in time.
        :raise HostError: when there is none, or libvirt cannot ask it.
        """
        libvirt = binding()
        if self._silent:
            raise HostError(self._silent)
        patience = max(1, math.ceil(within_limit(seconds)))
        try:
            # libvirt ends its own wait: to leave it a moment before would cost the connection, and the script its end.
            with limited(None):
                answer = within(patience + _SYNC, lambda: self._ask(command, dict(arguments), patience))
        except TimeoutError as error:
            self._dropped()
            self._silent = f"libvirt did not ask {self._name}'s guest agent within {patience + _SYNC} s"
            raise DeadlineError(self._silent, whole=False) from error
        except libvirt.libvirtError as error:
            raise self._failed(command, error) from error
        return returned(answer, command)

    def _ask(self, command: str, arguments: Mapping[str, object], patience: int) -> str:
        import libvirt_qemu  # noqa: PLC0415 - as libvirt itself

        question = json.dumps({"execute": command, "arguments": arguments})
        return str(libvirt_qemu.qemuAgentCommand(self._domain, question, patience, 0))

    def _failed(self, command: str, error: Any) -> HostError:
        """What an error of libvirt's means, by its code."""
        libvirt = binding()
        code, words = error.get_error_code(), quoted(str(error))
        if not self._domain.connect().isAlive():
            self._silent = f"libvirt hung up when it was to ask {self._name}'s guest agent {command}: {words}"
            return LostError(self._silent, whole=False)
        if code in (libvirt.VIR_ERR_INTERNAL_ERROR, _REFUSED):
            return RefusedError(f"the guest agent of {self._name} refused {command}: {words}", "")
        if code == libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED:
            return HostError(f"{self._name} has no channel for a guest agent", hint=_ADD)
        if code not in (libvirt.VIR_ERR_AGENT_UNRESPONSIVE, _LATE):
            hint = {libvirt.VIR_ERR_RPC: _MUCH, libvirt.VIR_ERR_SYSTEM_ERROR: _RESTART}.get(code, "")
            return HostError(
                f"libvirt could not ask {self._name}'s guest agent {command}: {words}", hint=hint
            )
        if self._is_connected():
            late = f"the guest agent of {self._name} did not answer {command}: {words}"
            return DeadlineError(late, hint=_RESTART, whole=False)
        return HostError(f"no guest agent runs in {self._name}", hint=INSTALL)

    def _is_connected(self) -> bool:
        """Whether somebody in the guest has opened the agent's port, as libvirt has it; so it seems where that does not tell."""
        try:
            root = read_xml(within(_SYNC, lambda: self._domain.XMLDesc(0)))
        except (TimeoutError, ValueError, HostError, binding().libvirtError):
            return True
        targets = root.iterfind(f"devices/channel/target[@name='{AGENT_PORT}']")
        return all(target.get("state") != "disconnected" for target in targets)
