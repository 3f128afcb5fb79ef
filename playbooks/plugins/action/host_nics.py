"""Sets a host's physical NICs and bridges, all of it or nothing, read back."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.rscvm.kvm.plugins.plugin_utils import rscvm
from ansible_collections.rscvm.kvm.plugins.plugin_utils.over_ansible import HostAction, OverAnsible, with_diff


class ActionModule(HostAction):
    """rscvm.kvm.host_nics."""

    options: ClassVar[dict[str, dict[str, Any]]] = {
        "nics": {"type": "dict", "default": {}},
        "bridges": {"type": "dict", "default": {}},
        "state": {"type": "str", "default": "present", "choices": ["present", "absent"]},
    }

    def work(self, over: OverAnsible, host: str, options: dict[str, Any]) -> dict[str, Any]:
        """What was changed, or with --check what would be."""
        dry_run = self._task.check_mode
        if options["state"] == "absent":
            return with_diff(rscvm.take_back_host(over, host, dry_run=dry_run))
        return with_diff(rscvm.set_host(over, host, options, dry_run=dry_run))
