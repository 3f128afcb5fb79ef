"""Looks at what a host has of that which RSC needs; changes nothing."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.rscvm.kvm.plugins.plugin_utils.over_ansible import OverAnsible, failed

from provision.api.hosts import examine_host
from provision.runtime.errors import RscvmError

_OPTIONS = {"uri": {"type": "str", "default": "qemu:///system"}}


class ActionModule(ActionBase):
    """rscvm.kvm.doctor_info."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The findings of `rscvm doctor`, and those that something is to be done about as `missing`."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        options = self.validate_argument_spec(_OPTIONS)[1]
        host = (task_vars or {})["inventory_hostname"]
        try:
            findings = examine_host(OverAnsible(self), host, **options)
        except RscvmError as error:
            return {**result, **failed(error)}
        missing = [each for each in findings if each["state"] == "miss"]
        return {**result, "changed": False, "findings": findings, "missing": missing}
