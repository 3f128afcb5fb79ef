"""Gives back what a host has switched off at the TAPs of the machines that run there."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.rscvm.kvm.plugins.plugin_utils import rscvm
from ansible_collections.rscvm.kvm.plugins.plugin_utils.over_ansible import HostAction, OverAnsible, with_diff


class ActionModule(HostAction):
    """rscvm.kvm.fix."""

    options: ClassVar[dict[str, dict[str, Any]]] = {
        "uri": {"type": "str", "default": "qemu:///system"},
        "observe": {"type": "float", "default": 0.0},
    }

    def work(self, over: OverAnsible, host: str, options: dict[str, Any]) -> dict[str, Any]:
        """What was changed, or with --check what would be."""
        look = rscvm.Look(observe=options["observe"])
        return with_diff(rscvm.fix_taps(over, host, look, uri=options["uri"], dry_run=self._task.check_mode))
