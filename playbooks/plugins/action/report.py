"""Writes one report of many hosts' evidence, in the control node's files."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.rscvm.kvm.plugins.plugin_utils import rscvm
from ansible_collections.rscvm.kvm.plugins.plugin_utils.over_ansible import failed

_OPTIONS = {
    "dest": {"type": "path", "required": True},
    "checked": {"type": "dict", "required": True},
}


class ActionModule(ActionBase):
    """rscvm.kvm.report."""

    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Where the two files are, and what the report comes to."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        options = self.validate_argument_spec(_OPTIONS)[1]
        try:
            written = rscvm.write_report(options["dest"], *_sorted(options["checked"]))
        except rscvm.RscvmError as error:
            return {**result, **failed(error)}
        return {**result, "changed": True, **written}


def _sorted(checked: dict[str, Any]) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """Where each host's evidence is, and what became of the others.

    :raise RequestError: when one of them is nothing that check_info returns.
    """
    kept, errors = {}, {}
    for host, done in checked.items():
        if not isinstance(done, dict):
            raise rscvm.RequestError(f"checked.{host}: is nothing that check_info returns")
        if done.get("failed") or done.get("unreachable"):
            errors[host] = {"message": str(done.get("msg", "it failed")), "hint": str(done.get("hint", ""))}
        elif done.get("evidence"):
            kept[host] = str(done["evidence"])
        else:
            raise rscvm.RequestError(
                f"checked.{host}: names no evidence: check_info keeps it where it is given `save`"
            )
    return kept, errors
