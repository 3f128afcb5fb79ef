"""Gives back what a host has switched off at the TAPs of the machines that run there."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.rscvm.kvm.plugins.plugin_utils.over_ansible import OverAnsible, failed

from provision.api.hosts import fix_taps
from provision.runtime.errors import RscvmError
from provision.verbs.check import Look

_OPTIONS = {
    "uri": {"type": "str", "default": "qemu:///system"},
    "observe": {"type": "float", "default": 0.0},
}


class ActionModule(ActionBase):
    """rscvm.kvm.fix."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """What was changed, or with --check what would be."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        options = self.validate_argument_spec(_OPTIONS)[1]
        host = (task_vars or {})["inventory_hostname"]
        try:
            look = Look(observe=options["observe"])
            done = fix_taps(OverAnsible(self), host, look, uri=options["uri"], dry_run=self._task.check_mode)
        except RscvmError as error:
            return {**result, **failed(error)}
        diff = {"diff": [{"prepared": "\n".join((*done.pop("diff"), ""))}]}
        return {**result, **done, **diff}
