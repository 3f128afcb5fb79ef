"""Gives back what a host has switched off at the TAPs of the machines that run there."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.rscvm.kvm.plugins.plugin_utils.over_ansible import HostAction, OverAnsible, with_diff

from provision.api.hosts import fix_taps
from provision.verbs.check import Look


class ActionModule(HostAction):
    """rscvm.kvm.fix."""

    options: ClassVar[dict[str, dict[str, Any]]] = {
        "uri": {"type": "str", "default": "qemu:///system"},
        "observe": {"type": "float", "default": 0.0},
    }

    def work(self, over: OverAnsible, host: str, options: dict[str, Any]) -> dict[str, Any]:
        """What was changed, or with --check what would be."""
        look = Look(observe=options["observe"])
        return with_diff(fix_taps(over, host, look, uri=options["uri"], dry_run=self._task.check_mode))
