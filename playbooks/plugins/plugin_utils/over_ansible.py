"""Ansible's own connection to a host, as rscvm's edges take one."""

from __future__ import annotations

import shlex
import threading
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure

if TYPE_CHECKING:
    from ansible.plugins.action import ActionBase

try:
    from provision.edges.relayed.pump import Executed
    from provision.runtime.errors import RscvmError
except ImportError as error:
    raise AnsibleActionFail(
        f"rscvm is not installed for {__import__('sys').executable}, by which Ansible runs here ({error}): pip install rscvm there"
    ) from error


class OverAnsible:
    """Runs scripts by an action plugin's connection: with its jump hosts, its become, and its forks."""

    def __init__(self, action: ActionBase) -> None:
        self._action = action
        self._turn = threading.Lock()
        if not action._connection.has_pipelining:
            raise AnsibleActionFail(
                f"the connection plugin {action._connection.transport} hands no input on to a command (has_pipelining)"
            )

    def execute(self, script: str, arguments: tuple[str, ...], stdin: bytes) -> Executed:
        """Run a script of `sh` there.

        :raise OSError: when the host cannot be reached, or does not let us in.
        """
        words = shlex.join(("sh", "-c", script, "sh", *arguments))
        with self._turn:
            try:
                done: dict[str, Any] = self._action._low_level_execute_command(
                    words, in_data=stdin, encoding_errors="surrogateescape"
                )
            except AnsibleConnectionFailure as error:
                raise ConnectionError(str(error)) from error
        out, err = (str(done[key]).encode("utf-8", "surrogateescape") for key in ("stdout", "stderr"))
        return Executed(int(done["rc"]), out, err)


def failed(error: RscvmError) -> dict[str, Any]:
    """An error of rscvm's as a module's result."""
    return {"failed": True, "msg": str(error), "hint": error.hint}
