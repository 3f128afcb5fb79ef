"""Asks every QEMU of a host what keeps large segments from its guests; changes nothing."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.rscvm.kvm.plugins.plugin_utils.over_ansible import OverAnsible, failed

from provision.api.hosts import check_host
from provision.runtime.errors import RscvmError
from provision.verbs.check import Look

_OPTIONS = {
    "uri": {"type": "str", "default": "qemu:///system"},
    "monitor": {"type": "bool", "default": True},
    "observe": {"type": "float", "default": 0.0},
    "save": {"type": "path", "default": ""},
}


class ActionModule(ActionBase):
    """rscvm.kvm.check_info."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The document of `rscvm check --json`, under the inventory's name of the host."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        options = self.validate_argument_spec(_OPTIONS)[1]
        host = (task_vars or {})["inventory_hostname"]
        try:
            look = Look(monitor=options["monitor"], observe=options["observe"])
            document = check_host(OverAnsible(self), host, look, uri=options["uri"], save=options["save"])
        except RscvmError as error:
            return {**result, **failed(error)}
        return {**result, "changed": False, "report": document, "evidence": options["save"]}
