"""Sets a host's physical NICs and bridges, all of it or nothing, read back."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.rscvm.kvm.plugins.plugin_utils.over_ansible import OverAnsible, failed

from provision.api.hosts import set_host, take_back_host
from provision.runtime.errors import RscvmError

_OPTIONS = {
    "nics": {"type": "dict", "default": {}},
    "bridges": {"type": "dict", "default": {}},
    "state": {"type": "str", "default": "present", "choices": ["present", "absent"]},
}


class ActionModule(ActionBase):
    """rscvm.kvm.host_nics."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """What was changed, or with --check what would be."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        options = self.validate_argument_spec(_OPTIONS)[1]
        host = (task_vars or {})["inventory_hostname"]
        try:
            over, dry_run = OverAnsible(self), self._task.check_mode
            if options["state"] == "absent":
                done = take_back_host(over, host, dry_run=dry_run)
            else:
                done = set_host(over, host, options, dry_run=dry_run)
        except RscvmError as error:
            return {**result, **failed(error)}
        diff = {"diff": [{"prepared": "\n".join((*done.pop("diff"), ""))}]}
        return {**result, **done, **diff}
