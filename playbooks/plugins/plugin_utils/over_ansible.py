"""Ansible's own connection to a host, as rscvm's edges take one, and the action plugins that hand it on."""

from __future__ import annotations

import secrets
import shlex
import threading
from abc import abstractmethod
from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible_collections.rscvm.kvm.plugins.plugin_utils import rscvm


class OverAnsible:
    """Runs scripts by an action plugin's connection: with its jump hosts, its become, and its forks."""

    def __init__(self, action: ActionBase) -> None:
        self._action = action
        self._turn = threading.Lock()
        self.unreachable: AnsibleConnectionFailure | None = None
        """Why the host cannot be reached, while it never was."""
        self._reached = False
        self._begun = f"rscvm-{secrets.token_hex(16)}"

    def execute(self, script: str, arguments: tuple[str, ...], stdin: bytes) -> rscvm.Executed:
        """Run a script of `sh` there.

        :raise OSError: when the host cannot be reached, or does not let us in.
        """
        # What comes before it is a login's, or become's, and no answer.
        begun = f"echo {self._begun}; echo {self._begun} >&2"
        words = shlex.join(("sh", "-c", f"{begun}\n{script}", "sh", *arguments))
        with self._turn:
            try:
                done: dict[str, Any] = self._action._low_level_execute_command(
                    words, in_data=stdin, encoding_errors="surrogateescape"
                )
            except AnsibleConnectionFailure as error:
                self.unreachable = None if self._reached else error
                raise ConnectionError(str(error)) from error
            self._reached = True
        out, err = (self._said(str(done[key])) for key in ("stdout", "stderr"))
        if out is None or err is None:  # it has not begun, and why somebody else says
            return rscvm.Executed(int(done["rc"]) or 1, b"", str(done["stderr"] or done["stdout"]).encode())
        return rscvm.Executed(int(done["rc"]), out, err)

    def _said(self, text: str) -> bytes | None:
        """What the script has said; None where it has not begun."""
        parts = text.split(f"{self._begun}\n", 1)
        return parts[1].encode("utf-8", "surrogateescape") if len(parts) > 1 else None


class HostAction(ActionBase):
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
        options = self.validate_argument_spec(self.options)[1]
        if not self._connection.has_pipelining:
            raise AnsibleActionFail(
                f"the connection {self._connection.transport} hands a command no input, which this module needs"
            )
        over = OverAnsible(self)
        try:
            return {**result, **self.work(over, (task_vars or {})["inventory_hostname"], options)}
        except rscvm.RscvmError as error:
            if over.unreachable is not None:
                raise over.unreachable from None
            return {**result, **failed(error)}


def with_diff(done: dict[str, Any]) -> dict[str, Any]:
    """What was done, with its diff as Ansible shows one, and its notes for everybody to see."""
    lines = done.pop("diff")
    return {**done, "diff": [{"prepared": "\n".join((*lines, ""))}], "warnings": done["notes"]}


def failed(error: rscvm.RscvmError) -> dict[str, Any]:
    """An error of rscvm's as a module's result."""
    hint = {"hint": error.hint} if error.hint else {}
    return {"failed": True, "msg": "; ".join(filter(None, (str(error), error.hint))), **hint}
