"""Asks every QEMU of a host what keeps large segments from its guests; changes nothing."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.rscvm.kvm.plugins.plugin_utils import rscvm
from ansible_collections.rscvm.kvm.plugins.plugin_utils.over_ansible import HostAction, OverAnsible


class ActionModule(HostAction):
    """rscvm.kvm.check_info."""

    options: ClassVar[dict[str, dict[str, Any]]] = {
        "uri": {"type": "str", "default": "qemu:///system"},
        "monitor": {"type": "bool", "default": True},
        "observe": {"type": "float", "default": 0.0},
        "save": {"type": "path", "default": ""},
    }

    def work(self, over: OverAnsible, host: str, options: dict[str, Any]) -> dict[str, Any]:
        """The document of `rscvm check --json`, under the inventory's name of the host."""
        look = rscvm.Look(monitor=options["monitor"], observe=options["observe"])
        document = rscvm.check_host(over, host, look, uri=options["uri"], save=options["save"])
        return {"changed": False, "report": document, "evidence": options["save"]}
