"""Ansible's own connection to a host, as rscvm's edges take one, and the action plugins that hand it on."""

from __future__ import annotations

import shlex
import sys
import threading
from abc import abstractmethod
from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

try:
    from provision.edges.relayed.pump import Executed
    from provision.runtime.errors import RscvmError
except ImportError as error:
    raise AnsibleActionFail(
        f"rscvm is not installed where Ansible runs: `{sys.executable} -m pip install rscvm` ({error})"
    ) from error


class OverAnsible:
    """Runs scripts by an action plugin's connection: with its jump hosts, its become, and its forks."""

    def __init__(self, action: ActionBase) -> None:
        self._action = action
        self._turn = threading.Lock()
        self.unreachable: AnsibleConnectionFailure | None = None
        """Why the host cannot be reached, while it never was."""
        self._reached = False

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
                self.unreachable = None if self._reached else error
                raise ConnectionError(str(error)) from error
            self._reached = True
        out, err = (str(done[key]).encode("utf-8", "surrogateescape") for key in ("stdout", "stderr"))
        return Executed(int(done["rc"]), out, err)


class HostAction(ActionBase):  # type: ignore[misc]
    """An action of rscvm's on a host, whose errors are the module's."""

    _supports_check_mode = True
    _supports_async = False
    options: ClassVar[dict[str, dict[str, Any]]]
    """The argument spec."""

    @abstractmethod
    def work(self, over: OverAnsible, host: str, options: dict[str, Any]) -> dict[str, Any]:
        """What the module returns.

        :raise RscvmError: what it says when it fails.
        """

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The module's result; a host that was never reached is unreachable."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(self.options)
        if not self._connection.has_pipelining:
            raise AnsibleActionFail(
                f"the connection {self._connection.transport} hands a command no input, which this module needs"
            )
        over = OverAnsible(self)
        try:
            return {**result, **self.work(over, (task_vars or {})["inventory_hostname"], options)}
        except RscvmError as error:
            if over.unreachable is not None:
                raise over.unreachable from error
            return {**result, **failed(error)}


def with_diff(done: dict[str, Any]) -> dict[str, Any]:
    """What was done, with its diff as Ansible shows one."""
    lines = done.pop("diff")
    return {**done, "diff": [{"prepared": "\n".join((*lines, ""))}]}


def failed(error: RscvmError) -> dict[str, Any]:
    """An error of rscvm's as a module's result."""
    return {"failed": True, "msg": str(error), "hint": error.hint}
