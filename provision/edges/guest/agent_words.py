"""What is asked of a guest agent, and its answers, whoever brings them: libvirt, or QEMU's socket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from provision.edges.qmp_answer import return_value

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_ANSWER = 4 << 20
"""Bytes of an answer; libvirt hands on no longer one (remote_protocol.x: REMOTE_STRING_MAX), which is 3 MiB of output."""
INSTALL = "is qemu-guest-agent installed in the guest, and does its service run?"
_MOST_VALUES = 100_000
"""Of an answer; a qemu-ga that tells of its 60 commands has 300."""


class Agent(Protocol):
    """A guest agent that answers one question at a time."""

    def ask(self, command: str, arguments: Mapping[str, object], seconds: float) -> object:
        """Return the command's `return` value.

        :raise RefusedError: when the agent answers with an error.
        :raise UnreadableError: when it answers what no agent would.
        :raise DeadlineError: when it does not answer in time; whether it does yet what it was asked nobody knows.
        :raise HostError: when there is none, or what leads to it fails.
        """
        ...


def returned(text: str | bytes, command: str) -> object:
    """The `return` value of an agent's answer, whoever wrote that.

    :raise RefusedError: when it is an error.
    :raise UnreadableError: when it is none of an agent's.
    """
    return return_value(text, "the guest agent", command, _MOST_VALUES)
