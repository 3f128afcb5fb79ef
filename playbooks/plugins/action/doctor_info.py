"""Looks at what a host has of that which RSC needs; changes nothing."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.rscvm.kvm.plugins.plugin_utils import rscvm
from ansible_collections.rscvm.kvm.plugins.plugin_utils.over_ansible import HostAction, OverAnsible


class ActionModule(HostAction):
    """rscvm.kvm.doctor_info."""

    options: ClassVar[dict[str, dict[str, Any]]] = {"uri": {"type": "str", "default": "qemu:///system"}}

    def work(self, over: OverAnsible, host: str, options: dict[str, Any]) -> dict[str, Any]:
        """The findings of `rscvm doctor`, and those that something is to be done about as `missing`."""
        findings = rscvm.examine_host(over, host, uri=options["uri"])
        missing = [each for each in findings if each["state"] == "miss"]
        return {"changed": False, "findings": findings, "missing": missing}
