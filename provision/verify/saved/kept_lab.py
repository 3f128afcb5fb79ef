"""The lab file that evidence keeps: without what leads into hosts and guests."""

from __future__ import annotations

from json import JSONDecodeError
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from provision.lab.checks.machines import complaints
from provision.lab.positions import spelled
from provision.lab.spec import Lab
from provision.runtime.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Mapping


MOST_HOSTS = 1000
"""Of one check."""


def saved_lab(lab: Lab) -> dict[str, Any]:
    """The lab as it was resolved, without what leads into hosts and guests and what no verdict needs."""
    roads = {"address", "port", "user", "identity", "known_hosts", "sudo", "libvirt"}
    document = lab.model_dump(
        mode="json",
        exclude_defaults=True,
        exclude={
            "labs": True,
            "hosts": {"__all__": roads},
            "machines": {"__all__": {"kernel": {"cmdline"}}},
        },
    )
    for machine in document.get("machines", {}).values():
        machine["memory"] = f"{machine['memory'] >> 10}KiB"  # as lab files say it, for what reads them
        if "ask" in machine:
            machine["ask"] = [_nowhere(way) for way in machine["ask"]]
    for name, host in document.get("hosts", {}).items():
        if name != "local":
            host["address"] = "left-out.invalid"
    return document


def _nowhere(way: Any) -> Any:
    """A way into a guest by its kind and place alone, and nothing of where it leads or who goes it."""
    left_out = {"address": "left-out.invalid", "user": "left-out"}
    if not isinstance(way, dict):
        return way
    return {kind: {**left_out, **({"password_env": "LEFT_OUT"} if kind == "winrm" else {})} for kind in way}


def restored_lab(document: Mapping[str, Any]) -> Lab:
    """The lab that `saved_lab` wrote.

    :raise RequestError: when it is none.
    """
    try:
        lab = Lab.model_validate(dict(document))
    except (ValidationError, RecursionError) as error:
        raise RequestError(f"the evidence's lab is none: {first_fault(error)}") from error
    if len(lab.hosts) > MOST_HOSTS:
        raise RequestError(f"the evidence's lab is none: it has more than {MOST_HOSTS} hosts")
    for complaint in complaints(lab.name, lab, lab):
        raise RequestError(f"the evidence's lab is none: {spelled(complaint.where)}: {complaint.message}")
    return lab


def first_fault(error: Exception) -> str:
    """What is wrong, in one line."""
    if isinstance(error, ValidationError):
        fault = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(str(part) for part in fault['loc'])[:200]}: {fault['msg'][:200]}"
    if isinstance(error, JSONDecodeError):
        return f"it is no JSON: {error}"
    return (
        str(error)[:200] if isinstance(error, ValueError) else f"{type(error).__name__}: {str(error)[:200]}"
    )
