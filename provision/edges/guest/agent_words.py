"""What is asked of a guest agent, and its answers, whoever brings them: libvirt, or QEMU's socket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from provision.runtime.errors import RefusedError, UnreadableError
from provision.runtime.safe_text import short
from provision.runtime.untrusted import read_json

if TYPE_CHECKING:
    from collections.abc import Mapping

CHANNEL = "org.qemu.guest_agent.0"
"""The name of its port, in libvirt's XML and in QEMU."""
LONGEST_ANSWER = 4 << 20
"""Bytes of an answer; libvirt hands on no longer one (remote_protocol.x: REMOTE_STRING_MAX), which is 3 MiB of output."""
INSTALL = "is qemu-guest-agent installed in the guest, and does its service run?"
_MOST_VALUES = 100_000
"""Of an answer; a qemu-ga that tells of its 60 commands has 300."""
_WORDS = 300
"""Characters of what an agent says that are handed on in an error."""


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
    what = f"the guest agent's answer to {command}"
    shown = text if isinstance(text, str) else text[:_WORDS].decode("utf-8", "replace")
    try:
        answer = read_json(text, _MOST_VALUES)
    except ValueError as error:
        raise UnreadableError(f"{what} ({short(str(error), 100)})", shown, hint="") from error
    if not isinstance(answer, dict) or not ({"return", "error"} & answer.keys()):
        raise UnreadableError(what, shown, hint="")
    if "error" not in answer:
        return answer["return"]
    why = answer["error"]
    if not isinstance(why, dict):
        raise UnreadableError(what, shown, hint="")
    kind, words = (str(why.get(key, ""))[: _WORDS + 1] for key in ("class", "desc"))
    raise RefusedError(f"the guest agent refused {command}: {short(words, _WORDS)}", kind)
